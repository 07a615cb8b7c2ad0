#include "registration/surface.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/statistics.h"
#include "mesh/closest.h"
#include "registration/points.h"

namespace osteo::registration {
namespace {

using Eigen::Affine3d;
using Eigen::Matrix3d;
using Eigen::Vector3d;
using Points = std::vector<Vector3d>;

constexpr std::size_t kCoarse = 200, kSurfaceSamples = 4000, kHopeful = 8, kFinalists = 3;
constexpr int kFirstRounds = 8, kFarRounds = 25;
constexpr std::int64_t kChunk = 128;
constexpr double kTukey = 4.685, kToSigma = 1.4826;  // 95 % efficiency; median of |normal| to its deviation

struct Shape {
  Vector3d centre = Vector3d::Zero();
  Matrix3d axes = Matrix3d::Identity();
  double radius = 0;  ///< root mean square distance from the centre
  double width = 0;   ///< extent along the second axis
};

Shape shapeOf(const Points& points) {
  Shape shape;
  for (const auto& p : points) shape.centre += p / static_cast<double>(points.size());
  Matrix3d spread = Matrix3d::Zero();
  for (const auto& p : points) spread += (p - shape.centre) * (p - shape.centre).transpose();
  spread /= static_cast<double>(points.size());
  const Eigen::SelfAdjointEigenSolver<Matrix3d> solver(spread);
  shape.axes = solver.eigenvectors();
  shape.axes.col(2) = shape.axes.col(0).cross(shape.axes.col(1));
  shape.radius = std::sqrt(spread.trace());
  shape.width = std::sqrt(std::max(0.0, solver.eigenvalues()[1]));
  return shape;
}

double medianOf(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

/// The 24 rotations that map the coordinate axes onto one another.
std::vector<Matrix3d> quarterTurns() {
  std::vector<Matrix3d> turns;
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      for (int sign = 0; sign < 4 && a != b; ++sign) {
        Matrix3d m;
        m.col(0) = Vector3d::Unit(a) * (sign & 1 ? -1 : 1);
        m.col(1) = Vector3d::Unit(b) * (sign & 2 ? -1 : 1);
        m.col(2) = m.col(0).cross(m.col(1));
        turns.push_back(m);
      }
    }
  }
  return turns;
}

struct Candidate {
  Affine3d transform = Affine3d::Identity();
  double cost = 1e300;
};

class Fitter {
 public:
  Fitter(const Points& points, const mesh::TriangleMesh& surface, const SurfaceOptions& options)
      : points_(points), nearest_(surface), options_(options), shape_(shapeOf(points)) {
    const std::size_t stride = std::max<std::size_t>(1, points.size() / kCoarse);
    for (std::size_t i = 0; i < points.size(); i += stride) coarse_.push_back(points[i]);
    keep_ = std::clamp(options.overlap, 0.1, 1.0);
  }

  /// Trimmed closest points from far.
  Candidate approach(Affine3d t, int rounds) const {
    for (int round = 0; round < rounds; ++round) {
      const auto hits = hitsOf(coarse_, t);
      std::vector<double> distances;
      for (const auto& hit : hits) distances.push_back(hit.distance_mm);
      const double limit = core::quantile(distances, 0.9 * keep_);
      Points from, to;
      for (std::size_t i = 0; i < hits.size(); ++i) {
        if (hits[i].distance_mm > limit) continue;
        from.push_back(t * coarse_[i]);
        to.push_back(hits[i].point);
      }
      const auto update = rigidStep(from, to);
      t = update * t;
      if ((update.matrix() - Eigen::Matrix4d::Identity()).cwiseAbs().maxCoeff() < 1e-3) break;
    }
    return {t, costOf(coarse_, t, 0.2 * shape_.radius)};
  }

  /// Point-to-plane with Tukey weights; a Levenberg term keeps the directions that the points leave open.
  Candidate refine(Candidate start, const Points& points, int rounds) const {
    const int unknowns = options_.with_scale ? 7 : 6;
    for (int round = 0; round < rounds; ++round) {
      const auto hits = hitsOf(points, start.transform);
      const double reach = reachOf(hits);
      Eigen::MatrixXd normal_matrix = Eigen::MatrixXd::Zero(unknowns, unknowns);
      Eigen::VectorXd right = Eigen::VectorXd::Zero(unknowns);
      const Vector3d centre = start.transform * shape_.centre;
      for (std::size_t i = 0; i < hits.size(); ++i) {
        const double d = hits[i].distance_mm;
        if (d >= reach || d < 1e-12) continue;
        const Vector3d p = start.transform * points[i], n = (p - hits[i].point) / d;
        const double u = d / reach, weight = (1 - u * u) * (1 - u * u);
        Eigen::VectorXd row(unknowns);
        row.head<6>() << (p - centre).cross(n) / shape_.radius, n;
        if (unknowns == 7) row[6] = (p - centre).dot(n) / shape_.radius;
        normal_matrix += weight * row * row.transpose();
        right -= weight * d * row;
      }
      normal_matrix.diagonal().array() += 1e-4 * normal_matrix.trace() / unknowns + 1e-12;
      const Eigen::VectorXd step = normal_matrix.ldlt().solve(right);
      start.transform = moved(step, centre) * start.transform;
      if (step.norm() < 1e-5 * shape_.radius) break;
    }
    start.cost = costOf(points, start.transform, 0.05 * shape_.radius);
    return start;
  }

  std::vector<Candidate> search(const std::vector<Affine3d>& starts) const {
    const auto better = [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; };
    std::vector<Candidate> found(starts.size());
    core::parallelFor(static_cast<std::int64_t>(starts.size()),
                      [&](std::int64_t i) { found[i] = approach(starts[i], kFirstRounds); });
    std::stable_sort(found.begin(), found.end(), better);
    found.resize(std::min(found.size(), kHopeful));
    core::parallelFor(static_cast<std::int64_t>(found.size()), [&](std::int64_t i) {
      found[i] = refine(approach(found[i].transform, kFarRounds), coarse_, 10);
    });
    std::stable_sort(found.begin(), found.end(), better);
    std::vector<Candidate> finalists;
    for (const auto& c : found) {
      const auto like = [&](const Candidate& other) { return apart(c, other) < 0.1 * shape_.radius; };
      if (finalists.size() < kFinalists && std::none_of(finalists.begin(), finalists.end(), like))
        finalists.push_back(c);
    }
    for (auto& c : finalists) c = refine(c, points_, 40);
    std::stable_sort(finalists.begin(), finalists.end(), better);
    return finalists;
  }

  void judge(const Affine3d& t, SurfaceFit& fit) const {
    const auto hits = hitsOf(points_, t);
    fit.reach_mm = reachOf(hits);
    std::vector<double> inliers;
    double square = 0;
    for (const auto& hit : hits) {
      if (hit.distance_mm > fit.reach_mm) continue;
      inliers.push_back(hit.distance_mm);
      square += hit.distance_mm * hit.distance_mm;
    }
    fit.inlier_share = static_cast<double>(inliers.size()) / static_cast<double>(hits.size());
    fit.rms_mm = inliers.empty() ? 0 : std::sqrt(square / static_cast<double>(inliers.size()));
    fit.median_mm = medianOf(std::move(inliers));
  }

  double apart(const Candidate& a, const Candidate& b) const {
    double worst = 0;
    for (int k = 0; k < 3; ++k) {
      const Vector3d p = shape_.centre + shape_.axes.col(k) * shape_.radius;
      worst = std::max(worst, (a.transform * p - b.transform * p).norm());
    }
    return worst;
  }

 private:
  std::vector<mesh::ClosestPoint::Hit> hitsOf(const Points& points, const Affine3d& t) const {
    std::vector<mesh::ClosestPoint::Hit> hits(points.size());
    core::parallelChunks(static_cast<std::int64_t>(points.size()), kChunk,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           for (std::int64_t i = first; i < last; ++i) hits[i] = nearest_(t * points[i]);
                         });
    return hits;
  }

  double reachOf(const std::vector<mesh::ClosestPoint::Hit>& hits) const {
    std::vector<double> distances;
    for (const auto& hit : hits) distances.push_back(hit.distance_mm);
    return std::max(kTukey * kToSigma * core::quantile(std::move(distances), 0.5 * keep_), 1e-3 * shape_.radius);
  }

  double costOf(const Points& points, const Affine3d& t, double cap_mm) const {
    double sum = 0;
    for (const auto& hit : hitsOf(points, t)) sum += std::min(hit.distance_mm, cap_mm);
    return sum / static_cast<double>(points.size());
  }

  static Affine3d rigidStep(const Points& from, const Points& to) {
    try {
      return fitPoints(from, to).transform;
    } catch (const core::Error&) {  // the closest points have fallen onto one line: no step from here
      return Affine3d::Identity();
    }
  }

  Affine3d moved(const Eigen::VectorXd& step, const Vector3d& centre) const {
    const Vector3d turn = step.head<3>() / shape_.radius;
    Affine3d update = Affine3d::Identity();
    if (turn.norm() > 1e-12) update.linear() = Eigen::AngleAxisd(turn.norm(), turn.normalized()).toRotationMatrix();
    if (step.size() == 7) update.linear() *= std::exp(std::clamp(step[6] / shape_.radius, -0.1, 0.1));
    update.translation() = centre - update.linear() * centre + step.segment<3>(3);
    return update;
  }

  const Points& points_;
  mesh::ClosestPoint nearest_;
  const SurfaceOptions& options_;
  Shape shape_;
  Points coarse_;
  double keep_ = 1;
};

std::vector<Affine3d> turnsBetween(const Shape& from, const Shape& to, bool with_scale) {
  std::vector<Affine3d> starts;
  const double scale = with_scale && from.radius > 0 ? to.radius / from.radius : 1;
  for (const Matrix3d& turn : quarterTurns()) {
    Affine3d t = Affine3d::Identity();
    t.linear() = scale * to.axes * turn * from.axes.transpose();
    t.translation() = to.centre - t.linear() * from.centre;
    starts.push_back(t);
  }
  return starts;
}

std::vector<Affine3d> startsFor(const Shape& from, const Shape& to, const SurfaceOptions& options) {
  std::vector<Affine3d> starts{options.start};
  if (!options.search) return starts;
  for (const auto& turn : turnsBetween(from, to, options.with_scale)) starts.push_back(turn);
  return starts;
}

}  // namespace

std::vector<Affine3d> principalStarts(const Points& from, const Points& to, bool with_scale) {
  return turnsBetween(shapeOf(from), shapeOf(to), with_scale);
}

std::vector<Vector3d> sampleSurface(const mesh::TriangleMesh& mesh, std::size_t count) {
  std::vector<double> until;
  double area = 0;
  for (const auto& [a, b, c] : mesh.triangles) {
    area += (mesh.vertices[b] - mesh.vertices[a]).cross(mesh.vertices[c] - mesh.vertices[a]).norm();
    until.push_back(area);
  }
  Points points;
  if (!(area > 0)) return points;
  const core::Random random(17);
  for (std::size_t i = 0; i < count; ++i) {
    const double place = (static_cast<double>(i) + random.uniform(3 * i)) / static_cast<double>(count) * area;
    const auto t =
        std::min<std::size_t>(std::upper_bound(until.begin(), until.end(), place) - until.begin(), until.size() - 1);
    double u = random.uniform(3 * i + 1), v = random.uniform(3 * i + 2);
    if (u + v > 1) u = 1 - u, v = 1 - v;
    const auto& [a, b, c] = mesh.triangles[t];
    points.push_back(mesh.vertices[a] + u * (mesh.vertices[b] - mesh.vertices[a]) +
                     v * (mesh.vertices[c] - mesh.vertices[a]));
  }
  return points;
}

SurfaceFit fitToMesh(const std::vector<Vector3d>& points, const mesh::TriangleMesh& surface,
                     const SurfaceOptions& options) {
  const Points samples = sampleSurface(surface, kSurfaceSamples);
  if (samples.empty()) throw core::Error(core::Exit::DataError, {.what = "the surface has no area"});
  if (points.size() < 10)
    throw core::Error(
        core::Exit::DataError,
        {.what = "too few points for a surface", .expected = "at least 10", .got = fmt::format("{}", points.size())});
  const Shape from = shapeOf(points), to = shapeOf(samples);
  if (!(from.width > 1e-3 * from.radius))
    throw core::Error(core::Exit::DataError, {.what = "the points lie on one line and fix no turn"});
  const Fitter fitter(points, surface, options);
  const auto found = fitter.search(startsFor(from, to, options));
  SurfaceFit fit;
  fit.transform = found[0].transform;
  fit.scale = std::cbrt(fit.transform.linear().determinant());
  fitter.judge(fit.transform, fit);
  fit.mean_mm = found[0].cost;
  const auto other = std::find_if(found.begin(), found.end(),
                                  [&](const Candidate& c) { return fitter.apart(c, found[0]) > 0.1 * from.radius; });
  if (other != found.end()) fit.runner_up_mm = other->cost;
  if (!options.try_mirrored) return fit;
  Points mirrored = points;
  const Vector3d axis = from.axes.col(0);
  for (auto& p : mirrored) p -= 2 * axis.dot(p - from.centre) * axis;
  const Fitter mirror(mirrored, surface, options);
  auto starts = startsFor(shapeOf(mirrored), to, options);
  starts.push_back(fit.transform);
  fit.mirrored_mm = mirror.search(starts)[0].cost;
  return fit;
}

}  // namespace osteo::registration
