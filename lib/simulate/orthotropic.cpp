#include "simulate/orthotropic.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace osteo::simulate {
namespace {

using Eigen::Matrix3d;
using Eigen::Vector3d;
constexpr int kRow[6] = {0, 1, 2, 1, 0, 0}, kColumn[6] = {0, 1, 2, 2, 2, 1};
constexpr double kAlong = 1e-3;   // skew share that counts as none
constexpr double kTurned = 1e-7;  // of an angle's square beside that of a skew share: settles what symmetry leaves open

/// Factor of an entry in Mandel's notation.
double mandelFactor(int p, int q) { return (p < 3 ? 1 : std::numbers::sqrt2) * (q < 3 ? 1 : std::numbers::sqrt2); }

double mandelNorm(const Matrix6d& C) {
  double sum = 0;
  for (int p = 0; p < 6; ++p)
    for (int q = 0; q < 6; ++q) sum += std::pow(mandelFactor(p, q) * C(p, q), 2);
  return std::sqrt(sum);
}

Matrix3d turn(const Vector3d& w) {
  const double angle = w.norm();
  if (angle == 0) return Matrix3d::Identity();
  return Eigen::AngleAxisd(angle, w / angle).toRotationMatrix();
}

Vector3d turnVector(const Matrix3d& rotation) {
  const Eigen::AngleAxisd turned(rotation);
  return turned.angle() * turned.axis();
}

/// What is not orthotropic along the axes of a frame, and how far these are turned; the squares add up to what is to be
/// least.
Eigen::Matrix<double, 15, 1> skewOf(const Matrix6d& C, double norm, const Matrix3d& axes) {
  const Matrix6d own = rotated(C, axes);
  Eigen::Matrix<double, 15, 1> out;
  int n = 0;
  for (int p = 0; p < 6; ++p)
    for (int q = std::max(p + 1, 3); q < 6; ++q) out[n++] = std::numbers::sqrt2 * mandelFactor(p, q) * own(p, q) / norm;
  out.tail<3>() = std::sqrt(kTurned) * turnVector(axes);
  return out;
}

/// How far a stiffness seen from a frame is from another, and how far that is turned.
Eigen::Matrix<double, 24, 1> differenceOf(const Matrix6d& C, const Matrix6d& other, double norm, const Matrix3d& axes) {
  const Matrix6d off = rotated(C, axes) - other;
  Eigen::Matrix<double, 24, 1> out;
  int n = 0;
  for (int p = 0; p < 6; ++p)
    for (int q = p; q < 6; ++q) out[n++] = (p == q ? 1 : std::numbers::sqrt2) * mandelFactor(p, q) * off(p, q) / norm;
  out.tail<3>() = std::sqrt(kTurned) * turnVector(axes);
  return out;
}

/// Levenberg–Marquardt from a frame on what adds up in squares.
template <class Residual>
Matrix3d settled(const Residual& residual, Matrix3d axes) {
  constexpr double kStep = 1e-5;
  auto now = residual(axes);
  Eigen::Matrix<double, decltype(now)::RowsAtCompileTime, 3> slope;
  double damping = 1e-3;
  for (int step = 0; step < 60 && damping < 1e8; ++step) {
    for (int c = 0; c < 3; ++c) {
      const Matrix3d less = turn(-kStep * Vector3d::Unit(c)), more = turn(kStep * Vector3d::Unit(c));
      slope.col(c) = (residual(more * axes) - residual(less * axes)) / (2 * kStep);
    }
    Matrix3d square = slope.transpose() * slope;
    square.diagonal() += damping * square.diagonal();
    const Vector3d move = square.ldlt().solve(-slope.transpose() * now);
    const Matrix3d there = turn(move) * axes;
    const auto next = residual(there);
    if (next.squaredNorm() < now.squaredNorm()) {
      axes = there, now = next, damping = std::max(1e-9, 0.1 * damping);
    } else {
      damping *= 8;
    }
    if (move.norm() < 1e-9) break;
  }
  return axes;
}

/// Axes of a symmetric tensor as a frame.
Matrix3d frameOf(const Matrix3d& tensor) {
  Matrix3d axes = Eigen::SelfAdjointEigenSolver<Matrix3d>(tensor).eigenvectors().transpose();
  if (axes.determinant() < 0) axes.row(0) *= -1;
  return axes;
}

std::vector<Matrix3d> gridOfTurns() {
  constexpr double kGrid = 0.6;  // rad
  std::vector<Matrix3d> out;
  for (int n = 0; n < 27; ++n) out.push_back(turn(kGrid * Vector3d(n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1)));
  return out;
}

std::vector<Matrix3d> starts(const Matrix6d& C) {
  const double scale = std::max(1e-300, C.cwiseAbs().maxCoeff());
  Matrix3d dilatational = Matrix3d::Zero(), voigt = Matrix3d::Zero();
  int place[3][3];
  for (int p = 0; p < 6; ++p) place[kRow[p]][kColumn[p]] = place[kColumn[p]][kRow[p]] = p;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) {
        dilatational(i, j) += C(place[i][j], k) / scale;
        voigt(i, j) += C(place[i][k], place[j][k]) / scale;
      }
  std::vector<Matrix3d> out = gridOfTurns();
  for (const Matrix3d& tensor : {dilatational, voigt, Matrix3d(dilatational + voigt)}) out.push_back(frameOf(tensor));
  return out;
}

/// The nine constants of a stiffness whatever its axes are called, over its norm.
using Constants = Eigen::Matrix<double, 9, 1>;
Constants constantsOf(const Matrix6d& own) {
  std::array<std::array<double, 3>, 3> kinds = {};
  for (int n = 0; n < 3; ++n)
    kinds[0][n] = own(n, n), kinds[1][n] = 2 * own(n + 3, n + 3), kinds[2][n] = own(n, (n + 1) % 3);
  Constants out;
  for (int kind = 0; kind < 3; ++kind) {
    std::sort(kinds[kind].begin(), kinds[kind].end());
    for (int n = 0; n < 3; ++n) out[3 * kind + n] = kinds[kind][n];
  }
  return out / mandelNorm(own);
}

/// How far nine constants are from three.
double uncubic(const Constants& c) {
  double sum = 0;
  for (int kind = 0; kind < 3; ++kind) {
    const Vector3d own = c.segment<3>(3 * kind);
    sum += (own.array() - own.mean()).square().sum() * (kind == 2 ? 2 : 1);
  }
  return std::sqrt(sum);
}

struct Found {
  OrthotropicFrame frame;
  Constants constants;
  double angle = 0;
  double rank() const { return uncubic(constants) + kAlong * angle; }
};

}  // namespace

Matrix3d leastTurned(const Matrix3d& axes) {
  constexpr int kOrders[6][3] = {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}, {2, 1, 0}, {1, 0, 2}};
  Matrix3d best = axes;
  double most = -4;
  for (const auto& order : kOrders)
    for (int signs = 0; signs < 8; ++signs) {
      Matrix3d other;
      for (int row = 0; row < 3; ++row) other.row(row) = (signs >> row & 1 ? -1 : 1) * axes.row(order[row]);
      if (other.determinant() > 0 && other.trace() > most + 1e-9) most = other.trace(), best = other;
    }
  return best;
}

double skewShare(const Matrix6d& stiffness) {
  Matrix6d skew = stiffness;
  skew.topLeftCorner<3, 3>().setZero();
  skew.diagonal().setZero();
  return mandelNorm(skew) / mandelNorm(stiffness);
}

Matrix3d nearestFrame(const Matrix6d& stiffness, const Matrix6d& other) {
  const double norm = mandelNorm(stiffness);
  const auto difference = [&](const Matrix3d& axes) { return differenceOf(stiffness, other, norm, axes); };
  constexpr double kSeen = 1e-9;  // less is rounding
  Matrix3d best = Matrix3d::Identity();
  double least = difference(best).squaredNorm();
  for (const Matrix3d& start : gridOfTurns()) {
    const Matrix3d axes = settled(difference, start);
    const double off = difference(axes).squaredNorm();
    if (off < least - kSeen) best = axes, least = off;
  }
  return best;
}

std::vector<OrthotropicFrame> orthotropicFrames(const Matrix6d& stiffness) {
  const double norm = mandelNorm(stiffness);
  std::vector<Found> all;
  const auto add = [&](const Matrix3d& axes) {
    const Matrix6d own = rotated(stiffness, axes);
    all.push_back({{axes, skewShare(own)}, constantsOf(own), turnVector(axes).norm()});
  };
  if (skewShare(stiffness) <= kAlong) add(Matrix3d::Identity());
  const bool is_along = !all.empty();
  const auto skew = [&](const Matrix3d& axes) { return skewOf(stiffness, norm, axes); };
  for (const Matrix3d& start : starts(stiffness)) add(leastTurned(settled(skew, leastTurned(start))));
  double least = 1;
  for (const Found& found : all) least = std::min(least, found.frame.skew_share);
  std::stable_sort(all.begin() + (is_along ? 1 : 0), all.end(),
                   [](const Found& a, const Found& b) { return a.rank() < b.rank(); });
  std::vector<Found> kept;
  for (const Found& found : all) {
    const auto looks_alike = [&](const Found& other) {
      return (other.constants - found.constants).norm() < 5 * kAlong;
    };
    if (found.frame.skew_share <= 1.1 * least + kAlong && std::none_of(kept.begin(), kept.end(), looks_alike))
      kept.push_back(found);
  }
  std::vector<OrthotropicFrame> out;
  out.reserve(kept.size());
  for (const Found& found : kept) out.push_back(found.frame);
  return out;
}

}  // namespace osteo::simulate
