#include "learn/implicit_score.h"

#include <Eigen/Dense>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "core/progress.h"
#include "learn/align.h"
#include "learn/bones.h"
#include "learn/implicit.h"
#include "learn/mesh_distance.h"
#include "learn/training.h"
#include "levelset/level_set.h"

namespace osteo::learn {

using Eigen::Affine3d;
using Eigen::Vector3d;
using nlohmann::json;

namespace {

using Chooser = std::function<bool(const Vector3d&)>;

constexpr double kGrid_mm = 2;

/// The found bone's surface where the true one lies.
mesh::TriangleMesh surface(const Weights& weights, const ImplicitShape& shape, const mesh::TriangleMesh& about) {
  Eigen::AlignedBox3d box;
  for (const Vector3d& v : about.vertices) box.extend(v);
  image::Frame frame;
  frame.spacing_mm.setConstant(kGrid_mm);
  const Eigen::Vector3i base = ((box.min().array() - 15) / kGrid_mm).floor().cast<int>();
  frame.origin_mm = base.cast<double>() * kGrid_mm;
  frame.size = ((box.max().array() + 15) / kGrid_mm).ceil().cast<int>().matrix() - base;
  const image::CtVolume distance = distanceOf(weights, shape, frame);
  return levelset::toMesh(levelset::fromSamples(distance.voxels, base, frame.size, kGrid_mm));
}

/// Distances both ways over the chosen places.
void collect(const mesh::TriangleMesh& found, const mesh::TriangleMesh& truth, const Chooser& chosen,
             std::vector<double>& out) {
  for (const auto& [from, to] : {std::pair(&found, &truth), {&truth, &found}}) {
    const mesh::ClosestPoint closest(*to);
    for (std::size_t v = 0; v < from->vertices.size(); v += 3)
      if (chosen(from->vertices[v])) out.push_back(closest(from->vertices[v]).distance_mm);
  }
}

/// Spoils the pose: 5° about and 8 mm along seeded directions.
Affine3d spoilt(std::uint64_t stream) {
  Draw draw(stream, 77);
  const Vector3d axis = draw.direction(), shift = 8 * draw.direction();
  return Eigen::Translation3d(shift) * Eigen::AngleAxisd(5 * std::numbers::pi / 180, axis);
}

/// Completes the seen part of the bone and notes the errors over the judged part; false when it is refused.
bool judge(const Completer& completer, const mesh::TriangleMesh& bone, const Chooser& seen, const Chooser& judged,
           std::vector<double>& errors) {
  const MeshDistance distance(bone);
  std::vector<registration::OrientedPoint> points;
  for (std::size_t v = 0; v < bone.vertices.size(); ++v)
    if (seen(bone.vertices[v])) points.push_back({bone.vertices[v], distance.vertexNormals()[v]});
  try {
    const mesh::TriangleMesh found = completer(points, bone);
    if (!found.vertices.empty()) collect(found, bone, judged, errors);
    return !found.vertices.empty();
  } catch (const core::Error& e) {
    if (e.code() != core::Exit::DataError) throw;
    return false;
  }
}

json describe(const std::vector<double>& errors) {
  return {{"median_mm", quantile(errors, 0.5)}, {"p95_mm", quantile(errors, 0.95)}};
}

}  // namespace

Completer implicitCompleter(const Weights& weights) {
  return [&weights](const std::vector<registration::OrientedPoint>& points, const mesh::TriangleMesh& about) {
    return surface(weights, fitImplicit(weights, points, {}), about);
  };
}

json scoreCompleter(const Completer& completer, const std::vector<mesh::TriangleMesh>& bones, std::uint64_t seed) {
  std::vector<double> whole, partial;
  int refused = 0;
  core::Progress progress("judging by unseen bones", static_cast<std::int64_t>(bones.size()));
  for (std::size_t b = 0; b < bones.size(); ++b) {
    const mesh::TriangleMesh bone = moved(bones[b], spoilt(seed + b));
    Eigen::AlignedBox3d box;
    for (const Vector3d& v : bone.vertices) box.extend(v);
    int axis = 0;
    box.sizes().maxCoeff(&axis);
    const auto everywhere = [](const Vector3d&) { return true; };
    refused += judge(completer, bone, everywhere, everywhere, whole) ? 0 : 1;
    for (const bool upper : {false, true}) {
      const double limit = box.min()[axis] + box.sizes()[axis] * (upper ? 2 : 1) / 3;
      const auto missing = [&](const Vector3d& p) { return (p[axis] > limit) == upper; };
      const auto seen = [&](const Vector3d& p) { return !missing(p); };
      refused += judge(completer, bone, seen, missing, partial) ? 0 : 1;
    }
    progress.advance();
  }
  return {{"whole_surface", describe(whole)},
          {"third_missing", describe(partial)},
          {"bones", bones.size()},
          {"refused", refused}};
}

}  // namespace osteo::learn
