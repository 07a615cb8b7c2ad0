#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "mesh/formats.h"

namespace osteo::mesh {
namespace {

/// The vertex of "7", "7/1", "7//3" or "-2" (from the end), counted from 0.
std::uint32_t vertexIndex(std::string_view word, std::size_t vertices, const std::string& path) {
  long long index = 0;
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), index);
  const bool ends_well = end == word.data() + word.size() || *end == '/';
  if (index < 0) index += static_cast<long long>(vertices) + 1;
  if (code != std::errc{} || !ends_well || index < 1 || index > 0xfffffffeLL)
    unfit(path, "a face of the OBJ names an impossible vertex", "\"" + std::string(word.substr(0, 30)) + "\"");
  return static_cast<std::uint32_t>(index - 1);
}

}  // namespace

RawMesh readObj(const std::string& bytes, const std::string& path) {
  RawMesh raw;
  TextCursor text(bytes);
  while (!text.atEnd()) {
    TextCursor line(text.restOfLine());
    const auto word = line.word();
    if (word == "v") {
      Eigen::Vector3d p;
      if (!line.number(p[0]) || !line.number(p[1]) || !line.number(p[2]))
        unfit(path, "a vertex of the OBJ is not readable", fmt::format("after {} vertices", raw.mesh.vertices.size()));
      raw.mesh.vertices.push_back(p);
    } else if (word == "f") {
      Triangle t{};
      int corners = 0;
      for (auto corner = line.word(); !corner.empty(); corner = line.word()) {
        const auto index = vertexIndex(corner, raw.mesh.vertices.size(), path);
        if (corners >= 2) raw.mesh.triangles.push_back({t[0], t[1], index});
        t[corners == 0 ? 0 : 1] = index;
        ++corners;
      }
      if (corners < 3) unfit(path, "a face of the OBJ has fewer than three corners");
    } else if (!word.empty() && word.front() == '#') {
      raw.note += std::string(word) + " " + std::string(line.restOfLine()) + "\n";
    }
  }
  return raw;
}

std::string objBytes(const TriangleMesh& mesh) {
  fmt::memory_buffer out;
  fmt::format_to(std::back_inserter(out), "# osteoforge {}\n", spaceTag(mesh.frame_id));
  for (const auto& v : mesh.vertices)
    fmt::format_to(std::back_inserter(out), "v {} {} {}\n", static_cast<float>(v[0]), static_cast<float>(v[1]),
                   static_cast<float>(v[2]));
  for (const auto& t : mesh.triangles)
    fmt::format_to(std::back_inserter(out), "f {} {} {}\n", t[0] + 1, t[1] + 1, t[2] + 1);
  return fmt::to_string(out);
}

}  // namespace osteo::mesh
