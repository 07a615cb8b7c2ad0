#include "reconstruct/cloud.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "image/volume.h"
#include "mesh/closest.h"
#include "reconstruct/point_grid.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Vector3d;

/// Algebraic sphere u0 + ul·p + uq p·p fitted to the points around a place, which is the origin of p.
struct SphereFit {
  double value = 0;  ///< signed distance of the place to the sphere
  double nearest_mm = 0;
  int points = 0;
};

class Cloud {
 public:
  Cloud(const mesh::PointCloud& cloud, const PointGrid& grid) : cloud_(cloud), grid_(grid) {}

  SphereFit fit(const Vector3d& at, double radius_mm) const {
    double w = 0, wpp = 0, wpn = 0, least = radius_mm * radius_mm;
    Vector3d wp = Vector3d::Zero(), wn = Vector3d::Zero();
    SphereFit out;
    grid_.visit(at, radius_mm, [&](std::uint32_t i, double d2) {
      const double t = 1 - d2 / (radius_mm * radius_mm), weight = t * t * t * t;
      const Vector3d p = cloud_.points[i] - at;
      const Vector3d& n = cloud_.normals[i];
      w += weight;
      wp += weight * p;
      wn += weight * n;
      wpp += weight * d2;
      wpn += weight * p.dot(n);
      least = std::min(least, d2);
      ++out.points;
    });
    out.nearest_mm = std::sqrt(least);
    if (w <= 0) return out;
    const double spread = wpp - wp.squaredNorm() / w;
    const double uq = spread > 1e-9 * w ? 0.5 * (wpn - wp.dot(wn) / w) / spread : 0;
    const Vector3d ul = (wn - 2 * uq * wp) / w;
    const double u0 = -(ul.dot(wp) + uq * wpp) / w;
    out.value = u0 / std::sqrt(std::max(ul.squaredNorm() - 4 * u0 * uq, 1e-12));
    out.value = std::clamp(out.value, -radius_mm, radius_mm);
    return out;
  }

 private:
  const mesh::PointCloud& cloud_;
  const PointGrid& grid_;
};

constexpr int kFewest = 6;  // points for a fit

/// Distances at the coarse grid's nodes near points, and a harmonic function between them; positive at the border.
class Continuation {
 public:
  Continuation(const Cloud& cloud, const mesh::PointCloud& points, double radius_mm) {
    constexpr int kNodes = 112;
    Vector3d low = points.points.front(), high = low;
    for (const Vector3d& p : points.points) low = low.cwiseMin(p), high = high.cwiseMax(p);
    const double extent = (high - low).maxCoeff(), margin = 0.25 * extent + radius_mm;
    image::Frame frame;
    const double step = (extent + 2 * margin) / kNodes;
    frame.spacing_mm = Vector3d::Constant(step);
    frame.origin_mm = low.array() - margin;
    frame.size =
        ((high - low).array() + 2 * margin).cwiseQuotient(Eigen::Array3d::Constant(step)).ceil().cast<int>() + 1;
    field_ = image::CtVolume(frame);
    fixed_.assign(field_.voxels.size(), 0);
    const double reach = std::max(radius_mm, 1.8 * step);
    border_mm_ = reach;  // as far from zero as the deepest inside: a guessed cap is then nearly flat
    core::parallelFor(frame.size[2], [&](std::int64_t k) { fixPlane(cloud, static_cast<int>(k), reach); });
    spreadOut();
    relax();
  }

  double operator()(const Vector3d& at) const {
    return image::sampleLinear(field_, field_.frame.toIndex(at), static_cast<float>(border_mm_));
  }
  double step_mm() const { return field_.frame.spacing_mm[0]; }

 private:
  void fixPlane(const Cloud& cloud, int k, double reach) {
    const Eigen::Vector3i& size = field_.frame.size;
    for (int j = 0; j < size[1]; ++j) {
      for (int i = 0; i < size[0]; ++i) {
        const auto at = static_cast<std::size_t>(field_.index(i, j, k));
        const bool edge = i == 0 || j == 0 || k == 0 || i + 1 == size[0] || j + 1 == size[1] || k + 1 == size[2];
        const SphereFit here = cloud.fit(field_.frame.toWorld(Vector3d(i, j, k)), reach);
        if (here.points >= kFewest && here.nearest_mm < 0.8 * reach) {
          field_.voxels[at] = static_cast<float>(here.value);
          fixed_[at] = 1;
        } else if (edge) {
          field_.voxels[at] = static_cast<float>(border_mm_);
          fixed_[at] = 1;
        }
      }
    }
  }

  /// A start for the relaxation: every node takes its nearest fixed node's value.
  void spreadOut() {
    const Eigen::Vector3i& size = field_.frame.size;
    std::vector<char> done = fixed_;
    std::deque<std::array<int, 3>> front;
    for (int k = 0; k < size[2]; ++k) {
      for (int j = 0; j < size[1]; ++j) {
        for (int i = 0; i < size[0]; ++i)
          if (done[static_cast<std::size_t>(field_.index(i, j, k))] != 0) front.push_back({i, j, k});
      }
    }
    for (; !front.empty(); front.pop_front()) {
      const auto from = front.front();
      for (int side = 0; side < 6; ++side) {
        auto to = from;
        to[static_cast<std::size_t>(side / 2)] += side % 2 == 0 ? -1 : 1;
        if (!field_.contains(to[0], to[1], to[2])) continue;
        const auto at = static_cast<std::size_t>(field_.index(to[0], to[1], to[2]));
        if (done[at] != 0) continue;
        done[at] = 1;
        field_.voxels[at] = field_.at(from[0], from[1], from[2]);
        front.push_back(to);
      }
    }
  }

  /// Laplace's equation by successive over-relaxation, in a fixed order.
  void relax() {
    constexpr int kSweeps = 250;
    constexpr float kOver = 1.93F;
    const Eigen::Vector3i& size = field_.frame.size;
    const std::int64_t row = size[0], slice = row * size[1];
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      for (int k = 1; k + 1 < size[2]; ++k) {
        for (int j = 1; j + 1 < size[1]; ++j) {
          std::int64_t at = field_.index(1, j, k);
          for (int i = 1; i + 1 < size[0]; ++i, ++at) {
            if (fixed_[static_cast<std::size_t>(at)] != 0) continue;
            float* v = field_.voxels.data() + at;
            const float mean = (v[-1] + v[1] + v[-row] + v[row] + v[-slice] + v[slice]) / 6;
            *v += kOver * (mean - *v);
          }
        }
      }
    }
  }

  image::CtVolume field_;
  std::vector<char> fixed_;
  double border_mm_ = 0;
};

/// The median; a point's sixth nearest lies at some 1.4 spacings.
double medianSpacing(const mesh::PointCloud& cloud, const PointGrid& grid) {
  std::vector<double> distances;
  const std::size_t stride = std::max<std::size_t>(1, cloud.points.size() / 2000);
  for (std::size_t i = 0; i < cloud.points.size(); i += stride)
    distances.push_back(std::sqrt(grid.nearest(cloud.points[i], 7).back().first) / 1.4);
  std::nth_element(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2),
                   distances.end());
  return distances[distances.size() / 2];
}

double firstCell(const mesh::PointCloud& cloud) {
  constexpr std::size_t kFewestPoints = 50;
  const auto n = cloud.points.size();
  if (n < kFewestPoints) {
    throw core::Error(core::Exit::DataError,
                      {.what = "too few points for a surface", .expected = "at least 50", .got = std::to_string(n)});
  }
  Vector3d low = cloud.points.front(), high = low;
  for (const Vector3d& p : cloud.points) low = low.cwiseMin(p), high = high.cwiseMax(p);
  const double extent = (high - low).norm();
  if (!(extent > 1e-3) || extent > 1e5) {
    throw core::Error(
        core::Exit::DataError,
        {.what = "the points span no bone", .expected = "0.001 to 100000 mm", .got = std::to_string(extent) + " mm"});
  }
  return 2 * extent / std::sqrt(static_cast<double>(n));
}

void orient(mesh::PointCloud& cloud, const PointGrid& grid, CloudReport& report) {
  report.normals_estimated = cloud.normals.empty();
  if (cloud.normals.empty()) cloud.normals = estimateNormals(cloud.points, grid);
  for (Vector3d& n : cloud.normals) {
    if (!(n.norm() > 1e-6)) {
      throw core::Error(core::Exit::DataError, {.what = "the point cloud has a normal of length 0",
                                                .hint = "leave nx, ny and nz out to have them estimated"});
    }
    n.normalize();
  }
}

}  // namespace

levelset::LevelSet cloudSurface(mesh::PointCloud cloud, const CloudOptions& options, CloudReport& report) {
  constexpr double kRadius = 4;  // spacings: some 50 points, of which the inner ones count
  const double cell = firstCell(cloud);
  const PointGrid first(cloud.points, cell);
  const double spacing = std::max(medianSpacing(cloud, first), 0.01 * cell);
  const PointGrid grid(cloud.points, 0.5 * kRadius * spacing);
  orient(cloud, grid, report);
  const double radius = kRadius * spacing;
  const Cloud fitted(cloud, grid);
  const Continuation beyond(fitted, cloud, radius);
  const auto field = [&](const Vector3d& p) {
    const SphereFit here = fitted.fit(p, radius);
    const double far = here.points < kFewest ? 1 : std::clamp((here.nearest_mm / radius - 0.5) / 0.3, 0.0, 1.0);
    return far <= 0 ? here.value : (1 - far) * here.value + far * beyond(p);
  };
  const auto certain = [&](const Vector3d& centre, double ball) {
    const double value = beyond(centre), reach = radius + ball;
    if (std::abs(value) < 2 * (ball + beyond.step_mm()) || grid.distance(centre, reach) < reach) return 0.0;
    return value;
  };
  Vector3d low = cloud.points.front(), high = low;
  for (const Vector3d& p : cloud.points) low = low.cwiseMin(p), high = high.cwiseMax(p);
  const double extent = (high - low).maxCoeff(), margin = 0.2 * extent + radius;
  report.points = static_cast<std::int64_t>(cloud.points.size());
  report.spacing_mm = spacing;
  report.voxel_mm = options.voxel_mm > 0 ? options.voxel_mm : std::max(0.5 * spacing, extent / 600);
  report.gap_mm = options.gap_mm > 0 ? options.gap_mm : 3 * spacing;
  levelset::LevelSet surface =
      levelset::fromFunction(field, low.array() - margin, high.array() + margin, report.voxel_mm, certain);
  if (!cloud.frame_id.empty()) surface.setMeta("frame_id", cloud.frame_id);
  const mesh::TriangleMesh mesh = levelset::toMesh(surface);
  if (mesh.triangles.empty()) {
    throw core::Error(core::Exit::DataError, {.what = "the points' normals enclose nothing",
                                              .hint = "normals must point outwards; check their sign"});
  }
  const mesh::ClosestPoint nearest(mesh);
  report.residual_rms_mm = std::sqrt(core::parallelSum(report.points, 4096,
                                                       [&](std::int64_t from, std::int64_t to) {
                                                         double sum = 0;
                                                         for (std::int64_t i = from; i < to; ++i)
                                                           sum += std::pow(nearest(cloud.points[i]).distance_mm, 2);
                                                         return sum;
                                                       }) /
                                     static_cast<double>(report.points));
  trimmed(mesh, distancesToCloud(mesh, cloud, 2 * report.gap_mm), report.gap_mm, report.guessed_share);
  return surface;
}

std::vector<float> distancesToCloud(const mesh::TriangleMesh& mesh, const mesh::PointCloud& cloud, double most_mm) {
  const PointGrid grid(cloud.points, 0.5 * most_mm);
  std::vector<float> out(mesh.vertices.size());
  core::parallelChunks(static_cast<std::int64_t>(out.size()), 4096,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t i = first; i < last; ++i)
                           out[i] = static_cast<float>(grid.distance(mesh.vertices[i], most_mm));
                       });
  return out;
}

mesh::TriangleMesh trimmed(const mesh::TriangleMesh& mesh, const std::vector<float>& distance_mm, double gap_mm,
                           double& guessed_share) {
  constexpr std::uint32_t kNone = 0xffffffff;
  mesh::TriangleMesh out;
  out.frame_id = mesh.frame_id;
  std::vector<std::uint32_t> index(mesh.vertices.size(), kNone);
  double area = 0, guessed = 0;
  for (const mesh::Triangle& t : mesh.triangles) {
    const Vector3d a = mesh.vertices[t[0]], b = mesh.vertices[t[1]], c = mesh.vertices[t[2]];
    const double own = (b - a).cross(c - a).norm();
    area += own;
    if (std::max({distance_mm[t[0]], distance_mm[t[1]], distance_mm[t[2]]}) > gap_mm) {
      guessed += own;
      continue;
    }
    mesh::Triangle kept;
    for (std::size_t k = 0; k < 3; ++k) {
      std::uint32_t& to = index[t[k]];
      if (to == kNone) {
        to = static_cast<std::uint32_t>(out.vertices.size());
        out.vertices.push_back(mesh.vertices[t[k]]);
      }
      kept[k] = to;
    }
    out.triangles.push_back(kept);
  }
  guessed_share = area > 0 ? guessed / area : 0;
  return out;
}

nlohmann::json describe(const CloudReport& report) {
  return {{"points", report.points},
          {"point_spacing_mm", report.spacing_mm},
          {"voxel_mm", report.voxel_mm},
          {"gap_mm", report.gap_mm},
          {"normals_estimated", report.normals_estimated},
          {"residual_rms_mm", report.residual_rms_mm},
          {"guessed_area_percent", 100 * report.guessed_share}};
}

}  // namespace osteo::reconstruct
