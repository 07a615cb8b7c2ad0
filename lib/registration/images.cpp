#include "registration/images.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "image/filters.h"
#include "image/resample.h"
#include "registration/minimise.h"

namespace osteo::registration {
namespace {

using Eigen::Affine3d;
using Eigen::Matrix3d;
using Eigen::Vector3d;
using Eigen::VectorXd;

constexpr std::int64_t kChunk = 4096;
constexpr double kCoarsest_mm = 12;

Vector3d middleOf(const image::Frame& frame) { return frame.toWorld(0.5 * (frame.size.cast<double>().array() - 1)); }

Matrix3d skew(const Vector3d& v) {
  Matrix3d m;
  m << 0, -v[2], v[1], v[2], 0, -v[0], -v[1], v[0], 0;
  return m;
}

/// A motion about a centre with all parameters in mm: turn × radius, shift, log scale × radius.
struct Motion {
  Affine3d start;
  Vector3d centre;
  double radius;

  Matrix3d turn(const VectorXd& x) const {
    const Vector3d w = x.head<3>() / radius;
    return w.norm() < 1e-12 ? Matrix3d::Identity() : Eigen::AngleAxisd(w.norm(), w.normalized()).toRotationMatrix();
  }
  double scale(const VectorXd& x) const { return x.size() == 7 ? std::exp(x[6] / radius) : 1; }
  Affine3d operator()(const VectorXd& x) const {
    Affine3d t = Affine3d::Identity();
    t.linear() = scale(x) * turn(x);
    t.translation() = centre - t.linear() * centre + x.segment<3>(3);
    return start * t;
  }
  /// Derivative of the turn's parameters against an angular velocity (right Jacobian of SO(3)).
  Matrix3d rightJacobian(const VectorXd& x) const {
    const Vector3d w = x.head<3>() / radius;
    const double a = w.norm();
    if (a < 1e-8) return Matrix3d::Identity();
    const Matrix3d s = skew(w);
    return Matrix3d::Identity() - (1 - std::cos(a)) / (a * a) * s + (a - std::sin(a)) / (a * a * a) * s * s;
  }
};

/// Sums `part` (columns of a small vector) over the samples in chunk order.
VectorXd sumOver(std::int64_t n, Eigen::Index size,
                 const std::function<void(std::int64_t, std::int64_t, VectorXd&)>& part) {
  std::vector<VectorXd> parts((n + kChunk - 1) / kChunk, VectorXd::Zero(size));
  core::parallelChunks(
      n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t chunk) { part(first, last, parts[chunk]); });
  VectorXd sum = VectorXd::Zero(size);
  for (const auto& p : parts) sum += p;
  return sum;
}

double evaluate(const ImageMetric& metric, const ImageSamples& samples, const Motion& motion, const VectorXd& x,
                VectorXd& gradient) {
  const auto n = static_cast<std::int64_t>(samples.places_mm.size());
  const Affine3d t = motion(x);
  std::vector<Vector3d> mapped(n), pull;
  for (std::int64_t i = 0; i < n; ++i) mapped[i] = t * samples.places_mm[i];
  const double value = metric(mapped, pull).value;
  // In the space before `start`: dy = start · s R (w × v), v = x - centre.
  const Matrix3d outer = motion.start.linear().transpose(), inner = (motion.scale(x) * motion.turn(x)).transpose();
  const VectorXd sums = sumOver(n, 7, [&](std::int64_t first, std::int64_t last, VectorXd& sum) {
    for (std::int64_t i = first; i < last; ++i) {
      if (pull[i].isZero(0)) continue;
      const Vector3d g = outer * pull[i], local = inner * g, v = samples.places_mm[i] - motion.centre;
      sum.head<3>() += v.cross(local);
      sum.segment<3>(3) += g;
      sum[6] += local.dot(v);
    }
  });
  gradient.head<3>() = motion.rightJacobian(x).transpose() * sums.head<3>() / motion.radius;
  gradient.segment<3>(3) = sums.segment<3>(3);
  if (gradient.size() == 7) gradient[6] = sums[6] / motion.radius;
  return value;
}

/// One level of the pyramid.
struct Level {
  image::CtVolume moving;
  ImageSamples samples;
  double voxel_mm = 1;
};

image::CtVolume coarse(const image::CtVolume& volume, double voxel_mm) {
  const double smallest = volume.frame.spacing_mm.minCoeff();
  const image::CtVolume smooth = image::gaussian(volume, 0.5 * std::max(voxel_mm, smallest));
  image::Frame frame = volume.frame;
  for (int axis = 0; axis < 3; ++axis) {
    const double extent = (frame.size[axis] - 1) * frame.spacing_mm[axis];
    const double spacing = std::max(voxel_mm, frame.spacing_mm[axis]);
    frame.size[axis] = std::max(2, static_cast<int>(std::floor(extent / spacing)) + 1);
    frame.spacing_mm[axis] = spacing;
    const double rest = extent - (frame.size[axis] - 1) * spacing;
    frame.origin_mm += 0.5 * rest * volume.frame.direction.col(axis);
  }
  return image::resampleLinear(smooth, frame, volume.voxels.empty() ? 0 : volume.voxels[0]);
}

std::vector<Level> pyramid(const image::CtVolume& fixed, const image::CtVolume& moving, const ImageOptions& options) {
  const double finest =
      std::max(fixed.frame.spacing_mm.prod(), moving.frame.spacing_mm.prod());  // of voxels that may be uneven
  std::vector<double> voxels{std::cbrt(finest)};
  while (voxels.back() * 1.5 < kCoarsest_mm) voxels.push_back(std::min(voxels.back() * 2, kCoarsest_mm));
  std::reverse(voxels.begin(), voxels.end());
  std::vector<Level> levels;
  for (const double voxel_mm : voxels) {
    const bool last = voxel_mm == voxels.back();
    const std::int64_t count = last ? options.samples : options.samples / 3;
    const image::CtVolume smooth = coarse(fixed, voxel_mm);
    levels.push_back(
        {coarse(moving, voxel_mm), sampleImage(smooth, options.fixed_mask, count, options.seed), voxel_mm});
    if (levels.back().samples.values.size() < 100)
      throw core::Error(core::Exit::DataError, {.what = "too little of the fixed image is left to compare",
                                                .expected = "a mask with nonzero voxels inside the image"});
  }
  return levels;
}

Affine3d fitMotion(const Level& level, const Motion& motion, const ImageOptions& options, MinimiseOptions limits,
                   double* value = nullptr) {
  const bool normalised = options.model == Model::Similarity && options.metric == Metric::Mattes;
  const ImageMetric metric(level.samples, level.moving, normalised ? Metric::Normalised : options.metric);
  VectorXd x = VectorXd::Zero(options.model == Model::Similarity ? 7 : 6);
  limits.first_step = level.voxel_mm;
  limits.largest_step = 3 * level.voxel_mm;
  const double reached = minimise(
      [&](const VectorXd& at, VectorXd& gradient) { return evaluate(metric, level.samples, motion, at, gradient); }, x,
      limits);
  if (value) *value = reached;
  return motion(x);
}

Vector3d massCentre(const image::CtVolume& volume) {
  const float low = *std::min_element(volume.voxels.begin(), volume.voxels.end());
  Vector3d sum = Vector3d::Zero();
  double mass = 0;
  for (std::int64_t i = 0; i < volume.frame.voxelCount(); ++i) {
    const auto nx = volume.frame.size[0], ny = volume.frame.size[1];
    const double m = double{volume.voxels[i]} - low;
    sum += m * volume.frame.toWorld(Vector3d(static_cast<double>(i % nx), static_cast<double>(i / nx % ny),
                                             static_cast<double>(i / nx / ny)));
    mass += m;
  }
  return mass > 0 ? Vector3d(sum / mass) : middleOf(volume.frame);
}

/// Without a start: the places as they stand, middle on middle and mass on mass, each with turns of 20° to all sides.
Affine3d chooseStart(const image::CtVolume& fixed, const Level& level, Motion motion, const ImageOptions& options) {
  if (options.start) return *options.start;
  std::vector<Affine3d> starts;
  const Vector3d middle = middleOf(fixed.frame);
  const image::CtVolume fixed_coarse = coarse(fixed, kCoarsest_mm);
  for (const Vector3d& shift : {Vector3d::Zero().eval(), (middleOf(level.moving.frame) - middle).eval(),
                                (massCentre(level.moving) - massCentre(fixed_coarse)).eval()}) {
    for (int k = 0; k < 7; ++k) {
      Affine3d t = Affine3d::Identity();
      if (k > 0) t.linear() = Eigen::AngleAxisd(k % 2 ? 0.35 : -0.35, Vector3d::Unit((k - 1) / 2)).toRotationMatrix();
      t.translation() = middle - t.linear() * middle + shift;
      starts.push_back(t);
    }
  }
  Level quick = level;
  quick.samples = sampleImage(fixed_coarse, options.fixed_mask, 6000, options.seed);
  double best = std::numeric_limits<double>::infinity();
  Affine3d chosen = starts[0];
  for (const Affine3d& start : starts) {
    motion.start = start;
    double value = 0;
    const Affine3d t = fitMotion(quick, motion, options, {.max_iterations = 25, .tolerance = 0.05}, &value);
    if (value < best) best = value, chosen = t;
  }
  return chosen;
}

/// Sum of squared second differences of the coefficients, per control point, and its gradient: a cheap bending energy.
double bending(const Lattice& lattice, const VectorXd& x, double weight, VectorXd& gradient) {
  double sum = 0;
  const Eigen::Vector3i n = lattice.size;
  const double spacing = lattice.spacing_mm.mean();
  const double factor = weight / (spacing * spacing * static_cast<double>(x.size() / 3));
  for (int k = 0; k < n[2]; ++k) {
    for (int j = 0; j < n[1]; ++j) {
      for (int i = 0; i < n[0]; ++i) {
        const Eigen::Vector3i at(i, j, k);
        const auto here = static_cast<Eigen::Index>(3 * lattice.index(i, j, k));
        for (int axis = 0; axis < 3; ++axis) {
          if (at[axis] == 0 || at[axis] == n[axis] - 1) continue;
          const Eigen::Vector3i step = Eigen::Vector3i::Unit(axis);
          const auto jump = static_cast<Eigen::Index>(3 * lattice.index(step[0], step[1], step[2]));
          const Vector3d bend = x.segment<3>(here - jump) - 2 * x.segment<3>(here) + x.segment<3>(here + jump);
          sum += factor * bend.squaredNorm();
          gradient.segment<3>(here - jump) += 2 * factor * bend;
          gradient.segment<3>(here) -= 4 * factor * bend;
          gradient.segment<3>(here + jump) += 2 * factor * bend;
        }
      }
    }
  }
  return sum;
}

void fitLattice(const Level& level, const Affine3d& linear, const ImageOptions& options, Lattice& lattice) {
  const ImageMetric metric(level.samples, level.moving, options.metric);
  const auto n = static_cast<std::int64_t>(level.samples.places_mm.size());
  std::vector<Lattice::Support> supports(n);
  std::vector<Vector3d> base(n), mapped(n), pull;
  for (std::int64_t i = 0; i < n; ++i) {
    lattice.support(level.samples.places_mm[i], supports[i]);
    base[i] = linear * level.samples.places_mm[i];
  }
  const auto size = static_cast<Eigen::Index>(3 * lattice.coefficients.size());
  const auto objective = [&](const VectorXd& x, VectorXd& gradient) {
    for (std::size_t c = 0; c < lattice.coefficients.size(); ++c)
      lattice.coefficients[c] = x.segment<3>(static_cast<Eigen::Index>(3 * c));
    core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
      for (std::int64_t i = first; i < last; ++i) mapped[i] = base[i] + lattice.displacement(supports[i]);
    });
    const double value = metric(mapped, pull).value;
    gradient = sumOver(n, size, [&](std::int64_t first, std::int64_t last, VectorXd& sum) {
      for (std::int64_t i = first; i < last; ++i) {
        const auto& at = supports[i];
        if (pull[i].isZero(0)) continue;
        for (int c = 0; c < 64; ++c) {
          const int a = c % 4, b = c / 4 % 4, d = c / 16;
          const double w = at.weights(a, 0) * at.weights(b, 1) * at.weights(d, 2);
          sum.segment<3>(static_cast<Eigen::Index>(3 * lattice.index(at.low[0] + a, at.low[1] + b, at.low[2] + d))) +=
              w * pull[i];
        }
      }
    });
    return value + bending(lattice, x, options.smoothness, gradient);
  };
  VectorXd x(size);
  for (std::size_t c = 0; c < lattice.coefficients.size(); ++c)
    x.segment<3>(static_cast<Eigen::Index>(3 * c)) = lattice.coefficients[c];
  minimise(
      objective, x,
      {.max_iterations = 60, .first_step = 0.5 * level.voxel_mm, .largest_step = level.voxel_mm, .tolerance = 0.01});
  for (std::size_t c = 0; c < lattice.coefficients.size(); ++c)
    lattice.coefficients[c] = x.segment<3>(static_cast<Eigen::Index>(3 * c));
}

Lattice latticeOver(const image::Frame& frame, double spacing_mm) {
  // In the image's own axes: a lattice turned like the image holds all of it and no more.
  const Vector3d half = frame.size.cast<double>().cwiseProduct(frame.spacing_mm) / 2;
  Lattice lattice = makeLattice(-half, half, spacing_mm);
  lattice.direction = frame.direction;
  lattice.origin_mm = middleOf(frame) + frame.direction * lattice.origin_mm;
  return lattice;
}

/// The linear part becomes one with the lattice: cubic B-splines reproduce it from its values at the control points.
void absorb(const Affine3d& linear, Lattice& lattice) {
  for (int k = 0; k < lattice.size[2]; ++k)
    for (int j = 0; j < lattice.size[1]; ++j)
      for (int i = 0; i < lattice.size[0]; ++i) {
        const Vector3d node = lattice.node_mm(i, j, k);
        lattice.coefficients[lattice.index(i, j, k)] += linear * node - node;
      }
}

void judge(const Level& level, const ImageOptions& options, const Affine3d& linear, ImageFit& fit) {
  const ImageMetric metric(level.samples, level.moving, options.metric);
  std::vector<Vector3d> mapped, pull;
  double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  fit.smallest_jacobian = 1e300, fit.largest_jacobian = -1e300;
  for (std::size_t i = 0; i < level.samples.places_mm.size(); ++i) {
    const Vector3d& place = level.samples.places_mm[i];
    mapped.push_back(fit.transform(place));
    const double jacobian = fit.transform.jacobian(place);
    fit.smallest_jacobian = std::min(fit.smallest_jacobian, jacobian);
    fit.largest_jacobian = std::max(fit.largest_jacobian, jacobian);
    fit.largest_displacement_mm = std::max(fit.largest_displacement_mm, (mapped.back() - linear * place).norm());
    const double a = level.samples.values[i];
    const float b = image::sampleLinear(level.moving, level.moving.frame.toIndex(mapped.back()), NAN);
    if (std::isnan(b)) continue;
    n += 1, sa += a, sb += b, saa += a * a, sbb += double{b} * b, sab += a * b;
  }
  const auto result = metric(mapped, pull);
  fit.overlap = result.overlap;
  fit.similarity = options.metric == Metric::Mattes ? -result.value : result.value;
  const double variance = (saa - sa * sa / n) * (sbb - sb * sb / n);
  fit.correlation = n > 1 && variance > 0 ? (sab - sa * sb / n) / std::sqrt(variance) : 0;
}

}  // namespace

ImageFit fitImages(const image::CtVolume& fixed, const image::CtVolume& moving, const ImageOptions& options) {
  const auto levels = pyramid(fixed, moving, options);
  core::Progress progress("register", static_cast<std::int64_t>(levels.size()) + 1);
  ImageFit fit;
  fit.levels = static_cast<int>(levels.size());
  Motion motion{Affine3d::Identity(), middleOf(fixed.frame),
                0.25 * fixed.frame.size.cast<double>().cwiseProduct(fixed.frame.spacing_mm).norm()};
  Affine3d linear = chooseStart(fixed, levels.front(), motion, options);
  fit.transform.linear = linear;
  judge(levels.back(), options, linear, fit);
  fit.start_similarity = fit.similarity;
  progress.advance();
  for (const auto& level : levels) {
    motion.start = linear;
    linear = fitMotion(level, motion, options, {.max_iterations = 60, .tolerance = 2e-4 * level.voxel_mm});
    if (options.model != Model::BSpline) progress.advance();
  }
  if (options.model == Model::BSpline) {
    Lattice lattice = latticeOver(fixed.frame, options.lattice_mm);
    for (const auto& level : levels) {
      fitLattice(level, linear, options, lattice);
      progress.advance();
    }
    absorb(linear, lattice);
    fit.transform.lattice = std::move(lattice);
  }
  fit.transform.linear = linear;
  fit.largest_displacement_mm = 0;
  judge(levels.back(), options, linear, fit);
  return fit;
}

}  // namespace osteo::registration
