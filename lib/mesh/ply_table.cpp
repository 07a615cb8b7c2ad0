#include "mesh/ply_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>

#include "mesh/formats.h"

namespace osteo::mesh {
namespace {

enum class Number { I8, U8, I16, U16, I32, U32, F32, F64 };
struct Property {
  std::string name;
  Number type = Number::F32;
  bool is_list = false;
  Number count_type = Number::U8;
};
struct Layout {
  enum class Encoding { Ascii, Little, Big } encoding = Encoding::Ascii;
  std::vector<std::vector<Property>> properties;  ///< per element
  std::size_t data_offset = 0;
};

int width(Number type) {
  constexpr int kWidths[] = {1, 1, 2, 2, 4, 4, 4, 8};
  return kWidths[static_cast<int>(type)];
}

Number numberType(std::string_view name, const std::string& path) {
  static const std::map<std::string_view, Number> kTypes = {
      {"char", Number::I8},   {"int8", Number::I8},     {"uchar", Number::U8},   {"uint8", Number::U8},
      {"short", Number::I16}, {"int16", Number::I16},   {"ushort", Number::U16}, {"uint16", Number::U16},
      {"int", Number::I32},   {"int32", Number::I32},   {"uint", Number::U32},   {"uint32", Number::U32},
      {"float", Number::F32}, {"float32", Number::F32}, {"double", Number::F64}, {"float64", Number::F64}};
  const auto it = kTypes.find(name);
  if (it == kTypes.end())
    unfit(path, "the PLY header has an unknown type", "\"" + std::string(name.substr(0, 20)) + "\"");
  return it->second;
}

/// Reads the numbers of the data part one by one.
class Source {
 public:
  Source(std::string_view data, Layout::Encoding encoding, const std::string& path)
      : data_(data), text_(data), encoding_(encoding), path_(path) {}
  double next(Number type) {
    double value = 0;
    if (encoding_ == Layout::Encoding::Ascii) {
      if (!text_.number(value)) unfit(path_, "the PLY is truncated or holds what is not a finite number");
      return value;
    }
    const auto size = static_cast<std::size_t>(width(type));
    if (data_.size() < size) unfit(path_, "the PLY is truncated");
    char bytes[8];
    std::memcpy(bytes, data_.data(), size);
    if (encoding_ == Layout::Encoding::Big) std::reverse(bytes, bytes + size);
    data_.remove_prefix(size);
    value = decode(bytes, type);
    if (!std::isfinite(value)) unfit(path_, "the PLY holds a number that is not finite");
    return value;
  }

 private:
  template <class T>
  static double as(const char* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return static_cast<double>(value);
  }
  static double decode(const char* bytes, Number type) {
    switch (type) {
      case Number::I8:
        return as<std::int8_t>(bytes);
      case Number::U8:
        return as<std::uint8_t>(bytes);
      case Number::I16:
        return as<std::int16_t>(bytes);
      case Number::U16:
        return as<std::uint16_t>(bytes);
      case Number::I32:
        return as<std::int32_t>(bytes);
      case Number::U32:
        return as<std::uint32_t>(bytes);
      case Number::F32:
        return as<float>(bytes);
      case Number::F64:
        return as<double>(bytes);
    }
    return 0;
  }

  std::string_view data_;
  TextCursor text_;
  Layout::Encoding encoding_;
  const std::string& path_;
};

void parseProperty(TextCursor& line, PlyFile& file, Layout& layout, const std::string& path) {
  if (file.elements.empty()) unfit(path, "the PLY header names a property before any element");
  Property property;
  auto type = line.word();
  if (type == "list") {
    property.is_list = true;
    property.count_type = numberType(line.word(), path);
    type = line.word();
  }
  property.type = numberType(type, path);
  property.name = line.word();
  layout.properties.back().push_back(property);
  if (!property.is_list) file.elements.back().columns.push_back(property.name);
}

void parseElement(TextCursor& line, PlyFile& file, Layout& layout, const std::string& path) {
  PlyElement element;
  element.name = line.word();
  const auto count = line.word();
  const auto [end, code] = std::from_chars(count.data(), count.data() + count.size(), element.rows);
  if (code != std::errc{} || end != count.data() + count.size())
    unfit(path, "the PLY header has an unreadable count", "\"" + std::string(count.substr(0, 30)) + "\"");
  file.elements.push_back(std::move(element));
  layout.properties.emplace_back();
}

Layout parseHeader(const std::string& bytes, const std::string& path, PlyFile& file) {
  Layout layout;
  TextCursor text(bytes);
  if (text.restOfLine() != "ply") unfit(path, "this is no PLY file: its first line is not \"ply\"");
  for (bool has_format = false;;) {
    const auto whole = text.restOfLine();
    layout.data_offset = static_cast<std::size_t>(whole.data() - bytes.data()) + whole.size();
    TextCursor line(whole);
    const auto word = line.word();
    if (word == "format") {
      const auto encoding = line.word();
      has_format = encoding == "ascii" || encoding == "binary_little_endian" || encoding == "binary_big_endian";
      if (encoding == "binary_little_endian") layout.encoding = Layout::Encoding::Little;
      if (encoding == "binary_big_endian") layout.encoding = Layout::Encoding::Big;
    } else if (word == "comment" || word == "obj_info") {
      file.comments += std::string(line.restOfLine()) + "\n";
    } else if (word == "element") {
      parseElement(line, file, layout, path);
    } else if (word == "property") {
      parseProperty(line, file, layout, path);
    } else if (word == "end_header") {
      if (!has_format) unfit(path, "the PLY header names no known format");
      break;
    } else {
      unfit(path, "the PLY header is truncated or has an unknown line", "\"" + std::string(whole.substr(0, 40)) + "\"");
    }
  }
  if (layout.data_offset < bytes.size() && bytes[layout.data_offset] == '\r') ++layout.data_offset;
  layout.data_offset = std::min(layout.data_offset + 1, bytes.size());
  return layout;
}

/// Refuses counts that the bytes left can't hold: every value takes its width, or two characters as text.
void checkCount(const PlyElement& element, const std::vector<Property>& properties, const Layout& layout,
                std::size_t bytes_left, const std::string& path) {
  std::size_t row = 0;
  for (const auto& p : properties)
    row += layout.encoding == Layout::Encoding::Ascii
               ? 2
               : static_cast<std::size_t>(width(p.is_list ? p.count_type : p.type));
  if (row == 0 ? element.rows > 0 : element.rows > (bytes_left + 1) / row)
    unfit(path, fmt::format("the PLY is truncated: it announces {} rows of \"{}\"", element.rows, element.name),
          fmt::format("{} bytes of data", bytes_left));
}

void readRows(PlyElement& element, const std::vector<Property>& properties, Source& source, const std::string& path) {
  element.values.resize(element.columns.size());
  for (auto& column : element.values) column.reserve(element.rows);
  for (std::size_t row = 0; row < element.rows; ++row) {
    std::size_t column = 0;
    bool first_list = true;
    for (const auto& p : properties) {
      if (!p.is_list) {
        element.values[column++].push_back(source.next(p.type));
        continue;
      }
      const double count = source.next(p.count_type);
      if (count < 0 || count != std::floor(count)) unfit(path, "a list of the PLY has an impossible length");
      if (first_list) element.list_sizes.push_back(static_cast<std::uint32_t>(count));
      for (double n = 0; n < count; ++n) {
        const double value = source.next(p.type);
        if (!first_list) continue;
        if (value < 0 || value > 4294967295.0 || value != std::floor(value))
          unfit(path, "a vertex index of the PLY is not possible", fmt::format("{}", value));
        element.list.push_back(static_cast<std::uint32_t>(value));
      }
      first_list = false;
    }
  }
}

}  // namespace

const std::vector<double>* PlyElement::column(const std::string& column_name) const {
  const auto it = std::find(columns.begin(), columns.end(), column_name);
  return it == columns.end() ? nullptr : &values[static_cast<std::size_t>(it - columns.begin())];
}

const PlyElement* PlyFile::element(const std::string& element_name) const {
  const auto it = std::find_if(elements.begin(), elements.end(), [&](const auto& e) { return e.name == element_name; });
  return it == elements.end() ? nullptr : &*it;
}

PlyFile parsePly(const std::string& bytes, const std::string& path) {
  PlyFile file;
  const Layout layout = parseHeader(bytes, path, file);
  Source source(std::string_view(bytes).substr(layout.data_offset), layout.encoding, path);
  for (std::size_t e = 0; e < file.elements.size(); ++e) {
    checkCount(file.elements[e], layout.properties[e], layout, bytes.size() - layout.data_offset, path);
    readRows(file.elements[e], layout.properties[e], source, path);
  }
  return file;
}

}  // namespace osteo::mesh
