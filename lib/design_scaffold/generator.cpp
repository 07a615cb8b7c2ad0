#include "design_scaffold/generator.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;
using simulate::Matrix6d;
using Residual = Eigen::Matrix<double, 36, 1>;

constexpr int kQuestions = 10;
constexpr int kOrthotropic[] = {0, 1, 2, 6, 7, 11, 15, 18, 20};  // of the 21: xx xy xz yy yz zz and the three shears

StretchedLaw lawOf(const learn::Weights& weights) {
  for (const learn::Tensor& tensor : weights.network.tensors)
    if (tensor.name == StretchedLaw::kTensor)
      return {weights.training.at("lattices").get<std::vector<std::string>>(),
              weights.training.at("least_solid_share").get<std::vector<double>>(), tensor};
  throw std::out_of_range(StretchedLaw::kTensor);
}

Eigen::RowVectorXd rowIn(const json& document, const char* key) {
  const auto values = document.at(key).get<std::vector<double>>();
  if (values.size() != kQuestions) throw std::out_of_range(key);
  return Eigen::Map<const Eigen::RowVectorXd>(values.data(), kQuestions);
}

/// The law against what is wanted, as numbers whose squares add up to the squared error.
class Misfit {
 public:
  Misfit(const StretchedLaw& law, std::size_t lattice, double share, const Matrix6d& wanted, const Log21& offset)
      : law_(law),
        spec_(law.specOf(lattice, share)),
        lattice_(lattice),
        share_(share),
        wanted_(mandel(wanted)),
        offset_(offset) {}

  Matrix6d stiffness(const ShapeNumbers& shape) const {
    return stiffnessOfLog(law_.at(lattice_, share_, shape) + offset_);
  }
  Residual operator()(const ShapeNumbers& shape) const {
    const Matrix6d off = (mandel(stiffness(shape)) - wanted_) / wanted_.norm();
    return Eigen::Map<const Residual>(off.data());
  }
  ShapeNumbers bounded(const ShapeNumbers& shape) const { return boundedShape(spec_, shape); }
  int freedoms() const { return hasStruts(spec_.type) ? 3 : 2; }

 private:
  const StretchedLaw& law_;
  LatticeSpec spec_;
  std::size_t lattice_;
  double share_;
  Matrix6d wanted_;
  Log21 offset_;
};

Eigen::Matrix<double, 36, kShapeNumbers> slopeOf(const Misfit& misfit, const ShapeNumbers& at) {
  constexpr double kStep = 1e-4;
  Eigen::Matrix<double, 36, kShapeNumbers> out = Eigen::Matrix<double, 36, kShapeNumbers>::Zero();
  for (int n = 0; n < misfit.freedoms(); ++n) {
    ShapeNumbers low = at, high = at;
    low[n] -= kStep, high[n] += kStep;
    out.col(n) = (misfit(high) - misfit(low)) / (2 * kStep);
  }
  return out;
}

/// Shapes of a table: sides on a triangular grid, fillets in three steps where there are struts.
std::vector<ShapeNumbers> tableOf(const LatticeSpec& spec) {
  constexpr int kSteps = 6;
  std::vector<ShapeNumbers> out;
  for (int x = 0; x <= kSteps; ++x)
    for (int y = 0; y <= kSteps; ++y)
      for (int f = 0; f < (hasStruts(spec.type) ? 3 : 1); ++f)
        for (int longest = 0; longest < 3; ++longest) {
          Eigen::Vector3d sides;  // one of them the longest, the others as steps of the range below it
          sides[longest] = 0;
          sides[(longest + 1) % 3] = -std::log(kMostStretch) * x / kSteps;
          sides[(longest + 2) % 3] = -std::log(kMostStretch) * y / kSteps;
          sides.array() -= sides.mean();
          out.emplace_back(sides[0], sides[1], 0.5 * f * kMostFillet);
        }
  return out;
}

}  // namespace

Generator::Generator(learn::Weights weights)
    : weights_(std::move(weights)),
      law_(lawOf(weights_)),
      mean_(rowIn(weights_.training, "question_mean")),
      scale_(rowIn(weights_.training, "question_scale")) {
  betterMethod();
}

std::string Generator::betterMethod() const { return weights_.training.at("unseen").at("better").get<std::string>(); }

Eigen::RowVectorXd questionOf(const Log21& wanted, double share) {
  Eigen::RowVectorXd out(kQuestions);
  for (int n = 0; n < kQuestions - 1; ++n) out[n] = wanted[kOrthotropic[n]];
  out[kQuestions - 1] = std::log(share);
  return out;
}

std::vector<Proposal> Generator::propose(const Matrix6d& wanted, double share, int count) const {
  const Eigen::RowVectorXd question =
      (questionOf(logOfStiffness(wanted), share) - mean_).cwiseQuotient(scale_).cwiseMax(-6.0).cwiseMin(6.0);
  const learn::Proposals found = learn::propose(weights_.network, question);
  std::vector<Proposal> out;
  for (std::size_t lattice = 0; lattice < law_.lattices().size(); ++lattice) {
    if (share < law_.leastShares()[lattice]) continue;
    const auto place = static_cast<Eigen::Index>(lattice);
    const ShapeNumbers shape = found.mean.row(0).segment<kShapeNumbers>(place * kShapeNumbers);
    out.push_back(
        {lattice, boundedShape(law_.specOf(lattice, share), shape.cwiseProduct(kShapeScale)), found.odds(0, place)});
  }
  std::stable_sort(out.begin(), out.end(), [](const Proposal& a, const Proposal& b) { return a.odds > b.odds; });
  out.resize(std::min(out.size(), static_cast<std::size_t>(count)));
  return out;
}

std::vector<Proposal> nearestCells(const StretchedLaw& law, const Matrix6d& wanted, double share, int count) {
  std::vector<std::pair<double, Proposal>> found;
  for (std::size_t lattice = 0; lattice < law.lattices().size(); ++lattice) {
    if (share < law.leastShares()[lattice]) continue;
    std::pair<double, Proposal> best{1e300, {}};
    for (const ShapeNumbers& shape : tableOf(law.specOf(lattice, share))) {
      const double error = tensorError(stiffnessOfLog(law.at(lattice, share, shape)), wanted);
      if (error < best.first) best = {error, {lattice, shape, 0}};
    }
    found.push_back(best);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Proposal> out;
  for (const auto& [error, proposal] : found)
    if (static_cast<int>(out.size()) < count) out.push_back(proposal);
  return out;
}

Polished polish(const StretchedLaw& law, const Proposal& start, double share, const Matrix6d& wanted,
                const Log21& offset) {
  constexpr int kSteps = 40;
  constexpr double kSettled = 1e-6;
  const Misfit misfit(law, start.lattice, share, wanted, offset);
  ShapeNumbers at = misfit.bounded(start.shape);
  double error = misfit(at).norm(), damping = 1e-3;
  for (int step = 0; step < kSteps && damping < 1e6; ++step) {
    const auto slope = slopeOf(misfit, at);
    Eigen::Matrix3d square = slope.transpose() * slope;
    square.diagonal().array() += damping * (square.diagonal().maxCoeff() + 1e-12);
    const ShapeNumbers move = square.ldlt().solve(-slope.transpose() * misfit(at));
    const ShapeNumbers next = misfit.bounded(at + move);
    const double found = misfit(next).norm();
    if (found >= error) {
      damping *= 8;
      continue;
    }
    const bool is_settled = error - found < kSettled * error;
    at = next, error = found, damping = std::max(1e-7, damping / 8);
    if (is_settled) break;
  }
  return {{start.lattice, at, start.odds}, misfit.stiffness(at), error};
}

Generator readGenerator(const std::string& folder) {
  const learn::Weights any = learn::readWeights(folder, "proposal-mdn");
  return learn::fromRecord(folder, "generator", [&] {
    const auto lattices = any.training.at("lattices").get<std::vector<std::string>>().size();
    return Generator(learn::readProposals(folder, kQuestions, static_cast<int>(lattices), kShapeNumbers));
  });
}

}  // namespace osteo::design_scaffold
