#include "reconstruct/spline.h"

#include <algorithm>
#include <cmath>

namespace osteo::reconstruct {

Spline::Spline(Kernel kernel, const std::vector<Eigen::Vector3d>& points, const std::vector<double>& values,
               double smoothing, double reach_mm)
    : kind_(kernel) {
  const auto n = static_cast<Eigen::Index>(points.size());
  for (const auto& p : points) middle_ += p / static_cast<double>(n);
  for (const auto& p : points) scale_ = std::max(scale_, (p - middle_).norm());
  reach_ = reach_mm / scale_;
  for (const auto& p : points) centres_.push_back((p - middle_) / scale_);
  const Eigen::Index terms = polynomial(Eigen::Vector3d::Zero()).size(), all = n + terms;
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(all, all);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(all);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j < i; ++j)
      matrix(i, j) = matrix(j, i) = this->kernel((centres_[i] - centres_[j]).squaredNorm());
    matrix(i, i) = this->kernel(0) + smoothing;
    matrix.block(i, n, 1, terms) = polynomial(centres_[i]).transpose();
    matrix.block(n, i, terms, 1) = polynomial(centres_[i]);
    right[i] = values[i];
  }
  for (Eigen::Index k = n; k < all; ++k) matrix(k, k) = -1e-10;
  weights_ = matrix.partialPivLu().solve(right);
}

double Spline::kernel(double squared) const {
  if (kind_ == Kernel::Fading) return std::exp(-std::sqrt(squared) / reach_);
  if (kind_ == Kernel::Biharmonic) return -std::sqrt(squared);
  return squared > 0 ? 0.5 * squared * std::log(squared) : 0;
}

Eigen::VectorXd Spline::polynomial(const Eigen::Vector3d& q) const {
  if (kind_ != Kernel::ThinPlate) return Eigen::VectorXd::Ones(1);
  return Eigen::Vector4d(1, q[0], q[1], q[2]);
}

double Spline::operator()(const Eigen::Vector3d& p) const {
  const Eigen::Vector3d q = (p - middle_) / scale_;
  double sum = polynomial(q).dot(weights_.tail(weights_.size() - static_cast<Eigen::Index>(centres_.size())));
  for (std::size_t i = 0; i < centres_.size(); ++i)
    sum += weights_[static_cast<Eigen::Index>(i)] * kernel((q - centres_[i]).squaredNorm());
  return sum;
}

}  // namespace osteo::reconstruct
