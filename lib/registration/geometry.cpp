#include "registration/geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "image/io.h"
#include "mesh/io.h"
#include "mesh/ply_table.h"

namespace osteo::registration {
namespace {

using Eigen::Vector3d;
using nlohmann::json;

constexpr std::size_t kLargestList = std::size_t{1} << 26;

[[noreturn]] void unfit(const std::string& path, const std::string& what, const std::string& expected = {}) {
  throw core::Error(core::Exit::DataError, {.what = what, .file = core::baseName(path), .expected = expected});
}

Vector3d vectorOf(const json& j, const std::string& path) {
  const bool fits = j.is_array() && j.size() == 3 && std::all_of(j.begin(), j.end(), [](const json& x) {
                      return x.is_number() && std::abs(x.get<double>()) < 1e6;
                    });
  if (!fits) unfit(path, "a point is no list of three numbers in mm", "[x, y, z]");
  return {j[0].get<double>(), j[1].get<double>(), j[2].get<double>()};
}

/// Factors that turn the named space into LPS.
Vector3d toLps(const std::string& space, const std::string& path) {
  if (space == "LPS" || space == "1") return {1, 1, 1};
  if (space == "RAS" || space == "0") return {-1, -1, 1};
  unfit(path, "the points' space is not known", "LPS or RAS");
}

void add(Geometry& g, const std::string& name, const Vector3d& point) {
  g.names.push_back(name);
  g.points.push_back(point);
}

void requireDistinctNames(const Geometry& g, const std::string& path) {
  std::vector<std::string> names = g.names;
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) unfit(path, "two points have the name '" + *twice + "'", "a name for each");
}

std::string textOf(const json& owner, const char* key, const std::string& otherwise) {
  return owner.contains(key) && owner[key].is_string() ? owner[key].get<std::string>() : otherwise;
}

Geometry readJson(const std::string& path) {
  const json document =
      core::parseJson(core::readFile(path, kLargestList), core::baseName(path), core::Exit::DataError);
  Geometry g;
  const bool ours = document.is_object() && document.contains("points_mm") && document["points_mm"].is_object();
  if (ours) {
    g.frame_id = textOf(document, "frame_id", "");
    const Vector3d lps = toLps(textOf(document, "space", "not said"), path);
    for (const auto& [name, point] : document["points_mm"].items())
      add(g, name, lps.cwiseProduct(vectorOf(point, path)));
    return g;
  }
  const bool slicer = document.is_object() && document.contains("markups") && document["markups"].is_array() &&
                      !document["markups"].empty() && document["markups"][0].is_object() &&
                      document["markups"][0].contains("controlPoints") &&
                      document["markups"][0]["controlPoints"].is_array();
  if (!slicer) unfit(path, "this JSON holds no points", "points_mm {name: [x, y, z]} or Slicer's markups");
  const json& markup = document["markups"][0];
  const Vector3d lps = toLps(textOf(markup, "coordinateSystem", "not said"), path);
  for (const auto& point : markup["controlPoints"]) {
    if (!point.is_object() || !point.contains("position")) unfit(path, "a control point has no position");
    const std::string fallback = fmt::format("{}", g.points.size() + 1);
    add(g, textOf(point, "label", fallback), lps.cwiseProduct(vectorOf(point["position"], path)));
  }
  return g;
}

Geometry readFcsv(const std::string& path) {
  std::istringstream text(core::readFile(path, kLargestList));
  Geometry g;
  std::string line, space = "not said";
  while (std::getline(text, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.rfind("# CoordinateSystem = ", 0) == 0) space = line.substr(21);
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    if (cells.size() < 4) unfit(path, "a line has fewer than four columns", "id,x,y,z,…");
    json place = json::array();
    for (int axis = 1; axis <= 3; ++axis) place.push_back(json::parse(cells[axis], nullptr, false));
    const std::string name = cells.size() > 11 && !cells[11].empty() ? cells[11] : cells[0];
    add(g, name, toLps(space, path).cwiseProduct(vectorOf(place, path)));
  }
  return g;
}

}  // namespace

Geometry readGeometry(const std::string& path) {
  core::requireInput(path);
  const std::string ending = core::extension(path);
  const auto ends = [&](const char* with) {
    const std::string e = with;
    return path.size() >= e.size() && path.compare(path.size() - e.size(), e.size(), e) == 0;
  };
  Geometry g;
  if (ends(".nrrd") || ends(".nii") || ends(".nii.gz")) {
    g.kind = Kind::Image;
    g.image = image::readVolume(path);
    g.frame_id = g.image.frame.frame_id;
    return g;
  }
  if (ends(".json")) {
    g = readJson(path);
  } else if (ends(".fcsv")) {
    g = readFcsv(path);
  } else {
    const mesh::PlyElement* faces = nullptr;
    mesh::PlyFile ply;
    if (ending == ".ply") {
      ply = mesh::parsePly(core::readFile(path), path);
      faces = ply.element("face");
    }
    if (ending != ".ply" || (faces && faces->rows > 0)) {
      g.kind = Kind::Mesh;
      g.mesh = mesh::readMesh(path);
      g.frame_id = g.mesh.frame_id;
      return g;
    }
    mesh::PointCloud cloud = mesh::readPointCloud(path);
    g.points = std::move(cloud.points);
    g.frame_id = cloud.frame_id;
  }
  if (g.points.empty()) unfit(path, "the file holds no points");
  requireDistinctNames(g, path);
  return g;
}

void pairPoints(const Geometry& a, const Geometry& b, std::vector<Vector3d>& pairs_a, std::vector<Vector3d>& pairs_b) {
  if (a.names.empty() || b.names.empty()) {
    if (a.points.size() != b.points.size())
      throw core::Error(core::Exit::DataError,
                        {.what = "points without names are pairs only when there are equally many",
                         .expected = fmt::format("{}", a.points.size()),
                         .got = fmt::format("{}", b.points.size())});
    pairs_a = a.points;
    pairs_b = b.points;
    return;
  }
  std::unordered_map<std::string_view, std::size_t> in_b;
  for (std::size_t i = 0; i < b.names.size(); ++i) in_b.emplace(b.names[i], i);
  for (std::size_t i = 0; i < a.names.size(); ++i) {
    const auto at = in_b.find(a.names[i]);
    if (at == in_b.end()) continue;
    pairs_a.push_back(a.points[i]);
    pairs_b.push_back(b.points[at->second]);
  }
  if (pairs_a.empty())
    throw core::Error(core::Exit::DataError, {.what = "the two lists of points have no name in common"});
}

}  // namespace osteo::registration
