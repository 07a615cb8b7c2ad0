#include "registration/drift.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"

namespace osteo::registration {
namespace {

using Eigen::Matrix3d;
using Eigen::MatrixXd;
using Eigen::Vector3d;
using Eigen::VectorXd;
using Points = std::vector<Vector3d>;

constexpr std::int64_t kChunk = 256;
constexpr std::size_t kCentres = 400;
constexpr double kFar = 18;  // exp(-18) of a kernel is nothing

/// Sums of the posterior probabilities: P1 and PX for each moving point, and over all pairs.
struct Expectation {
  VectorXd p1;
  MatrixXd px;                         ///< moving points × 3
  double total = 0, fixed_square = 0;  ///< sum of P, sum of P·|x|²
};

/// Volume of the points' box, at least that of a slab a hundredth of its diagonal thick.
double volumeOf(const Points& points) {
  Eigen::AlignedBox3d box;
  for (const auto& p : points) box.extend(p);
  return box.sizes().cwiseMax(0.01 * box.diagonal().norm() + 1e-9).prod();
}

/// `outliers`: density of those that have no partner, per mm³, over the share of one moving point.
Expectation expect(const Points& moved, const Points& fixed, double sigma2, double outliers) {
  const auto m = static_cast<std::int64_t>(moved.size()), n = static_cast<std::int64_t>(fixed.size());
  const double uniform = std::pow(2 * M_PI * sigma2, 1.5) * outliers;
  const double far2 = 2 * sigma2 * kFar, factor = -0.5 / sigma2;
  std::vector<double> share(fixed.size()), matched(fixed.size());
  // Each point writes to its own place, so that nothing depends on the number of threads.
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t j = first; j < last; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < m; ++i) {
        const double d2 = (moved[i] - fixed[j]).squaredNorm();
        if (d2 < far2) sum += std::exp(factor * d2);
      }
      share[j] = sum + uniform > 0 ? 1 / (sum + uniform) : 0;
      matched[j] = sum * share[j];
    }
  });
  Expectation e{VectorXd::Zero(m), MatrixXd::Zero(m, 3)};
  core::parallelChunks(m, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) {
      Vector3d sum = Vector3d::Zero();
      double mass = 0;
      for (std::int64_t j = 0; j < n; ++j) {
        const double d2 = (moved[i] - fixed[j]).squaredNorm();
        if (d2 >= far2) continue;
        const double p = std::exp(factor * d2) * share[j];
        mass += p;
        sum += p * fixed[j];
      }
      e.p1[i] = mass;
      e.px.row(i) = sum;
    }
  });
  for (std::int64_t j = 0; j < n; ++j) {
    e.total += matched[j];
    e.fixed_square += matched[j] * fixed[j].squaredNorm();
  }
  return e;
}

double densityOf(const Points& fixed, std::size_t moving, double share) {
  return share / (1 - share) * static_cast<double>(moving) / volumeOf(fixed);
}

/// Mean squared distance of all pairs over three coordinates: the widest deviation.
double widest(const Points& a, const Points& b) {
  Vector3d mean_a = Vector3d::Zero(), mean_b = Vector3d::Zero();
  double square = 0;
  for (const auto& p : a)
    mean_a += p / static_cast<double>(a.size()), square += p.squaredNorm() / static_cast<double>(a.size());
  for (const auto& p : b)
    mean_b += p / static_cast<double>(b.size()), square += p.squaredNorm() / static_cast<double>(b.size());
  return std::max(1e-12, (square - 2 * mean_a.dot(mean_b)) / 3);
}

/// Both sets about one centre, so that squares don't lose digits far from the origin.
Vector3d centred(Points& fixed) {
  Vector3d centre = Vector3d::Zero();
  for (const auto& p : fixed) centre += p / static_cast<double>(fixed.size());
  for (auto& p : fixed) p -= centre;
  return centre;
}

void require(const Points& moving, const Points& fixed) {
  if (std::min(moving.size(), fixed.size()) < 4)
    throw core::Error(core::Exit::DataError, {.what = "too few points to drift",
                                              .expected = "at least 4 on each side",
                                              .got = fmt::format("{} and {}", fixed.size(), moving.size())});
}

[[noreturn]] void apart() {
  throw core::Error(core::Exit::DataError,
                    {.what = "the point sets share nothing: no pair came near", .hint = "give a start with --initial"});
}

}  // namespace

Vector3d GaussianField::operator()(const Vector3d& p) const {
  Vector3d sum = Vector3d::Zero();
  for (std::size_t i = 0; i < centres.size(); ++i) {
    const double q = (p - centres[i]).squaredNorm() / (2 * width_mm * width_mm);
    if (q < 2 * kFar) sum += std::exp(-q) * weights[i];
  }
  return sum;
}

DriftFit driftLinear(const Points& moving, const Points& fixed_in, const Eigen::Affine3d& start,
                     const DriftOptions& options) {
  require(moving, fixed_in);
  Points fixed = fixed_in;
  const double outliers = densityOf(fixed, moving.size(), options.outliers);
  const Vector3d centre = centred(fixed);
  DriftFit fit;
  Eigen::Affine3d t = Eigen::Translation3d(-centre) * start;
  fit.moved.resize(moving.size());
  const auto move = [&] {
    for (std::size_t i = 0; i < moving.size(); ++i) fit.moved[i] = t * moving[i];
  };
  move();
  double sigma2 = widest(fit.moved, fixed);
  const double smallest = 1e-10 * sigma2;
  for (fit.iterations = 0; fit.iterations < options.max_iterations; ++fit.iterations) {
    const Expectation e = expect(fit.moved, fixed, sigma2, outliers);
    if (!(e.total > 1)) apart();
    Vector3d mean_x = e.px.colwise().sum() / e.total, mean_y = Vector3d::Zero();
    for (std::size_t i = 0; i < moving.size(); ++i) mean_y += e.p1[i] / e.total * moving[i];
    Matrix3d cross = -e.total * mean_x * mean_y.transpose();
    double square_y = 0;
    for (std::size_t i = 0; i < moving.size(); ++i) {
      cross += e.px.row(i).transpose() * moving[i].transpose();
      square_y += e.p1[i] * (moving[i] - mean_y).squaredNorm();
    }
    const Eigen::JacobiSVD<Matrix3d> svd(cross, Eigen::ComputeFullU | Eigen::ComputeFullV);
    const Vector3d sign(1, 1, svd.matrixU().determinant() * svd.matrixV().determinant() < 0 ? -1 : 1);
    const double trace = svd.singularValues().dot(sign);
    fit.scale = options.with_scale ? trace / square_y : 1;
    t.linear() = fit.scale * (svd.matrixU() * sign.asDiagonal() * svd.matrixV().transpose());
    t.translation() = mean_x - t.linear() * mean_y;
    move();
    const double square_x = e.fixed_square - e.total * mean_x.squaredNorm();
    const double next =
        std::max(smallest, (square_x - 2 * fit.scale * trace + fit.scale * fit.scale * square_y) / (3 * e.total));
    fit.matched_share = e.total / static_cast<double>(fixed.size());
    const bool done = std::abs(next - sigma2) < options.tolerance * sigma2 || next <= smallest;
    sigma2 = next;
    if (done) break;
  }
  fit.sigma_mm = std::sqrt(sigma2);
  fit.transform = Eigen::Translation3d(centre) * t;
  for (auto& p : fit.moved) p += centre;
  return fit;
}

DriftFit driftDeformable(const Points& moving_in, const Points& fixed_in, GaussianField& field,
                         const DriftOptions& options) {
  require(moving_in, fixed_in);
  Points fixed = fixed_in, moving = moving_in;
  const Vector3d centre = centred(fixed);
  for (auto& p : moving) p -= centre;
  const auto m = static_cast<Eigen::Index>(moving.size());
  const double outliers = densityOf(fixed, moving.size(), options.outliers);
  double radius2 = 0;
  for (const auto& p : fixed) radius2 += p.squaredNorm() / static_cast<double>(fixed.size());
  field = {};
  field.width_mm = options.stiffness_mm > 0 ? options.stiffness_mm : 0.5 * std::sqrt(radius2);
  const std::size_t count = std::min(kCentres, moving.size());
  for (std::size_t i = 0; i < count; ++i) field.centres.push_back(moving[i * moving.size() / count]);
  const auto kernel = [&](const Vector3d& a, const Vector3d& b) {
    return std::exp(-(a - b).squaredNorm() / (2 * field.width_mm * field.width_mm));
  };
  const auto k = static_cast<Eigen::Index>(count);
  MatrixXd basis(m, k), gram(k, k), y(m, 3);
  for (Eigen::Index j = 0; j < k; ++j) {
    for (Eigen::Index i = 0; i < m; ++i) basis(i, j) = kernel(moving[i], field.centres[j]);
    for (Eigen::Index i = 0; i < k; ++i) gram(i, j) = kernel(field.centres[i], field.centres[j]);
  }
  for (Eigen::Index i = 0; i < m; ++i) y.row(i) = moving[i];
  DriftFit fit;
  fit.moved = moving;
  // The sets already lie near one another: a tenth of their spread leads on, where all of it would fold the shape.
  double sigma2 = 0.1 * widest(moving, fixed);
  MatrixXd weights = MatrixXd::Zero(k, 3);
  for (fit.iterations = 0; fit.iterations < options.max_iterations; ++fit.iterations) {
    const Expectation e = expect(fit.moved, fixed, sigma2, outliers);
    if (!(e.total > 1)) apart();
    MatrixXd left = basis.transpose() * e.p1.asDiagonal() * basis + options.smoothness * sigma2 / radius2 * gram;
    left.diagonal().array() += 1e-8 * left.trace() / static_cast<double>(k);
    weights = left.ldlt().solve(basis.transpose() * (e.px - e.p1.asDiagonal() * y));
    const MatrixXd moved = y + basis * weights;
    double square = e.fixed_square;
    for (Eigen::Index i = 0; i < m; ++i) {
      fit.moved[i] = moved.row(i);
      square += e.p1[i] * fit.moved[i].squaredNorm() - 2 * e.px.row(i).dot(moved.row(i));
    }
    const double next = std::max(1e-8 * radius2, square / (3 * e.total));
    fit.matched_share = e.total / static_cast<double>(fixed.size());
    const bool done = std::abs(next - sigma2) < options.tolerance * sigma2;
    sigma2 = next;
    if (done) break;
  }
  for (Eigen::Index j = 0; j < k; ++j) {
    field.centres[j] += centre;
    field.weights.emplace_back(weights.row(j));
  }
  for (auto& p : fit.moved) p += centre;
  fit.sigma_mm = std::sqrt(sigma2);
  return fit;
}

}  // namespace osteo::registration
