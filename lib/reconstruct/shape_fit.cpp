#include "reconstruct/shape_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "core/error.h"
#include "core/parallel.h"
#include "mesh/closest.h"
#include "reconstruct/point_grid.h"

namespace osteo::reconstruct {
namespace {

using registration::OrientedPoint;

constexpr double kSpacing_mm = 4;  ///< one seen point for each patch of this width: errors nearer than that are alike

constexpr double kNearReach_mm = 4;  ///< seen points that lie farther from the model at the end are left out

/// About what a pose turns and grows, and the length that makes turns and growth comparable with shifts: of the mean
/// shape.
struct Pivot {
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  double radius = 0;
};

Pivot pivotOf(const ShapeModel& model) {
  Pivot out;
  const auto n = static_cast<double>(model.mean.vertices.size());
  for (const auto& v : model.mean.vertices) out.centre += v / n;
  for (const auto& v : model.mean.vertices) out.radius += (v - out.centre).norm() / n;
  return out;
}

/// Three numbers for a turn, three for a shift, one for the growth when the size is free; all in mm.
Eigen::Affine3d poseChange(const Eigen::VectorXd& by, const Pivot& about) {
  const Eigen::Vector3d turn = by.head<3>() / about.radius;
  Eigen::Affine3d out = Eigen::Affine3d::Identity();
  if (turn.norm() > 1e-12) out.linear() = Eigen::AngleAxisd(turn.norm(), turn.normalized()).toRotationMatrix();
  if (by.size() > 6) out.linear() *= std::exp(std::clamp(by[6] / about.radius, -0.2, 0.2));
  out.translation() = about.centre - out.linear() * about.centre + by.segment<3>(3);
  return out;
}

/// The state of a fit. The model's own frame is kept centred on its mean so that turns and shifts decouple.
class Fit {
 public:
  Fit(const ShapeModel& model, const std::vector<OrientedPoint>& points, const Eigen::Affine3d& pose, bool free_size,
      double length_mm = 0)
      : model_(model),
        points_(points),
        pose_(pose),
        free_size_(free_size),
        length_mm_(length_mm),
        z_(Eigen::VectorXd::Zero(0)),
        about_(pivotOf(model)) {
    findEnds();
  }

  /// Gauss–Newton with the first `components` of the model while the reach falls from `far` to `near`.
  void run(int components, double far_mm, double near_mm, int rounds) {
    Eigen::VectorXd z = Eigen::VectorXd::Zero(components);
    z.head(std::min<Eigen::Index>(components, z_.size())) = z_.head(std::min<Eigen::Index>(components, z_.size()));
    z_ = z;
    for (int round = 0; round < rounds; ++round) {
      const double t = rounds == 1 ? 1 : static_cast<double>(round) / (rounds - 1);
      step(far_mm * std::pow(near_mm / far_mm, t));
    }
  }

  /// Mean distance of the points truncated at cap_mm.
  double truncated(double cap_mm) const {
    double sum = 0;
    for (const double d : distances_) sum += std::min(d, cap_mm);
    return sum / static_cast<double>(std::max<std::size_t>(1, distances_.size()));
  }

  const Eigen::Affine3d& pose() const { return pose_; }
  void takeSize(int components);
  ShapePosterior posterior() const;

 private:
  void step(double reach_mm);
  int poseSize() const { return free_size_ ? 7 : 6; }
  Eigen::RowVectorXd poseRow(const Eigen::Vector3d& at, const Eigen::Vector3d& normal) const {
    Eigen::RowVectorXd row(poseSize());
    row.head<3>() = (at - about_.centre).cross(normal).transpose() / about_.radius;
    row.segment<3>(3) = normal.transpose();
    if (free_size_) row[6] = normal.dot(at - about_.centre) / about_.radius;
    return row;
  }
  void move(const Eigen::VectorXd& by);
  void findEnds();
  void addLength(Eigen::MatrixXd& information, Eigen::VectorXd& gradient) const;
  void markMissing(ShapePosterior& out) const;

  const ShapeModel& model_;
  const std::vector<OrientedPoint>& points_;
  Eigen::Affine3d pose_;
  bool free_size_;
  double length_mm_;
  std::size_t low_end_ = 0, high_end_ = 0;  ///< the mean's outermost vertices along its longest axis
  Eigen::VectorXd z_;
  Pivot about_;
  double inlier_share_ = 0;
  std::vector<double> distances_;
  Eigen::MatrixXd information_;
};

void Fit::step(double reach_mm) {
  mesh::TriangleMesh shape{instance(model_, z_), model_.mean.triangles};
  const auto normals = vertexNormals(shape);
  const mesh::ClosestPoint closest(shape);
  const Eigen::Affine3d back = pose_.inverse();
  const double size = std::cbrt(std::abs(back.linear().determinant()));
  const auto n = static_cast<std::int64_t>(points_.size());
  const auto modes = static_cast<int>(z_.size()), all = modes + poseSize();
  Eigen::MatrixXd rows = Eigen::MatrixXd::Zero(n, all);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(n);
  distances_.assign(n, 0);
  const Eigen::Matrix3d turn = back.linear() / size;
  core::parallelFor(n, [&](std::int64_t i) {
    const Eigen::Vector3d q = back * points_[i].position;
    const auto hit = closest(q);
    distances_[i] = hit.distance_mm / size;
    const auto& triangle = shape.triangles[hit.triangle];
    const Eigen::Vector3d &a = shape.vertices[triangle[0]], &b = shape.vertices[triangle[1]],
                          &c = shape.vertices[triangle[2]];
    const Eigen::Vector3d face = (b - a).cross(c - a);
    if (face.norm() == 0 || distances_[i] >= reach_mm) return;
    Eigen::Vector3d share((b - hit.point).cross(c - hit.point).norm(), (c - hit.point).cross(a - hit.point).norm(),
                          (a - hit.point).cross(b - hit.point).norm());
    share /= share.sum();
    const Eigen::Vector3d normal =
        (share[0] * normals[triangle[0]] + share[1] * normals[triangle[1]] + share[2] * normals[triangle[2]])
            .normalized();
    const double agreement = normal.dot(turn * points_[i].normal);
    if (agreement < 0.5) return;
    const double u = distances_[i] / reach_mm, root = (1 - u * u) / (model_.noise_mm * size);
    right[i] = root * normal.dot(q - hit.point);
    for (int corner = 0; corner < 3; ++corner)
      rows.row(i).head(modes) += root * share[corner] * normal.transpose() *
                                 model_.basis.block(3 * static_cast<Eigen::Index>(triangle[corner]), 0, 3, modes);
    rows.row(i).tail(poseSize()) = root * poseRow(hit.point, normal);
  });
  inlier_share_ = static_cast<double>((rows.rowwise().squaredNorm().array() > 0).count()) / static_cast<double>(n);
  information_ = rows.transpose() * rows;
  Eigen::VectorXd gradient = rows.transpose() * right;
  // The prior: z is standard normal; the pose is all but free.
  for (int k = 0; k < modes; ++k) {
    information_(k, k) += 1;
    gradient[k] -= z_[k];
  }
  for (int k = modes; k < all; ++k) information_(k, k) += 1e-4;
  if (length_mm_ > 0) addLength(information_, gradient);
  move(information_.ldlt().solve(gradient));
}

/// Coefficients change; the pose takes up the rest.
void Fit::move(const Eigen::VectorXd& by) {
  z_ += by.head(z_.size());
  pose_ = pose_ * poseChange(by.tail(poseSize()), about_);
}

/// The pose's size becomes the coefficients that grow the mean shape as much, and the pose keeps its place.
void Fit::takeSize(int components) {
  const double size = std::cbrt(std::abs(pose_.linear().determinant()));
  const auto modes = model_.basis.leftCols(components);
  Eigen::VectorXd grown(model_.basis.rows());
  for (std::size_t v = 0; v < model_.mean.vertices.size(); ++v)
    grown.segment<3>(3 * static_cast<Eigen::Index>(v)) = (size - 1) * (model_.mean.vertices[v] - about_.centre);
  Eigen::MatrixXd normal_matrix = modes.transpose() * modes;
  normal_matrix.diagonal().array() += 1;
  z_ = normal_matrix.ldlt().solve(modes.transpose() * grown);
  const Eigen::Vector3d centre = pose_ * about_.centre;
  pose_.linear() /= size;
  pose_.translation() = centre - pose_.linear() * about_.centre;
}

void Fit::findEnds() {
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const auto& v : model_.mean.vertices) spread += (v - about_.centre) * (v - about_.centre).transpose();
  const Eigen::Vector3d axis = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors().col(2);
  for (std::size_t v = 0; v < model_.mean.vertices.size(); ++v) {
    const double s = axis.dot(model_.mean.vertices[v]);
    if (s < axis.dot(model_.mean.vertices[low_end_])) low_end_ = v;
    if (s > axis.dot(model_.mean.vertices[high_end_])) high_end_ = v;
  }
}

/// The distance between the ends as one more observation, good to 2 mm.
void Fit::addLength(Eigen::MatrixXd& information, Eigen::VectorXd& gradient) const {
  constexpr double kSd_mm = 2;
  const auto modes = z_.size();
  const auto low = 3 * static_cast<Eigen::Index>(low_end_), high = 3 * static_cast<Eigen::Index>(high_end_);
  const Eigen::MatrixXd apart = (model_.basis.middleRows(high, 3) - model_.basis.middleRows(low, 3)).leftCols(modes);
  const Eigen::Vector3d along = model_.mean.vertices[high_end_] - model_.mean.vertices[low_end_] + apart * z_;
  const double size = std::cbrt(std::abs(pose_.linear().determinant()));
  Eigen::RowVectorXd row = Eigen::RowVectorXd::Zero(information.rows());
  row.head(modes) = size * along.normalized().transpose() * apart;
  if (free_size_) row[modes + 6] = size * along.norm() / about_.radius;
  information += row.transpose() * row / (kSd_mm * kSd_mm);
  gradient += row.transpose() * (length_mm_ - size * along.norm()) / (kSd_mm * kSd_mm);
}

/// A vertex is missing when none of the seen points lies within two of their spacings.
void Fit::markMissing(ShapePosterior& out) const {
  constexpr double kNear_mm = 2 * kSpacing_mm;
  std::vector<Eigen::Vector3d> seen;
  for (const auto& p : points_) seen.push_back(p.position);
  const PointGrid grid(seen, kNear_mm);
  out.is_missing.assign(out.surface.vertices.size(), 0);
  std::size_t missing = 0;
  for (std::size_t v = 0; v < out.is_missing.size(); ++v) {
    if (grid.distance(out.surface.vertices[v], kNear_mm) < kNear_mm) continue;
    out.is_missing[v] = 1;
    ++missing;
  }
  out.missing_share = static_cast<double>(missing) / static_cast<double>(out.is_missing.size());
}

ShapePosterior Fit::posterior() const {
  ShapePosterior out;
  out.to_patient = pose_;
  out.coefficients = z_;
  out.reflected = pose_.linear().determinant() < 0;
  out.inlier_share = inlier_share_;
  std::vector<double> sorted = distances_;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
  out.residual_mm = sorted[sorted.size() / 2];
  // Covariance = information⁻¹ = U⁻¹ U⁻ᵀ with information = Uᵀ U.
  const Eigen::LLT<Eigen::MatrixXd> factor(information_);
  out.surface = {instance(model_, z_), model_.mean.triangles};
  for (auto& v : out.surface.vertices) v = pose_ * v;
  if (out.reflected)
    for (auto& t : out.surface.triangles) std::swap(t[1], t[2]);
  markMissing(out);
  const double calibrated = model_.sdScale(out.missing_share);
  out.spread = calibrated * factor.matrixU().solve(Eigen::MatrixXd::Identity(information_.rows(), information_.cols()));
  const mesh::TriangleMesh shape{instance(model_, z_), model_.mean.triangles};
  const auto normals = vertexNormals(shape);
  const double size = std::cbrt(std::abs(pose_.linear().determinant()));
  out.sd_mm.resize(shape.vertices.size());
  // What the model can't follow where the bone is seen, it can't follow elsewhere either.
  double unexplained = 0, inliers = 0;
  for (const double d : distances_) {
    if (d > kNearReach_mm) continue;
    unexplained += d * d;
    ++inliers;
  }
  unexplained = calibrated * std::sqrt(unexplained / std::max(1.0, inliers));
  core::parallelFor(static_cast<std::int64_t>(shape.vertices.size()), [&](std::int64_t v) {
    Eigen::RowVectorXd row(information_.rows());
    row.head(z_.size()) = normals[v].transpose() * model_.basis.middleRows(3 * v, 3).leftCols(z_.size());
    row.tail(poseSize()) = poseRow(shape.vertices[v], normals[v]);
    out.sd_mm[v] = std::hypot(size * (row * out.spread).norm(), unexplained);
  });
  return out;
}

/// Right-handed principal axes as columns, longest first, and the mean.
struct Axes {
  Eigen::Matrix3d directions;
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  double low = 1e300, high = -1e300;  ///< extent along the longest
};

template <class Points, class Position>
Axes principalAxes(const Points& points, const Position& at) {
  Axes axes;
  for (const auto& p : points) axes.centre += at(p) / static_cast<double>(points.size());
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const auto& p : points) spread += (at(p) - axes.centre) * (at(p) - axes.centre).transpose();
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver(spread);
  axes.directions.col(0) = solver.eigenvectors().col(2);
  axes.directions.col(1) = solver.eigenvectors().col(1);
  axes.directions.col(2) = axes.directions.col(0).cross(axes.directions.col(1));
  for (const auto& p : points) {
    const double s = axes.directions.col(0).dot(at(p) - axes.centre);
    axes.low = std::min(axes.low, s);
    axes.high = std::max(axes.high, s);
  }
  return axes;
}

/// All starts: orientation of the seen axes in the model's, ends aligned or in between, both sides.
std::vector<Eigen::Affine3d> starts(const ShapeModel& model, const std::vector<OrientedPoint>& points) {
  constexpr int kTurns = 12, kShifts = 5;
  const Axes theirs = principalAxes(model.mean.vertices, [](const Eigen::Vector3d& p) { return p; });
  const Axes ours = principalAxes(points, [](const OrientedPoint& p) { return p.position; });
  const double model_length = theirs.high - theirs.low, length = ours.high - ours.low;
  std::vector<Eigen::Affine3d> out;
  for (int axis = 0; axis < 3; ++axis) {
    for (int variant = 0; variant < 4 * kTurns * kShifts; ++variant) {
      const bool reflected = variant % 2 != 0, reversed = variant / 2 % 2 != 0;
      const int turn = variant / 4 % kTurns, shift = variant / 4 / kTurns;
      Eigen::Matrix3d from = theirs.directions, to;
      if (reflected) from.col(2) *= -1;
      to.col(0) = ours.directions.col(axis) * (reversed ? -1 : 1);
      to.col(1) = ours.directions.col((axis + 1) % 3);
      to.col(2) = to.col(0).cross(to.col(1));
      Eigen::Affine3d pose = Eigen::Affine3d::Identity();
      pose.linear() = Eigen::AngleAxisd(2 * M_PI * turn / kTurns, to.col(0)).toRotationMatrix() * to * from.transpose();
      const double slack = axis == 0 ? std::max(0.0, model_length - length) : 0;
      const double along = slack * (static_cast<double>(shift) / (kShifts - 1) - 0.5);
      if (slack == 0 && shift > 0) continue;
      // The middle of the points along their axis, put `along` from the model's middle.
      const double middle = 0.5 * (ours.low + ours.high) * (reversed ? -1 : 1);
      const Eigen::Vector3d ours_mid = ours.centre + (axis == 0 ? middle : 0.0) * to.col(0);
      const Eigen::Vector3d theirs_mid =
          theirs.centre + (axis == 0 ? 0.5 * (theirs.low + theirs.high) : 0.0) * theirs.directions.col(0);
      pose.translation() = ours_mid + along * to.col(0) - pose.linear() * theirs_mid;
      out.push_back(pose);
    }
  }
  return out;
}

}  // namespace

std::vector<OrientedPoint> surfacePoints(const mesh::TriangleMesh& mesh) {
  const auto normals = vertexNormals(mesh);
  std::vector<OrientedPoint> out(mesh.vertices.size());
  for (std::size_t v = 0; v < out.size(); ++v) out[v] = {mesh.vertices[v], normals[v]};
  return out;
}

std::vector<OrientedPoint> thinned(const std::vector<OrientedPoint>& points, double spacing_mm) {
  std::unordered_set<std::uint64_t> taken;
  std::vector<OrientedPoint> out;
  for (const auto& p : points) {
    const Eigen::Array3d cell = (p.position / spacing_mm).array().floor() + 1e6;
    const auto key = (static_cast<std::uint64_t>(cell[0]) << 42) ^ (static_cast<std::uint64_t>(cell[1]) << 21) ^
                     static_cast<std::uint64_t>(cell[2]);
    if (taken.insert(key).second) out.push_back(p);
  }
  return out;
}

std::vector<ShapePose> findPoses(const ShapeModel& model, const std::vector<OrientedPoint>& points) {
  constexpr std::size_t kProbes = 300, kKept = 6;
  constexpr double kCap_mm = 15;
  const mesh::ClosestPoint closest(model.mean);
  std::vector<ShapePose> poses;
  for (const auto& start : starts(model, points)) poses.push_back({start});
  const std::size_t stride = std::max<std::size_t>(1, points.size() / kProbes);
  core::parallelFor(static_cast<std::int64_t>(poses.size()), [&](std::int64_t i) {
    const Eigen::Affine3d back = poses[i].to_patient.inverse();
    double sum = 0, count = 0;
    for (std::size_t p = 0; p < points.size(); p += stride, ++count)
      sum += std::min(closest(back * points[p].position).distance_mm, kCap_mm);
    poses[i].distance_mm = sum / count;
  });
  const auto nearer = [](const ShapePose& a, const ShapePose& b) { return a.distance_mm < b.distance_mm; };
  std::stable_sort(poses.begin(), poses.end(), nearer);
  // The best of either side are refined as rigid bodies.
  std::vector<ShapePose> kept;
  for (const bool reflected : {false, true}) {
    std::size_t count = 0;
    for (const auto& pose : poses) {
      if (count == kKept || (pose.to_patient.linear().determinant() < 0) != reflected) continue;
      ++count;
      kept.push_back(pose);
    }
  }
  core::parallelFor(static_cast<std::int64_t>(kept.size()), [&](std::int64_t i) {
    Fit fit(model, points, kept[i].to_patient, true);
    fit.run(0, 25, 8, 15);
    kept[i] = {fit.pose(), fit.truncated(kCap_mm)};
  });
  std::stable_sort(kept.begin(), kept.end(), nearer);
  return kept;
}

ShapePosterior fitShape(const ShapeModel& model, const std::vector<OrientedPoint>& points, double length_mm) {
  constexpr std::size_t kTried = 4;
  const auto seen = thinned(points, kSpacing_mm);
  if (seen.size() < 50) {
    throw core::Error(core::Exit::DataError, {.what = "there is too little bone to fit a shape model to",
                                              .expected = "at least 50 patches of 4 mm",
                                              .got = std::to_string(seen.size())});
  }
  const auto poses = findPoses(model, seen);
  std::vector<Fit> fits;
  const int few = std::min(model.components(), 10);
  std::size_t best = 0;
  for (std::size_t i = 0; i < std::min(kTried, poses.size()); ++i) {
    fits.emplace_back(model, seen, poses[i].to_patient, model.free_size, length_mm);
    if (!model.free_size) fits.back().takeSize(few);
    fits.back().run(few, 20, 8, 10);
    if (fits[i].truncated(8) < fits[best].truncated(8)) best = i;
  }
  Fit& fit = fits[best];
  fit.run(few, 8, 6, 4);
  fit.run(model.components(), 8, kNearReach_mm, 12);
  ShapePosterior out = fit.posterior();
  if (out.inlier_share < 0.5) {
    throw core::Error(core::Exit::DataError,
                      {.what = "the shape model doesn't fit this bone",
                       .expected = "half of the bone's surface within a few millimetres of the model",
                       .got = fmt::format("{:.0f} %", 100 * out.inlier_share),
                       .hint = "is it a model of this bone, and is the label this bone alone?"});
  }
  return out;
}

mesh::TriangleMesh drawShape(const ShapeModel& model, const ShapePosterior& posterior,
                             const Eigen::VectorXd& normal_draws) {
  const Eigen::VectorXd deviation = posterior.spread * normal_draws;
  const auto modes = posterior.coefficients.size();
  const Eigen::Affine3d pose =
      posterior.to_patient * poseChange(deviation.tail(deviation.size() - modes), pivotOf(model));
  mesh::TriangleMesh out = posterior.surface;
  const auto vertices = instance(model, posterior.coefficients + deviation.head(modes));
  for (std::size_t v = 0; v < vertices.size(); ++v) out.vertices[v] = pose * vertices[v];
  return out;
}

}  // namespace osteo::reconstruct
