#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "core/files.h"
#include "slice_print/cli_file.h"

namespace osteo::slice_print {

namespace {

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), bytes_(core::readFile(path)) {}

  CliJob read() {
    readHeader();
    if (job_.encoding == CliEncoding::Binary) {
      while (at_ < bytes_.size()) readBinaryCommand();
    } else {
      bool ended = false;
      while (!ended) ended = !readAsciiCommand();
    }
    if (promised_layers_ >= 0 && promised_layers_ != static_cast<std::int64_t>(job_.layers.size())) {
      refuse("another number of layers than the header promises", fmt::format("{} layers", promised_layers_),
             fmt::format("{} layers", job_.layers.size()));
    }
    return std::move(job_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& expected = {},
                           const std::string& got = {}) const {
    throw core::Error(core::Exit::DataError,
                      {.what = "not a readable CLI file: " + what, .file = path_, .expected = expected, .got = got});
  }

  // The next `$$NAME/values` of an ASCII part: values end at white space or at the next `$$`. Comments stand between
  // `//`.
  std::string_view nextCommand(std::string_view& values) {
    const std::string_view text = bytes_;
    while (true) {
      at_ = text.find_first_not_of(" \t\r\n", at_);
      if (at_ == text.npos) refuse("it ends too early", "$$HEADEREND or $$GEOMETRYEND");
      if (text.substr(at_, 2) != "//") break;
      at_ = text.find("//", at_ + 2);
      if (at_ == text.npos) refuse("a comment does not end");
      at_ += 2;
    }
    if (text.substr(at_, 2) != "$$") refuse(fmt::format("no command at byte {}", at_), "$$…");
    const std::size_t name_end = std::min(text.find_first_of("/ \t\r\n", at_), text.find("$$", at_ + 2));
    const bool header_end = text.substr(at_, 11) == "$$HEADEREND";  // binary data may follow at once
    const std::size_t name_stop = header_end ? at_ + 11 : std::min(name_end, text.size());
    const std::string_view name = text.substr(at_ + 2, name_stop - at_ - 2);
    at_ = name_stop;
    values = {};
    if (!header_end && at_ < text.size() && text[at_] == '/') {
      const std::size_t stop = std::min({text.find_first_of(" \t\r\n", at_), text.find("$$", at_), text.size()});
      values = text.substr(at_ + 1, stop - at_ - 1);
      at_ = stop;
    }
    return name;
  }

  double number(std::string_view& values) const {
    double value = 0;
    const auto [end, error] = std::from_chars(values.data(), values.data() + values.size(), value);
    if (error != std::errc() || !std::isfinite(value)) refuse(fmt::format("no number before byte {}", at_));
    values.remove_prefix(static_cast<std::size_t>(end - values.data()));
    if (!values.empty() && values[0] == ',') values.remove_prefix(1);
    return value;
  }

  std::size_t count(double value, std::size_t available) const {
    if (!(value >= 0 && value <= static_cast<double>(available)) || value != std::floor(value)) {
      refuse(fmt::format("a count that the file can't hold before byte {}", at_), fmt::format("at most {}", available),
             fmt::format("{}", value));
    }
    return static_cast<std::size_t>(value);
  }

  void readHeader() {
    std::string_view values, name = nextCommand(values);
    if (name != "HEADERSTART") refuse("it does not start with $$HEADERSTART");
    bool encoded = false;
    while (name != "HEADEREND") {
      name = nextCommand(values);
      if (name == "BINARY" || name == "ASCII") {
        job_.encoding = name == "BINARY" ? CliEncoding::Binary : CliEncoding::Ascii;
        encoded = true;
      }
      if (name == "ALIGN") aligned_ = true;
      if (name == "UNITS") job_.unit_mm = number(values);
      if (name == "VERSION") job_.version = static_cast<int>(number(values));
      if (name == "DATE") job_.date = values;
      if (name == "LABEL") {
        const int id = static_cast<int>(number(values));
        job_.labels[id] = values;
      }
      if (name == "LAYERS") promised_layers_ = static_cast<std::int64_t>(number(values));
      if (name == "DIMENSION") {
        for (Eigen::Vector3d* corner : {&job_.min_mm, &job_.max_mm}) {
          for (int axis = 0; axis < 3; ++axis) (*corner)[axis] = number(values);
        }
      }
    }
    if (!encoded || !(job_.unit_mm > 0)) refuse("its header is incomplete", "$$ASCII or $$BINARY, and $$UNITS above 0");
  }

  CliLayer& layer() {
    if (job_.layers.empty()) refuse("geometry before the first layer");
    return job_.layers.back();
  }
  void startLayer(double z) {
    if (!std::isfinite(z)) refuse("a layer height is not a number");
    job_.layers.push_back({.top_mm = z * job_.unit_mm});
  }

  // False at $$GEOMETRYEND.
  bool readAsciiCommand() {
    std::string_view values;
    const std::string_view name = nextCommand(values);
    if (name == "LAYER") startLayer(number(values));
    if (name == "POLYLINE") {
      CliPolyline line;
      line.id = static_cast<int>(number(values));
      line.direction = static_cast<int>(number(values));
      const std::size_t n = count(number(values), values.size());
      for (std::size_t i = 0; i < n; ++i) line.points.push_back(asciiPoint(values));
      layer().polylines.push_back(std::move(line));
    }
    if (name == "HATCHES") {
      const int id = static_cast<int>(number(values));
      const std::size_t n = count(number(values), values.size());
      for (std::size_t i = 0; i < n; ++i) {
        const Point a = asciiPoint(values);
        layer().hatches.push_back({a, asciiPoint(values)});
      }
      layer().hatch_ids.resize(layer().hatches.size(), id);
    }
    return name != "GEOMETRYEND";
  }
  Point asciiPoint(std::string_view& values) const {
    const double x = number(values);
    return Point(x, number(values)) * job_.unit_mm;
  }

  template <class T>
  T take() {
    if (bytes_.size() - at_ < sizeof(T))
      refuse(fmt::format("it ends at byte {} in the middle of a command", bytes_.size()));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  template <class T>
  Point takePoint() {
    const double x = take<T>();
    const double y = take<T>();
    if (!std::isfinite(x) || !std::isfinite(y)) refuse(fmt::format("a coordinate before byte {} is not a number", at_));
    return Point(x, y) * job_.unit_mm;
  }
  void align() {
    while (aligned_ && at_ % 4 != 0 && at_ < bytes_.size()) ++at_;
  }

  void readBinaryCommand() {
    align();
    const auto command = take<std::uint16_t>();
    align();
    switch (command) {
      case 127:
        return startLayer(take<float>());
      case 128:
        return startLayer(take<std::uint16_t>());
      case 129:
        return takePolyline<std::uint16_t, std::uint16_t>();
      case 130:
        return takePolyline<std::int32_t, float>();
      case 131:
        return takeHatches<std::uint16_t, std::uint16_t>();
      case 132:
        return takeHatches<std::int32_t, float>();
      default:
        refuse(fmt::format("unknown command before byte {}", at_), "127 to 132", std::to_string(command));
    }
  }
  template <class Count, class Real>
  void takePolyline() {
    CliPolyline line;
    line.id = take<Count>();
    line.direction = take<Count>();
    const std::size_t n = count(take<Count>(), (bytes_.size() - at_) / (2 * sizeof(Real)));
    line.points.reserve(n);
    for (std::size_t i = 0; i < n; ++i) line.points.push_back(takePoint<Real>());
    layer().polylines.push_back(std::move(line));
  }
  template <class Count, class Real>
  void takeHatches() {
    const int id = take<Count>();
    const std::size_t n = count(take<Count>(), (bytes_.size() - at_) / (4 * sizeof(Real)));
    for (std::size_t i = 0; i < n; ++i) {
      const Point a = takePoint<Real>();
      layer().hatches.push_back({a, takePoint<Real>()});
    }
    layer().hatch_ids.resize(layer().hatches.size(), id);
  }

  std::string path_, bytes_;
  std::size_t at_ = 0;
  bool aligned_ = false;
  std::int64_t promised_layers_ = -1;
  CliJob job_;
};

}  // namespace

CliJob readCli(const std::string& path) { return Reader(path).read(); }

}  // namespace osteo::slice_print
