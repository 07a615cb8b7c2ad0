// NRRD headers, after http://teem.sourceforge.net/nrrd/format.html
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "image/header.h"

namespace osteo::image {
namespace {

using Fields = std::map<std::string, std::string>;
constexpr std::size_t kLongestHeader = std::size_t{1} << 22;
constexpr std::size_t kLongestField =
    500;  ///< NrrdIO's complaints about longer ones overrun its buffer and end the process

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& expected,
                         const std::string& got, const std::string& hint = {}) {
  throw core::Error(core::Exit::DataError,
                    {.what = what, .file = path, .expected = expected, .got = got, .hint = hint});
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'n' || text[i + 1] == '\\');
    out += !escape ? text[i] : text[++i] == 'n' ? '\n' : '\\';
  }
  return out;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> out;
  for (std::string word; stream >> word;) out.push_back(word);
  return out;
}

std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0) return std::nullopt;
  return value;
}

std::optional<long long> whole(const std::string& text) {
  const auto value = number(text);
  if (!value || std::floor(*value) != *value || std::abs(*value) > 1e15) return std::nullopt;
  return static_cast<long long>(*value);
}

/// Header lines up to the blank line; fields get lower-case names, custom keys go to header.keys.
Fields readFields(std::istream& stream, Header& header) {
  Fields fields;
  std::size_t length = 0;
  for (std::string line; std::getline(stream, line);) {
    length += line.size() + 1;
    if (length > kLongestHeader) refuse(header.path, "the NRRD header does not end", "a blank line", "4 MiB of text");
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) break;
    if (line[0] == '#') continue;
    const auto custom = line.find(":="), plain = line.find(": ");
    if (custom != std::string::npos && (plain == std::string::npos || custom < plain)) {
      header.keys[unescaped(line.substr(0, custom))] = unescaped(line.substr(custom + 2));
    } else if (const auto colon = line.find(':'); colon != std::string::npos) {
      std::string name;
      for (const char c : line.substr(0, colon)) {
        if (c != ' ') name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      if (line.size() > kLongestField && name != "content")
        refuse(header.path, "a field of the NRRD header is too long", fmt::format("at most {} bytes", kLongestField),
               fmt::format("{} bytes in `{}`", line.size(), line.substr(0, 20)));
      fields[name] = trimmed(line.substr(colon + 1));
    } else {
      refuse(header.path, "a line of the NRRD header can't be read", "field: value", line.substr(0, 60));
    }
  }
  return fields;
}

Component componentOf(const std::string& type, const std::string& path) {
  static const std::map<std::string, Component> kNames = {{"signed char", Component::Int8},
                                                          {"int8", Component::Int8},
                                                          {"int8_t", Component::Int8},
                                                          {"uchar", Component::UInt8},
                                                          {"unsigned char", Component::UInt8},
                                                          {"uint8", Component::UInt8},
                                                          {"uint8_t", Component::UInt8},
                                                          {"short", Component::Int16},
                                                          {"short int", Component::Int16},
                                                          {"signed short", Component::Int16},
                                                          {"signed short int", Component::Int16},
                                                          {"int16", Component::Int16},
                                                          {"int16_t", Component::Int16},
                                                          {"ushort", Component::UInt16},
                                                          {"unsigned short", Component::UInt16},
                                                          {"unsigned short int", Component::UInt16},
                                                          {"uint16", Component::UInt16},
                                                          {"uint16_t", Component::UInt16},
                                                          {"int", Component::Int32},
                                                          {"signed int", Component::Int32},
                                                          {"int32", Component::Int32},
                                                          {"int32_t", Component::Int32},
                                                          {"uint", Component::UInt32},
                                                          {"unsigned int", Component::UInt32},
                                                          {"uint32", Component::UInt32},
                                                          {"uint32_t", Component::UInt32},
                                                          {"longlong", Component::Int64},
                                                          {"long long", Component::Int64},
                                                          {"long long int", Component::Int64},
                                                          {"signed long long", Component::Int64},
                                                          {"signed long long int", Component::Int64},
                                                          {"int64", Component::Int64},
                                                          {"int64_t", Component::Int64},
                                                          {"ulonglong", Component::UInt64},
                                                          {"unsigned long long", Component::UInt64},
                                                          {"unsigned long long int", Component::UInt64},
                                                          {"uint64", Component::UInt64},
                                                          {"uint64_t", Component::UInt64},
                                                          {"float", Component::Float32},
                                                          {"double", Component::Float64}};
  const auto found = kNames.find(type);
  if (found == kNames.end()) refuse(path, "unknown voxel type in the NRRD header", "short, uchar, float, …", type);
  return found->second;
}

/// Signs that turn the file's space into LPS.
Eigen::Vector3d signsToLps(const std::string& space, Header& header) {
  std::string name;
  for (const char c : space) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name == "left-posterior-superior" || name == "lps") return {1, 1, 1};
  if (name == "right-anterior-superior" || name == "ras") return {-1, -1, 1};
  if (name == "left-anterior-superior" || name == "las") return {1, -1, 1};
  if (!name.empty()) {
    refuse(header.path, "the NRRD space says nothing about the patient's axes", "left-posterior-superior, RAS or LAS",
           space, "set the field `space` to what the scanner's axes mean");
  }
  header.remarks.push_back("no `space` in the header: taken as left-posterior-superior");
  return {1, 1, 1};
}

/// Vectors such as "(1,0,0) none (0,1,0)"; nullopt for none.
std::vector<std::optional<Eigen::Vector3d>> vectorsOf(const std::string& text, const std::string& path) {
  std::vector<std::optional<Eigen::Vector3d>> out;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t", at)) != std::string::npos) {
    if (text.compare(at, 4, "none") == 0) {
      out.emplace_back();
      at += 4;
      continue;
    }
    const auto end = text.find(')', at);
    if (text[at] != '(' || end == std::string::npos)
      refuse(path, "a vector of the NRRD header can't be read", "(x,y,z)", text.substr(0, 60));
    std::string inside = text.substr(at + 1, end - at - 1);
    std::replace(inside.begin(), inside.end(), ',', ' ');
    const auto parts = words(inside);
    Eigen::Vector3d vector;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto value = parts.size() == 3 ? number(parts[i]) : std::nullopt;
      if (!value) refuse(path, "a vector of the NRRD header can't be read", "three numbers", text.substr(0, 60));
      vector[static_cast<int>(i)] = *value;
    }
    if (vector.hasNaN())
      out.emplace_back();
    else
      out.emplace_back(vector);
    at = end + 1;
  }
  return out;
}

double millimetres(const std::string& units, const std::string& path) {
  if (units.empty()) return 1;
  std::string unit = units.substr(0, units.find(' '));
  unit.erase(std::remove(unit.begin(), unit.end(), '"'), unit.end());
  static const std::map<std::string, double> kUnits = {{"", 1},      {"mm", 1},        {"millimeter", 1},
                                                       {"cm", 10},   {"m", 1000},      {"um", 1e-3},
                                                       {"µm", 1e-3}, {"micron", 1e-3}, {"nm", 1e-6}};
  const auto found = kUnits.find(unit);
  if (found == kUnits.end()) refuse(path, "unknown space units in the NRRD header", "mm", units);
  return found->second;
}

/// Sizes and directions of the three spatial axes; an axis without direction holds the channels.
void readAxes(const Fields& fields, Header& header) {
  const auto get = [&](const char* name) { return fields.count(name) ? fields.at(name) : std::string{}; };
  const auto sizes = words(get("sizes"));
  header.dimension = static_cast<int>(sizes.size());
  if (sizes.empty() || whole(get("dimension")) != static_cast<long long>(sizes.size()))
    refuse(header.path, "sizes and dimension of the NRRD header disagree", "as many sizes as dimensions", get("sizes"));
  const bool has_directions = fields.count("spacedirections") > 0;
  auto directions = vectorsOf(get("spacedirections"), header.path);
  const auto spacings = words(get("spacings")), kinds = words(get("kinds"));
  if (!has_directions) {
    for (std::size_t axis = 0, spatial = 0; axis < sizes.size(); ++axis) {
      const bool channel = sizes.size() == 4 && axis < kinds.size() && kinds[axis] != "domain" &&
                           kinds[axis] != "space" && kinds[axis] != "time" && kinds[axis] != "???" &&
                           kinds[axis] != "none";
      if (channel || spatial == 3) {
        directions.emplace_back();
        continue;
      }
      const double spacing = axis < spacings.size() ? number(spacings[axis]).value_or(1) : 1;
      directions.emplace_back(Eigen::Vector3d::Unit(static_cast<int>(spatial++)) *
                              (std::isfinite(spacing) ? spacing : 1));
    }
    header.remarks.push_back("no `space directions` in the header: axes taken as left, posterior, superior");
  }
  if (directions.size() != sizes.size())
    refuse(header.path, "space directions don't fit the dimension", fmt::format("{} vectors", sizes.size()),
           fmt::format("{}", directions.size()));
  int spatial = 0;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    const auto size = whole(sizes[axis]);
    if (!size || *size < 1 || *size > 1'000'000)
      refuse(header.path, "impossible size in the NRRD header", "1 to 1,000,000 on each axis", sizes[axis]);
    if (!directions[axis]) {
      header.channels = static_cast<int>(std::min(1'000'000LL, header.channels * *size));
    } else if (spatial < 3) {
      header.size[spatial] = static_cast<int>(*size);
      header.axes.col(spatial) = *directions[axis];
      ++spatial;
    }
  }
  if (spatial != 3 || header.dimension > 4 || (header.size.array() == 1).count() > 1)
    refuse(header.path, "not a three-dimensional volume", "a 3-D image", fmt::format("sizes {}", get("sizes")));
}

/// Where the voxels lie: behind the header or in a file of their own.
void locateData(const Fields& fields, std::int64_t header_end, Header& header) {
  const auto get = [&](const char* name) { return fields.count(name) ? fields.at(name) : std::string{}; };
  const std::string encoding = get("encoding"), data = get("datafile");
  header.gzip = encoding == "gzip" || encoding == "gz";
  if (!header.gzip && encoding != "raw")
    refuse(header.path, "unsupported encoding in the NRRD header", "raw or gzip", encoding.empty() ? "none" : encoding);
  const auto lines = whole(get("lineskip")).value_or(0), bytes = whole(get("byteskip")).value_or(0);
  if (lines != 0 || bytes < -1 || (bytes == -1 && header.gzip))
    refuse(header.path, "unsupported skipping in the NRRD header", "no line skip, byte skip from -1 on",
           fmt::format("line skip {}, byte skip {}", lines, bytes));
  header.from_end = bytes == -1;
  header.data_path = header.path;
  header.file_offset = header_end;
  if (!data.empty()) {
    if (data.rfind("LIST", 0) == 0 || data.find('%') != std::string::npos)
      refuse(header.path, "voxels spread over several files are not read", "one data file", data,
             "join them into one .nrrd");
    const std::filesystem::path folder = std::filesystem::path(header.path).parent_path();
    header.data_path = (folder / data).string();
    header.file_offset = 0;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(header.data_path, ignored))
      refuse(header.path, "the data file that the header names is missing", data, "no such file",
             "keep header and data file in one folder");
  }
  if (bytes > 0 && !header.gzip) header.file_offset += bytes;
}

}  // namespace

Header parseNrrd(const std::string& path) {
  Header header;
  header.path = path;
  std::ifstream stream(path, std::ios::binary);
  std::string magic;
  std::getline(stream, magic);
  const Fields fields = readFields(stream, header);
  const auto end = stream.eof() ? std::int64_t{-1} : static_cast<std::int64_t>(stream.tellg());
  const auto get = [&](const char* name) { return fields.count(name) ? fields.at(name) : std::string{}; };
  if (end < 0 && !fields.count("datafile"))
    refuse(path, "the file ends within its header", "a blank line and voxels behind it", "end of file");
  readAxes(fields, header);
  header.component = componentOf(get("type"), path);
  locateData(fields, end, header);
  const double mm = millimetres(get("spaceunits"), path);
  const Eigen::Vector3d signs = signsToLps(get("space"), header) * mm;
  const auto origins = vectorsOf(get("spaceorigin"), path);
  if (!origins.empty() && origins[0]) header.origin_mm = *origins[0];
  header.origin_mm = header.origin_mm.cwiseProduct(signs);
  header.axes = signs.asDiagonal() * header.axes;
  return header;
}

}  // namespace osteo::image
