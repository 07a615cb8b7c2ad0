#include "mesh/formats.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/log.h"

namespace osteo::mesh {
namespace {

constexpr std::size_t kMaxFrameId =
    64;  // the longest DICOM UID; "SPACE=LPS FRAME=" + 64 fills the 80 bytes of an STL header

bool isSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\v'; }

/// The value of KEY=… in a note, up to white space or a NUL.
std::string valueOf(const std::string& note, const std::string& key) {
  const auto at = note.find(key + "=");
  if (at == std::string::npos) return {};
  const auto first = note.begin() + static_cast<std::ptrdiff_t>(at + key.size() + 1);
  return {first, std::find_if(first, note.end(), [](char c) { return isSpace(c) || c == '\0'; })};
}

}  // namespace

void unfit(const std::string& path, const std::string& what, const std::string& got) {
  throw core::Error(core::Exit::DataError, {.what = what, .file = path, .got = got});
}

void requirePlainXml(const std::string& text, const std::string& path) {
  for (const char* mark : {"<!DOCTYPE", "<!ENTITY"}) {
    if (text.find(mark) != std::string::npos)
      unfit(path, "the XML declares a document type or entities, which no mesh needs", mark);
  }
}

std::string spaceTag(const std::string& frame_id) {
  if (frame_id.empty()) return "SPACE=LPS";
  if (frame_id.size() > kMaxFrameId ||
      std::any_of(frame_id.begin(), frame_id.end(), [](unsigned char c) { return c <= ' '; }))
    throw core::Error(core::Exit::DataError, {.what = "the frame_id can't be stored in a mesh file",
                                              .expected = "at most 64 characters without white space",
                                              .got = "\"" + frame_id + "\""});
  return "SPACE=LPS FRAME=" + frame_id;
}

std::string applySpaceTag(const std::string& note, const std::string& path, std::vector<Eigen::Vector3d>& points,
                          std::vector<Eigen::Vector3d>* normals) {
  const std::string space = valueOf(note, "SPACE");
  if (space.empty())
    core::warn(path.substr(path.rfind('/') + 1) + " does not say its space: taken as LPS, millimetres");
  if (space == "RAS") {
    const auto turn = [](Eigen::Vector3d& p) { p.head<2>() *= -1; };
    std::for_each(points.begin(), points.end(), turn);
    if (normals) std::for_each(normals->begin(), normals->end(), turn);
  } else if (!space.empty() && space != "LPS") {
    throw core::Error(core::Exit::DataError, {.what = "the mesh lies in a space that is not known",
                                              .file = path,
                                              .expected = "SPACE=LPS or SPACE=RAS",
                                              .got = "SPACE=" + space.substr(0, 20)});
  }
  return valueOf(note, "FRAME");
}

bool TextCursor::atEnd() {
  std::size_t i = 0;
  while (i < text_.size() && isSpace(text_[i])) ++i;
  text_.remove_prefix(i);
  return text_.empty();
}

std::string_view TextCursor::word() {
  if (atEnd()) return {};
  std::size_t i = 0;
  while (i < text_.size() && !isSpace(text_[i])) ++i;
  const auto result = text_.substr(0, i);
  text_.remove_prefix(i);
  return result;
}

std::string_view TextCursor::restOfLine() {
  const std::size_t end = std::min(text_.find('\n'), text_.size());
  auto line = text_.substr(0, end);
  text_.remove_prefix(std::min(end + 1, text_.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool TextCursor::number(double& value) {
  auto text = word();
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} && end == text.data() + text.size() && std::isfinite(value);
}

}  // namespace osteo::mesh
