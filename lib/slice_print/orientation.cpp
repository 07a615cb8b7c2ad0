#include "slice_print/orientation.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "core/parallel.h"
#include "mesh/closest.h"
#include "mesh/measures.h"

namespace osteo::slice_print {

namespace {

constexpr int kDirections = 400, kFaces = 24, kRefined = 6;
constexpr double kLevel = 1 - 1e-6;      // |cosine| from which a face counts as level
constexpr std::size_t kSample = 60'000;  // triangles looked at for each direction of the search
constexpr double kFirstStep_rad = 0.1, kLastStep_rad = 2e-3;
constexpr double kApart_deg = 10;

using Points = std::vector<Eigen::Vector3d>;

struct Facet {
  Eigen::Vector3d normal, middle;
  double area;
  bool bearing;
};

Eigen::Vector3d fibonacci(int k, int count) {
  const double z = 1 - (2 * k + 1.0) / count, r = std::sqrt(1 - z * z), phi = k * M_PI * (3 - std::sqrt(5.0));
  return {r * std::cos(phi), r * std::sin(phi), z};
}

// The points that lie farthest in one of many directions: between them lies the height in any direction, nearly.
Points farthest(const Points& points) {
  Points kept(kDirections);
  core::parallelFor(kDirections, [&](std::int64_t k) {
    const Eigen::Vector3d d = fibonacci(static_cast<int>(k), kDirections);
    kept[static_cast<std::size_t>(k)] = *std::max_element(
        points.begin(), points.end(), [&](const auto& a, const auto& b) { return a.dot(d) < b.dot(d); });
  });
  return kept;
}

// A surface as facets and the points that its height is measured by.
class Surface {
 public:
  Surface(const mesh::TriangleMesh& mesh, const OrientationRule& rule, std::size_t stride) : rule_(rule) {
    Eigen::Vector3d low = Eigen::Vector3d::Constant(1e300), high = -low;
    const double outward = mesh::volume_mm3(mesh) < 0 ? -1 : 1;
    for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
      const mesh::Triangle& triangle = mesh.triangles[t];
      const Eigen::Vector3d &a = mesh.vertices[triangle[0]], &b = mesh.vertices[triangle[1]],
                            &c = mesh.vertices[triangle[2]];
      low = low.cwiseMin(a).cwiseMin(b).cwiseMin(c), high = high.cwiseMax(a).cwiseMax(b).cwiseMax(c);
      if (t % stride != 0) continue;
      const Eigen::Vector3d normal = (b - a).cross(c - a);
      const double twice = normal.norm();
      if (twice <= 0) continue;
      const bool bearing = t < rule.bearing_triangles.size() && rule.bearing_triangles[t];
      facets_.push_back({normal * (outward / twice), (a + b + c) / 3, twice / 2, bearing});
      area_ += twice / 2;
      if (bearing) bearing_ += twice / 2;
    }
    diagonal_ = std::max(1e-9, (high - low).norm());
    if (stride > 1 && mesh.vertices.size() > kSample) {
      points_ = farthest(mesh.vertices);
    } else {
      points_ = mesh.vertices;
    }
  }

  const std::vector<Facet>& facets() const { return facets_; }

  Orientation assess(const Eigen::Vector3d& direction) const {
    Orientation result;
    result.direction = direction.normalized();
    double low = 1e300, high = -1e300;
    for (const Eigen::Vector3d& p : points_) {
      const double height = p.dot(result.direction);
      low = std::min(low, height), high = std::max(high, height);
    }
    result.height_mm = high - low;
    const double limit = std::cos(rule_.overhang_deg * M_PI / 180), on_plate = low + 1e-6 * diagonal_ + 1e-3;
    double stair = 0;
    for (const Facet& facet : facets_) {
      const double cosine = facet.normal.dot(result.direction);
      if (std::abs(cosine) < kLevel) stair += facet.area * std::abs(cosine);
      if (-cosine <= limit) continue;
      const double height = facet.middle.dot(result.direction);
      if (height < on_plate) continue;
      result.support_area_mm2 += facet.area;
      result.support_volume_mm3 += facet.area * -cosine * (height - low);
      if (facet.bearing) result.bearing_area_mm2 += facet.area;
    }
    result.mean_cusp_mm = area_ > 0 ? rule_.layer_mm * stair / area_ : 0;
    result.score =
        rule_.support_weight * (result.support_area_mm2 / area_ + result.support_volume_mm3 / (area_ * diagonal_ / 6)) +
        rule_.height_weight * result.height_mm / diagonal_ + rule_.stair_weight * result.mean_cusp_mm / rule_.layer_mm;
    if (bearing_ > 0) result.score += rule_.bearing_weight * result.bearing_area_mm2 / bearing_;
    return result;
  }

 private:
  const OrientationRule& rule_;
  std::vector<Facet> facets_;
  Points points_;
  double area_ = 0, bearing_ = 0, diagonal_ = 1;
};

bool better(const Orientation& a, const Orientation& b) {
  return std::tuple(a.score, -a.direction.z(), a.direction.x(), a.direction.y()) <
         std::tuple(b.score, -b.direction.z(), b.direction.x(), b.direction.y());
}

// Directions that lay large faces on the plate: against the mean normals of facets that point the same way.
std::vector<Eigen::Vector3d> faceDirections(const Surface& surface) {
  std::map<std::array<int, 3>, Eigen::Vector3d> faces;
  for (const Facet& facet : surface.facets()) {
    const Eigen::Vector3d key = (facet.normal * 50).array().round();
    const std::array<int, 3> cell{static_cast<int>(key.x()), static_cast<int>(key.y()), static_cast<int>(key.z())};
    faces.try_emplace(cell, Eigen::Vector3d::Zero()).first->second += facet.normal * facet.area;
  }
  std::vector<Eigen::Vector3d> sums;
  for (const auto& face : faces) sums.push_back(face.second);
  std::stable_sort(sums.begin(), sums.end(),
                   [](const auto& a, const auto& b) { return a.norm() > b.norm() * (1 + 1e-9); });
  if (sums.size() > kFaces) sums.resize(kFaces);
  for (Eigen::Vector3d& sum : sums) sum = -sum.normalized();
  return sums;
}

Orientation refined(const Surface& surface, Orientation best) {
  for (double step = kFirstStep_rad; step >= kLastStep_rad;) {
    const Eigen::Vector3d side = best.direction.unitOrthogonal(), other = best.direction.cross(side);
    Orientation next = best;
    for (int k = 0; k < 6; ++k) {
      const double phi = k * M_PI / 3;
      const Orientation tried = surface.assess(best.direction + step * (std::cos(phi) * side + std::sin(phi) * other));
      if (better(tried, next)) next = tried;
    }
    if (next.score < best.score - 1e-12) {
      best = next;
    } else {
      step /= 2;
    }
  }
  return best;
}

// The best of a list in which no two point the same way.
std::vector<Orientation> distinct(std::vector<Orientation> sorted, std::size_t count) {
  std::vector<Orientation> kept;
  for (const Orientation& o : sorted) {
    const bool repeats = std::any_of(kept.begin(), kept.end(), [&](const Orientation& k) {
      return k.direction.dot(o.direction) > std::cos(kApart_deg * M_PI / 180);
    });
    if (!repeats) kept.push_back(o);
    if (kept.size() == count) break;
  }
  return kept;
}

std::vector<Orientation> assessAll(const Surface& surface, const std::vector<Eigen::Vector3d>& directions) {
  std::vector<Orientation> all(directions.size());
  core::parallelFor(static_cast<std::int64_t>(all.size()),
                    [&](std::int64_t n) { all[n] = surface.assess(directions[n]); });
  std::sort(all.begin(), all.end(), better);
  return all;
}

}  // namespace

Orientation assess(const mesh::TriangleMesh& mesh, const Eigen::Vector3d& direction, const OrientationRule& rule) {
  return Surface(mesh, rule, 1).assess(direction);
}

std::vector<Orientation> bestOrientations(const mesh::TriangleMesh& mesh, const OrientationRule& rule, int count) {
  const Surface sample(mesh, rule, 1 + mesh.triangles.size() / kSample);
  std::vector<Eigen::Vector3d> directions = faceDirections(sample);
  for (int axis = 0; axis < 3; ++axis) {
    directions.push_back(Eigen::Vector3d::Unit(axis));
    directions.push_back(-Eigen::Vector3d::Unit(axis));
  }
  for (int k = 0; k < kDirections; ++k) directions.push_back(fibonacci(k, kDirections));
  const std::size_t candidates = static_cast<std::size_t>(std::max(count, kRefined));
  std::vector<Orientation> best = distinct(assessAll(sample, directions), candidates);
  core::parallelFor(static_cast<std::int64_t>(best.size()),
                    [&](std::int64_t n) { best[n] = refined(sample, best[n]); });
  const Surface whole(mesh, rule, 1);
  std::vector<Eigen::Vector3d> found;
  for (const Orientation& o : best) found.push_back(o.direction);
  return distinct(assessAll(whole, found), static_cast<std::size_t>(count));
}

mesh::TriangleMesh surfaceOf(const std::vector<Solid>& solids) {
  mesh::TriangleMesh all;
  const auto append = [&all](const mesh::TriangleMesh& mesh) {
    const auto base = static_cast<std::uint32_t>(all.vertices.size());
    all.vertices.insert(all.vertices.end(), mesh.vertices.begin(), mesh.vertices.end());
    for (const mesh::Triangle& t : mesh.triangles) all.triangles.push_back({base + t[0], base + t[1], base + t[2]});
  };
  for (const Solid& solid : solids) {
    append(solid.mesh), append(solid.beams);
    if (solid.level_set) append(levelset::toMesh(*solid.level_set));
  }
  return all;
}

std::vector<char> trianglesNear(const mesh::TriangleMesh& mesh, const mesh::TriangleMesh& surface, double distance_mm) {
  const mesh::ClosestPoint closest(surface);
  std::vector<char> near(mesh.triangles.size(), 0);
  constexpr std::int64_t kChunk = 1 << 12;
  core::parallelChunks(
      static_cast<std::int64_t>(near.size()), kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
        for (std::int64_t t = first; t < last; ++t) {
          const mesh::Triangle& triangle = mesh.triangles[static_cast<std::size_t>(t)];
          const Eigen::Vector3d middle =
              (mesh.vertices[triangle[0]] + mesh.vertices[triangle[1]] + mesh.vertices[triangle[2]]) / 3;
          near[static_cast<std::size_t>(t)] = closest(middle).distance_mm <= distance_mm;
        }
      });
  return near;
}

}  // namespace osteo::slice_print
