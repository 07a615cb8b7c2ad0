#include "design_scaffold/cut_planes.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/schema.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using nlohmann::json;

Vector3d vectorOf(const json& j) { return {j[0].get<double>(), j[1].get<double>(), j[2].get<double>()}; }
json jsonOf(const Vector3d& v) { return json::array({v.x(), v.y(), v.z()}); }

/// Points on a grid within the bone, its cavities filled.
std::vector<Vector3d> pointsIn(const levelset::LevelSet& bone) {
  constexpr double kMost = 4e5;
  Eigen::Vector3i min, max;
  bone.activeBox(min, max);
  const Vector3d low = min.cast<double>() * bone.voxel_mm(), high = max.cast<double>() * bone.voxel_mm();
  const double step = std::cbrt((high - low).prod() / kMost);
  std::vector<Vector3d> points;
  for (double x = low.x(); x <= high.x(); x += step)
    for (double y = low.y(); y <= high.y(); y += step)
      for (double z = low.z(); z <= high.z(); z += step)
        if (levelset::sample(bone, {x, y, z}) < 0) points.emplace_back(x, y, z);
  return points;
}

Vector3d meanOf(const std::vector<Vector3d>& points) {
  Vector3d sum = Vector3d::Zero();
  for (const Vector3d& p : points) sum += p;
  return sum / static_cast<double>(std::max<std::size_t>(1, points.size()));
}

/// Direction of the largest spread; warns where no direction stands out.
Vector3d longAxis(const std::vector<Vector3d>& points) {
  constexpr double kLong = 1.5;  // standard deviations along over those across, of what has a long axis
  const Vector3d middle = meanOf(points);
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const Vector3d& p : points) spread += (p - middle) * (p - middle).transpose();
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver(spread);
  if (solver.eigenvalues()[2] < kLong * kLong * solver.eigenvalues()[1])
    core::warn("the bone has no clear long axis: look at the planes in the record, or give --planes");
  return solver.eigenvectors().col(2);
}

/// Direction of the line through the middles of sections, 2 mm apart, within `reach_mm` of a point.
Vector3d axisNear(const std::vector<Vector3d>& points, const Vector3d& at, double reach_mm, const Vector3d& axis) {
  constexpr double kBin_mm = 2;
  const int bins = std::max(3, static_cast<int>(2 * reach_mm / kBin_mm));
  std::vector<Vector3d> sum(static_cast<std::size_t>(bins), Vector3d::Zero());
  std::vector<double> count(static_cast<std::size_t>(bins), 0);
  for (const Vector3d& p : points) {
    const double t = axis.dot(p - at) + reach_mm;
    if (t < 0 || t >= 2 * reach_mm) continue;
    const auto bin = static_cast<std::size_t>(std::min(bins - 1.0, t / (2 * reach_mm) * bins));
    sum[bin] += p, ++count[bin];
  }
  std::vector<Vector3d> middles;
  for (std::size_t n = 0; n < sum.size(); ++n)
    if (count[n] > 0) middles.emplace_back(sum[n] / count[n]);
  const Vector3d centre = meanOf(middles);
  Vector3d slope = Vector3d::Zero();
  for (const Vector3d& m : middles) slope += axis.dot(m - centre) * (m - centre);
  return slope.norm() > 0 ? slope.normalized() : axis;
}

}  // namespace

PlanesFile readPlanes(const std::string& path) {
  const auto parse = [](const std::string& file) {
    return core::parseJson(core::readFile(file, std::size_t{1} << 24), file, core::Exit::Config, true);
  };
  const json document = parse(path);
  core::validateJson(parse((std::filesystem::path(core::configsFolder()) / "schema" / "planes.json").string()),
                     document, path, core::Exit::Config);
  PlanesFile out{{}, document.value("frame_id", "")};
  for (const json& resection : document["resections"]) {
    PlaneCut& cut = out.cuts.emplace_back();
    for (const json& plane : resection["planes"]) {
      const Vector3d normal = vectorOf(plane["normal"]);
      if (normal.norm() < 1e-6)
        throw core::Error(core::Exit::Config, {.what = "a plane's normal has no length", .file = path});
      cut.push_back({vectorOf(plane["point_mm"]), normal.normalized()});
    }
  }
  return out;
}

json asResections(const std::vector<PlaneCut>& cuts) {
  json out = json::array();
  for (const PlaneCut& cut : cuts) {
    json planes = json::array();
    for (const CutPlane& plane : cut)
      planes.push_back({{"point_mm", jsonOf(plane.point_mm)}, {"normal", jsonOf(plane.normal)}});
    out.push_back({{"planes", planes}});
  }
  return out;
}

PlaneCut planesAcross(const levelset::LevelSet& bone, const mesh::TriangleMesh& lesion, double margin_mm) {
  constexpr double kBeyond_mm = 15;  // of bone beyond the cuts that tells the axis too
  constexpr int kRounds = 3;
  const std::vector<Vector3d> points = pointsIn(levelset::fillCavities(bone));
  const Vector3d middle = meanOf(lesion.vertices);
  Vector3d axis = longAxis(points);
  double low = 0, high = 0;
  for (int round = 0; round <= kRounds; ++round) {
    low = std::numeric_limits<double>::infinity(), high = -low;
    for (const Vector3d& v : lesion.vertices) {
      low = std::min(low, axis.dot(v - middle));
      high = std::max(high, axis.dot(v - middle));
    }
    if (round < kRounds)
      axis = axisNear(points, middle + 0.5 * (low + high) * axis, 0.5 * (high - low) + margin_mm + kBeyond_mm, axis);
  }
  return {{middle + (low - margin_mm) * axis, -axis}, {middle + (high + margin_mm) * axis, axis}};
}

}  // namespace osteo::design_scaffold
