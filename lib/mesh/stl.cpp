#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "mesh/formats.h"
#include "mesh/io.h"
#include "mesh/welder.h"

namespace osteo::mesh {

using Eigen::Vector3d;

namespace {

constexpr std::size_t kHeader = 80, kPrefix = 84, kFacet = 50;

std::uint32_t facetCount(const std::string& bytes) {
  std::uint32_t count;
  std::memcpy(&count, bytes.data() + kHeader, sizeof count);
  return count;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return result;
}

/// Binary files may start with "solid" too: the size decides, then the word after the first line.
bool isAscii(const std::string& bytes) {
  const std::string head = lower(std::string_view(bytes).substr(0, 1024));
  if (head.compare(0, 5, "solid") != 0) return false;
  if (bytes.size() >= kPrefix && bytes.size() == kPrefix + kFacet * std::size_t{facetCount(bytes)}) return false;
  return head.find("facet") != std::string::npos || head.find("endsolid") != std::string::npos;
}

void addTriangle(TriangleMesh& mesh, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  if (a != b && b != c && c != a) mesh.triangles.push_back({a, b, c});
}

RawMesh readBinary(const std::string& bytes, const std::string& path) {
  if (bytes.size() < kPrefix) unfit(path, "the STL ends within its header", fmt::format("{} bytes", bytes.size()));
  const std::size_t count = facetCount(bytes), needed = kPrefix + kFacet * count;
  if (bytes.size() < needed)
    throw core::Error(
        core::Exit::DataError,
        {.what = "the STL is truncated, or is no STL",
         .file = path,
         .expected = fmt::format("{} bytes for the {} triangles that its header announces", needed, count),
         .got = fmt::format("{} bytes", bytes.size())});
  if (bytes.size() > needed)
    core::warn(fmt::format("{}: {} bytes after the last triangle are ignored", path.substr(path.rfind('/') + 1),
                           bytes.size() - needed));
  RawMesh raw;
  raw.note = bytes.substr(0, kHeader);
  raw.mesh.triangles.reserve(count);
  Welder welder(count / 2 + 3);
  for (std::size_t t = 0; t < count; ++t) {
    float c[9];
    std::memcpy(c, bytes.data() + kPrefix + kFacet * t + 12, sizeof c);
    for (const float x : c)
      if (!std::isfinite(x)) unfit(path, "a coordinate is not a finite number", fmt::format("in triangle {}", t));
    std::uint32_t index[3];
    for (int v = 0; v < 3; ++v) index[v] = welder.add({c[3 * v], c[3 * v + 1], c[3 * v + 2]});
    addTriangle(raw.mesh, index[0], index[1], index[2]);
  }
  raw.mesh.vertices = welder.takeVertices();
  return raw;
}

RawMesh readAscii(const std::string& bytes, const std::string& path) {
  TextCursor text(bytes);
  RawMesh raw;
  raw.note = text.restOfLine();
  Welder welder;
  std::uint32_t corner[3];
  int corners = 0;
  bool ended = false;
  while (!text.atEnd()) {
    const std::string word = lower(text.word());
    if (word == "vertex") {
      Eigen::Vector3d p;
      if (corners == 3 || !text.number(p[0]) || !text.number(p[1]) || !text.number(p[2]))
        unfit(path, "a vertex of the ASCII STL is not readable",
              fmt::format("after {} triangles", raw.mesh.triangles.size()));
      corner[corners++] = welder.add(p);
    } else if (word == "endloop") {
      if (corners != 3) unfit(path, "a facet of the ASCII STL is not a triangle", fmt::format("{} corners", corners));
      addTriangle(raw.mesh, corner[0], corner[1], corner[2]);
      corners = 0;
    } else if (word == "endsolid") {
      ended = true;
      text.restOfLine();
    } else if (word == "solid") {  // a file may hold several solids
      ended = false;
      text.restOfLine();
    } else if (word == "facet") {
      text.restOfLine();
    } else if (word != "outer" && word != "loop" && word != "endfacet") {
      unfit(path, "the ASCII STL has an unknown word", "\"" + word.substr(0, 20) + "\"");
    }
  }
  if (!ended || corners != 0) unfit(path, "the ASCII STL is truncated", "no endsolid at its end");
  raw.mesh.vertices = welder.takeVertices();
  return raw;
}

/// Header and count.
std::string head(const std::string& frame_id, std::int64_t triangles) {
  if (triangles > std::int64_t{0xffffffff})
    throw core::Error(core::Exit::DataError, {.what = "the mesh has too many triangles for an STL",
                                              .expected = "fewer than 2^32",
                                              .got = std::to_string(triangles)});
  std::string bytes(kPrefix, '\0');
  std::string header = "osteoforge " + spaceTag(frame_id);
  if (header.size() > kHeader) header = spaceTag(frame_id);
  std::memcpy(bytes.data(), header.data(), header.size());
  const auto count = static_cast<std::uint32_t>(triangles);
  std::memcpy(bytes.data() + kHeader, &count, sizeof count);
  return bytes;
}

void putFacet(char* at, const Vector3d& a, const Vector3d& b, const Vector3d& c) {
  Eigen::Matrix<float, 3, 4> facet;
  facet.col(0) = (b - a).cross(c - a).stableNormalized().cast<float>();
  facet.col(1) = a.cast<float>();
  facet.col(2) = b.cast<float>();
  facet.col(3) = c.cast<float>();
  std::memcpy(at, facet.data(), sizeof(float) * 12);
}

}  // namespace

RawMesh readStl(const std::string& bytes, const std::string& path) {
  return isAscii(bytes) ? readAscii(bytes, path) : readBinary(bytes, path);
}

void writeStl(const TriangleMesh& mesh, const std::string& path) {
  constexpr std::int64_t kAtOnce = 1 << 18, kChunk = 1 << 13;
  const auto count = static_cast<std::int64_t>(mesh.triangles.size());
  StlWriter writer(path, mesh.frame_id, count);
  std::string facets;
  for (std::int64_t start = 0; start < count; start += kAtOnce) {
    facets.resize(kFacet * static_cast<std::size_t>(std::min(kAtOnce, count - start)), '\0');
    core::parallelChunks(std::min(kAtOnce, count - start), kChunk,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           for (std::int64_t t = first; t < last; ++t) {
                             const auto& [i, j, k] = mesh.triangles[static_cast<std::size_t>(start + t)];
                             putFacet(facets.data() + kFacet * static_cast<std::size_t>(t), mesh.vertices[i],
                                      mesh.vertices[j], mesh.vertices[k]);
                           }
                         });
    writer.append(facets);
  }
  writer.finish();
}

StlWriter::StlWriter(const std::string& path, const std::string& frame_id, std::int64_t triangles)
    : path_(path), left_(triangles), out_(path, std::ios::binary | std::ios::trunc) {
  const std::string start = head(frame_id, triangles);
  out_.write(start.data(), static_cast<std::streamsize>(start.size()));
  check();
}

void StlWriter::add(std::string& facets, const Vector3d& a, const Vector3d& b, const Vector3d& c) {
  facets.resize(facets.size() + kFacet, '\0');
  putFacet(facets.data() + facets.size() - kFacet, a, b, c);
}

void StlWriter::append(const std::string& facets) {
  left_ -= static_cast<std::int64_t>(facets.size() / kFacet);
  out_.write(facets.data(), static_cast<std::streamsize>(facets.size()));
  check();
}

void StlWriter::finish() {
  out_.close();
  check();
  if (left_ != 0)
    throw core::Error(core::Exit::Software,
                      {.what = "an STL got another number of triangles than it was to hold", .file = path_});
}

void StlWriter::check() const {
  if (!out_)
    throw core::Error(core::Exit::IoError, {.what = "writing failed", .file = path_, .hint = "is the disk full?"});
}

}  // namespace osteo::mesh
