#include "design_scaffold/stretched_law.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/error.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::MatrixXd;
using Eigen::RowVectorXd;

constexpr int kDegree = 4;        // of share and stretches together
constexpr int kFilletDegree = 3;  // of terms with a fillet, which is 2 at most
constexpr double kRidge = 1e-6;   // keeps what no cell tells at nothing

/// Powers of ln(share), both stretches and the fillet in each term.
const std::vector<std::array<int, 4>>& powers() {
  static const std::vector<std::array<int, 4>> all = [] {
    std::vector<std::array<int, 4>> out;
    for (int f = 0; f <= 2; ++f)
      for (int l = 0; l <= kDegree; ++l)
        for (int x = 0; l + x <= kDegree; ++x)
          for (int y = 0; l + x + y <= kDegree; ++y)
            if (f == 0 || l + x + y + f <= kFilletDegree) out.push_back({l, x, y, f});
    return out;
  }();
  return all;
}

RowVectorXd termsOf(double share, const ShapeNumbers& shape) {
  const double base[4] = {std::log(share / 0.3), 2 * shape[0], 2 * shape[1], 2 * shape[2]};
  double power[4][kDegree + 1];
  for (int n = 0; n < 4; ++n) {
    power[n][0] = 1;
    for (int d = 1; d <= kDegree; ++d) power[n][d] = power[n][d - 1] * base[n];
  }
  RowVectorXd out(static_cast<Eigen::Index>(powers().size()));
  Eigen::Index at = 0;
  for (const auto& [l, x, y, f] : powers()) out[at++] = power[0][l] * power[1][x] * power[2][y] * power[3][f];
  return out;
}

/// Cells that all thicker ones of their lattice hold together with.
std::vector<double> leastSharesOf(const std::vector<std::string>& lattices, const std::vector<SolvedCell>& cells) {
  std::vector<double> apart(lattices.size(), 0), out(lattices.size(), kMostShare);
  for (const SolvedCell& cell : cells) {
    double& worst = apart[latticePlace(cell.cell.spec, lattices)];
    if (!holdsTogether(cell)) worst = std::max(worst, cell.cell.spec.volume_fraction);
  }
  for (const SolvedCell& cell : cells) {
    const std::size_t place = latticePlace(cell.cell.spec, lattices);
    if (apart[place] == 0)
      out[place] = kLeastShare;
    else if (cell.cell.spec.volume_fraction > apart[place])
      out[place] = std::min(out[place], cell.cell.spec.volume_fraction);
  }
  return out;
}

}  // namespace

std::size_t latticePlace(const LatticeSpec& spec, const std::vector<std::string>& lattices) {
  const auto found = std::find(lattices.begin(), lattices.end(), latticeName(spec));
  if (found == lattices.end())
    throw core::Error(core::Exit::Config, {.what = "this lattice was not learnt", .got = latticeName(spec)});
  return static_cast<std::size_t>(found - lattices.begin());
}

bool holdsTogether(const SolvedCell& cell) {
  constexpr double kLeast = 0.05;  // half of what holdsTogether() asks of a cube: long sides are softer
  return cell.stiffness.diagonal().head<3>().minCoeff() > kLeast * std::pow(cell.cell.spec.volume_fraction, 2);
}

StretchedLaw StretchedLaw::fitted(const std::vector<std::string>& lattices, const std::vector<SolvedCell>& cells) {
  StretchedLaw out;
  out.lattices_ = lattices;
  out.least_shares_ = leastSharesOf(lattices, cells);
  const auto terms = static_cast<Eigen::Index>(powers().size());
  for (std::size_t lattice = 0; lattice < lattices.size(); ++lattice) {
    MatrixXd square = kRidge * MatrixXd::Identity(terms, terms), right = MatrixXd::Zero(terms, 21);
    for (SolvedCell cell : cells) {
      if (latticePlace(cell.cell.spec, lattices) != lattice) continue;
      if (cell.cell.spec.volume_fraction < out.least_shares_[lattice]) continue;
      for (int turn = 0; turn < 3; ++turn, cell = turned(cell)) {
        const RowVectorXd row = termsOf(cell.cell.spec.volume_fraction, shapeOf(cell.cell));
        square += row.transpose() * row;
        right += row.transpose() * logOfStiffness(cell.stiffness).transpose();
      }
    }
    out.coefficients_.emplace_back(square.ldlt().solve(right).cast<float>().cast<double>());  // as weights keep it
  }
  return out;
}

StretchedLaw::StretchedLaw(std::vector<std::string> lattices, std::vector<double> least_shares,
                           const learn::Tensor& coefficients)
    : lattices_(std::move(lattices)), least_shares_(std::move(least_shares)) {
  const auto count = static_cast<std::int64_t>(lattices_.size()), terms = static_cast<std::int64_t>(powers().size());
  if (coefficients.shape != std::vector<std::int64_t>{count, terms, 21}) throw std::out_of_range(kTensor);
  if (least_shares_.size() != lattices_.size()) throw std::out_of_range("least_solid_share");
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, 21, Eigen::RowMajor>;
  for (std::int64_t n = 0; n < count; ++n)
    coefficients_.emplace_back(
        Eigen::Map<const Rows>(coefficients.values.data() + n * terms * 21, terms, 21).cast<double>());
}

LatticeSpec StretchedLaw::specOf(std::size_t lattice, double share) const {
  LatticeSpec spec = latticeSpecNamed(lattices_.at(lattice));
  spec.cell_mm = 1;
  spec.volume_fraction = share;
  return spec;
}

Log21 StretchedLaw::at(std::size_t lattice, double share, const ShapeNumbers& shape) const {
  return (termsOf(share, shape) * coefficients_.at(lattice)).transpose();
}

learn::Tensor StretchedLaw::tensor() const {
  learn::Tensor out{
      kTensor, {static_cast<std::int64_t>(coefficients_.size()), static_cast<std::int64_t>(powers().size()), 21}, {}};
  for (const MatrixXd& part : coefficients_)
    for (Eigen::Index row = 0; row < part.rows(); ++row)
      for (Eigen::Index column = 0; column < 21; ++column) out.values.push_back(static_cast<float>(part(row, column)));
  return out;
}

}  // namespace osteo::design_scaffold
