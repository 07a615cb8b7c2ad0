#include "slice_print/gcode_read.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/files.h"

namespace osteo::slice_print {

namespace {

constexpr double kSameHeight_mm = 1e-4, kLeastFeed_mm = 1e-9;
constexpr double kMost_mm = 1e6;
constexpr double kFirstSpeed_mm_s = 25, kFirstAcceleration_mm_s2 = 1000;  // until the job says others

// A line without its comment: letter and number of each word.
struct Words {
  std::array<std::optional<double>, 26> value = {};
  std::optional<double> operator()(char letter) const { return value[static_cast<std::size_t>(letter - 'A')]; }
};

}  // namespace

class GcodeMeter::Summer {
 public:
  void line(std::string_view text) {
    ++number_;
    const std::size_t comment = text.find(';');
    if (comment != std::string_view::npos) {
      constexpr std::string_view kType = ";TYPE:";
      if (text.substr(comment, kType.size()) == kType) type_ = trimmed(text.substr(comment + kType.size()));
      text = text.substr(0, comment);
    }
    Words words;
    if (const auto command = parse(text, words)) obey(*command, words);
  }

  GcodeSums finish() {
    flush();
    return std::move(sums_);
  }

 private:
  static std::string trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
    return std::string(text.substr(0, 40));
  }

  [[noreturn]] void fail(const std::string& what, std::string_view got) const {
    throw core::Error(core::Exit::DataError,
                      {.what = fmt::format("line {}: {}", number_, what), .got = std::string(got.substr(0, 40))});
  }

  // The command such as 'G' and 1 is the first word; nothing for an empty line. Text of M117 and the like is not read.
  std::optional<std::pair<char, int>> parse(std::string_view text, Words& words) const {
    std::optional<std::pair<char, int>> command;
    std::size_t i = 0;
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (true) {
      while (i < text.size() && blank(text[i])) ++i;
      if (i == text.size() || text[i] == '*') return command;
      const char letter = static_cast<char>(text[i] & ~0x20);
      if (letter < 'A' || letter > 'Z') fail("no G-code", text);
      const bool moves = command && command->first == 'G';
      double value = 0;
      const char *from = text.data() + i + 1, *end = text.data() + text.size();
      if (from < end && *from == '+') ++from;
      const auto [to, error] = std::from_chars(from, end, value);
      const bool number = error == std::errc() && std::isfinite(value) && std::abs(value) <= kMost_mm;
      if (!number && error == std::errc()) fail("a number that none of these machines reaches", text);
      if (!command) {
        if (letter == 'N' && number) {
          i = static_cast<std::size_t>(to - text.data());
          continue;
        }
        if (letter == 'T') return command;
        if (!number || (letter != 'G' && letter != 'M')) {
          // Macros of other firmwares, such as START_PRINT, do not move as far as a reader can know.
          if (std::isalpha(static_cast<unsigned char>(text[i])) && !number) return command;
          fail("no G-code", text);
        }
        command = {letter, static_cast<int>(value)};
      } else if (number) {
        words.value[static_cast<std::size_t>(letter - 'A')] = value;
      } else if (moves && (letter == 'X' || letter == 'Y' || letter == 'Z' || letter == 'E' || letter == 'F')) {
        if (command->second <= 1) fail("a word without a number", text);
      } else if (!moves) {
        return command;
      }
      i = number ? static_cast<std::size_t>(to - text.data()) : i + 1;
    }
  }

  void obey(std::pair<char, int> command, const Words& words) {
    const auto [letter, code] = command;
    if (letter == 'M') return setting(code, words);
    if (code == 0 || code == 1) return move(words);
    if (code == 2 || code == 3) fail("arcs are not read", "G2, G3");
    if (code == 20) fail("inches are not read", "G20");
    if (code == 4) flush(), sums_.time_s += words('S').value_or(0) + words('P').value_or(0) / 1000;
    if (code == 28) flush(), at_.setZero();
    if (code == 90) relative_ = relative_feed_ = false;
    if (code == 91) relative_ = relative_feed_ = true;
    if (code == 92) {
      for (int axis = 0; axis < 3; ++axis) at_[axis] = words("XYZ"[axis]).value_or(at_[axis]);
      feed_ = words('E').value_or(feed_);
    }
  }

  void setting(int code, const Words& words) {
    if (code == 82) relative_feed_ = false;
    if (code == 83) relative_feed_ = true;
    if (code == 126) open_ = true;
    if (code == 127) open_ = false;
    if (code == 204) {
      const double wanted = words('P').value_or(words('S').value_or(acceleration_));
      if (wanted > 0) acceleration_ = wanted;
    }
  }

  void move(const Words& words) {
    Eigen::Vector3d to = at_;
    for (int axis = 0; axis < 3; ++axis) {
      if (const auto value = words("XYZ"[axis])) to[axis] = relative_ ? at_[axis] + *value : *value;
    }
    double feed = 0;
    if (const auto value = words('E')) feed = relative_feed_ ? *value : *value - feed_;
    feed_ += feed;
    if (const auto value = words('F'); value && *value > 0) speed_ = *value / 60;
    const Move move{to - at_, feed, speed_, acceleration_};
    at_ = to;
    if (move.length_mm() <= 0) return;
    ++sums_.moves;
    fed_mm_ += feed;
    sums_.feed_mm = std::max(sums_.feed_mm, fed_mm_);
    const double way = move.along.norm();
    if (way > 0 && (feed > kLeastFeed_mm || open_)) {
      sums_.extruding_mm += way;
      sums_.extruding_mm_by_type[type_] += way;
      for (const Eigen::Vector3d& end : {Eigen::Vector3d(to - move.along), to})
        sums_.min_mm = sums_.min_mm.cwiseMin(end), sums_.max_mm = sums_.max_mm.cwiseMax(end);
      if (!(std::abs(to.z() - layer_z_) <= kSameHeight_mm)) ++sums_.layers, layer_z_ = to.z();
    } else {
      sums_.travel_mm += way;
      sums_.retractions += way == 0 && feed < 0;
    }
    pending_.push_back(move);
    if (way == 0) flush();  // the nozzle stands while only the feed moves
  }

  void flush() {
    sums_.time_s += duration_s(pending_);
    pending_.clear();
  }

  bool relative_ = false, relative_feed_ = false, open_ = false;
  double fed_mm_ = 0;  // by now, less what is retracted
  double acceleration_ = kFirstAcceleration_mm_s2, speed_ = kFirstSpeed_mm_s, feed_ = 0, layer_z_ = -1e300;
  Eigen::Vector3d at_ = Eigen::Vector3d::Zero();
  std::string type_;
  std::int64_t number_ = 0;
  std::vector<Move> pending_;
  GcodeSums sums_;
};

GcodeMeter::GcodeMeter() : summer_(std::make_unique<Summer>()) {}
GcodeMeter::~GcodeMeter() = default;
GcodeSums GcodeMeter::finish() { return summer_->finish(); }

void GcodeMeter::read(const std::string& text) {
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    summer_->line(std::string_view(text).substr(start, end - start));
    start = end + 1;
  }
}

nlohmann::json gcodeRecord(const std::string& path, double filament_mm) {
  GcodeSums sums;
  try {
    GcodeMeter meter;
    meter.read(core::readFile(path));
    sums = meter.finish();
  } catch (const core::Error& error) {
    core::Complaint complaint = error.complaint();
    complaint.file = path;
    throw core::Error(error.code(), complaint);
  }
  if (sums.moves == 0) throw core::Error(core::Exit::DataError, {.what = "no move in the G-code", .file = path});
  const auto list = [](const Eigen::Vector3d& v) { return nlohmann::json{v.x(), v.y(), v.z()}; };
  nlohmann::json record = {{"layers", sums.layers},
                           {"extrusion_length_mm", sums.feed_mm},
                           {"extruded_volume_mm3", sums.feed_mm * M_PI * filament_mm * filament_mm / 4},
                           {"filament_mm", filament_mm},
                           {"extruding_path_mm", sums.extruding_mm},
                           {"travel_mm", sums.travel_mm},
                           {"retractions", sums.retractions},
                           {"build_time_s", sums.time_s},
                           {"extruding_path_mm_by_type", sums.extruding_mm_by_type}};
  if (sums.extruding_mm > 0) record["min_mm"] = list(sums.min_mm), record["max_mm"] = list(sums.max_mm);
  return record;
}

}  // namespace osteo::slice_print
