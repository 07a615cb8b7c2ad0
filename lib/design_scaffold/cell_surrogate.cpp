#include "design_scaffold/cell_surrogate.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/progress.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;

constexpr double kCoverage = 0.9;
constexpr int kCones = 3, kShapes = 3;  // features beside the lattices: cones; share, its logarithm, fillet

/// Outputs that belong together share their scale: the stiffness keeps its metric.
struct Group {
  const char* name;
  int first, count;
};
constexpr Group kGroups[] = {{"stiffness", 0, 21}, {"permeability", 21, 3}, {"area", 24, 1}, {"strength", 25, 3}};
constexpr int kDiagonal[] = {0, 6, 11, 15, 18, 20};  // of the 21

std::vector<double> listOf(const CellNumbers& v) { return {v.data(), v.data() + v.size()}; }

CellNumbers numbersIn(const json& document, const char* key) {
  const auto values = document.at(key).get<std::vector<double>>();
  if (values.size() != kCellNumbers) throw std::out_of_range(key);
  return Eigen::Map<const CellNumbers>(values.data());
}

enum class Part { Train, Validation, Test };
/// By rounds of all lattices, so that each has its share of every part.
Part partOf(std::size_t number, std::size_t lattices) {
  const std::size_t turn = number / lattices % 20;
  return turn % 5 == 4 ? Part::Test : turn == 2 || turn == 8 || turn == 16 ? Part::Validation : Part::Train;
}

std::vector<Cell> only(const std::vector<Cell>& cells, std::size_t lattices, Part part) {
  std::vector<Cell> out;
  for (std::size_t n = 0; n < cells.size(); ++n)
    if (partOf(n, lattices) == part) out.push_back(cells[n]);
  return out;
}

using Curves = std::vector<Eigen::MatrixXd>;
constexpr Eigen::Index kTerms = 7;
const char* const kCurves = "curves";  // the tensor's name

/// What a lattice's curve is made of.
Eigen::RowVectorXd termsOf(const LatticeSpec& spec) {
  const double l = std::log(spec.volume_fraction / 0.3), f = hasStruts(spec.type) ? spec.fillet : 0;
  Eigen::RowVectorXd out(kTerms);
  out << 1, l, l * l, l * l * l, f, f * l, f * f;
  return out;
}

std::size_t placeOf(const LatticeSpec& spec, const std::vector<std::string>& lattices) {
  const auto found = std::find(lattices.begin(), lattices.end(), latticeName(spec));
  if (found == lattices.end())
    throw core::Error(core::Exit::Config,
                      {.what = "the networks have not learnt this lattice", .got = latticeName(spec)});
  return static_cast<std::size_t>(found - lattices.begin());
}

/// The curve of each lattice by least squares, with a little weight on no curve at all.
Curves fitCurves(const std::vector<Cell>& cells, const std::vector<std::string>& lattices) {
  constexpr double kRidge = 1e-4;
  Curves out;
  for (std::size_t lattice = 0; lattice < lattices.size(); ++lattice) {
    Eigen::MatrixXd square = kRidge * Eigen::MatrixXd::Identity(kTerms, kTerms);
    Eigen::MatrixXd right = Eigen::MatrixXd::Zero(kTerms, kCellNumbers);
    for (const Cell& cell : cells) {
      if (placeOf(cell.spec, lattices) != lattice) continue;
      const Eigen::RowVectorXd terms = termsOf(cell.spec);
      square += terms.transpose() * terms;
      right += terms.transpose() * numbersOf(cell.properties).transpose();
    }
    out.emplace_back(square.ldlt().solve(right).cast<float>().cast<double>());  // as the weights keep it
  }
  return out;
}

CellNumbers curveAt(const LatticeSpec& spec, const std::vector<std::string>& lattices, const Curves& curves) {
  return (termsOf(spec) * curves[placeOf(spec, lattices)]).transpose();
}

learn::Tensor tensorOf(const Curves& curves) {
  learn::Tensor out{kCurves, {static_cast<std::int64_t>(curves.size()), kTerms, kCellNumbers}, {}};
  for (const Eigen::MatrixXd& curve : curves)
    for (Eigen::Index row = 0; row < curve.rows(); ++row)
      for (Eigen::Index column = 0; column < curve.cols(); ++column)
        out.values.push_back(static_cast<float>(curve(row, column)));
  return out;
}

Curves curvesIn(const learn::Network& network, std::size_t lattices) {
  Curves out;
  for (const learn::Tensor& tensor : network.tensors) {
    if (tensor.name != kCurves) continue;
    if (tensor.shape != std::vector<std::int64_t>{static_cast<std::int64_t>(lattices), kTerms, kCellNumbers})
      throw std::out_of_range(kCurves);
    for (std::size_t n = 0; n < lattices; ++n)
      out.emplace_back(Eigen::Map<const Eigen::Matrix<float, kTerms, kCellNumbers, Eigen::RowMajor>>(
                           tensor.values.data() + n * kTerms * kCellNumbers)
                           .cast<double>());
  }
  if (out.size() != lattices) throw std::out_of_range(kCurves);
  return out;
}

/// What the cells have beyond their curves.
Eigen::MatrixXd beyondCurves(const std::vector<Cell>& cells, const std::vector<std::string>& lattices,
                             const Curves& curves) {
  Eigen::MatrixXd out(static_cast<Eigen::Index>(cells.size()), kCellNumbers);
  for (std::size_t n = 0; n < cells.size(); ++n)
    out.row(static_cast<Eigen::Index>(n)) = numbersOf(cells[n].properties) - curveAt(cells[n].spec, lattices, curves);
  return out;
}

/// One scale a group: the largest spread of its numbers.
CellNumbers scaleOf(const Eigen::MatrixXd& beyond) {
  CellNumbers out;
  for (const Group& group : kGroups)
    out.segment(group.first, group.count)
        .setConstant(std::max(
            1e-4, beyond.middleCols(group.first, group.count).cwiseAbs2().colwise().mean().cwiseSqrt().maxCoeff()));
  return out;
}

learn::PropertyTable tableOf(const std::vector<Cell>& cells, const std::vector<std::string>& lattices,
                             const Curves& curves, const CellNumbers& scale) {
  learn::PropertyTable out{Eigen::MatrixXd(static_cast<Eigen::Index>(cells.size()),
                                           static_cast<Eigen::Index>(lattices.size()) + kShapes + kCones),
                           beyondCurves(cells, lattices, curves) * scale.cwiseInverse().asDiagonal()};
  for (std::size_t n = 0; n < cells.size(); ++n)
    out.inputs.row(static_cast<Eigen::Index>(n)) = featuresOf(cells[n].spec, lattices);
  return out;
}

/// For each lattice the solid share above which all known cells hold together.
std::vector<double> leastShares(const std::vector<Cell>& cells, const std::vector<std::string>& lattices) {
  std::vector<double> apart(lattices.size(), 0), out(lattices.size(), kMostShare);
  for (const Cell& cell : cells) {
    double& worst = apart[placeOf(cell.spec, lattices)];
    if (!holdsTogether(cell)) worst = std::max(worst, cell.spec.volume_fraction);
  }
  for (const Cell& cell : cells) {
    const std::size_t lattice = placeOf(cell.spec, lattices);
    if (apart[lattice] == 0)
      out[lattice] = kLeastShare;
    else if (cell.spec.volume_fraction > apart[lattice])
      out[lattice] = std::min(out[lattice], cell.spec.volume_fraction);
  }
  return out;
}

/// How many spreads hold the coverage's share of the errors, for each number.
CellNumbers conformalFactor(const Eigen::MatrixXd& errors, const Eigen::MatrixXd& spread) {
  CellNumbers out;
  const auto count = static_cast<std::size_t>(errors.rows());
  for (int n = 0; n < kCellNumbers; ++n) {
    std::vector<double> ratio;
    for (Eigen::Index row = 0; row < errors.rows(); ++row)
      ratio.push_back(std::abs(errors(row, n)) / std::max(1e-9, spread(row, n)));
    std::sort(ratio.begin(), ratio.end());
    const auto rank = static_cast<std::size_t>(std::ceil(kCoverage * static_cast<double>(count + 1)));
    out[n] = ratio[std::min(count, rank) - 1];
  }
  return out;
}

json summary(const std::vector<double>& errors) {
  return {{"median_percent", 100 * learn::quantile(errors, 0.5)}, {"p90_percent", 100 * learn::quantile(errors, 0.9)}};
}

std::vector<LatticeSpec> specsOf(const std::vector<Cell>& cells) {
  std::vector<LatticeSpec> out;
  for (const Cell& cell : cells) out.push_back(cell.spec);
  return out;
}

json judge(const CellSurrogate& surrogate, const std::vector<Cell>& unseen) {
  std::vector<CellSurrogate::Guess> guesses;
  {
    const core::Progress progress("unseen cells asked of the networks", static_cast<std::int64_t>(unseen.size()));
    guesses = surrogate(specsOf(unseen));
  }
  std::vector<double> tensor, coarse;
  std::map<std::string, std::vector<double>> errors;
  std::map<std::string, std::pair<double, double>> held;
  for (std::size_t c = 0; c < unseen.size(); ++c) {
    const CellProperties& truth = unseen[c].properties;
    tensor.push_back(tensorError(guesses[c].mean.stiffness, truth.stiffness));
    coarse.push_back(tensorError(truth.coarse_stiffness, truth.stiffness));
    const CellNumbers off = numbersOf(truth) - guesses[c].numbers;
    for (const Group& group : kGroups) {
      const bool is_tensor = group.first == 0;
      for (int n = 0; n < (is_tensor ? 6 : group.count); ++n) {
        const int at = is_tensor ? kDiagonal[n] : group.first + n;
        held[group.name].first += std::abs(off[at]) <= guesses[c].half_width[at] ? 1 : 0;
        held[group.name].second += 1;
        if (!is_tensor) errors[group.name].push_back(std::abs(std::expm1(-off[at])));
      }
    }
  }
  json out = {{"cells", unseen.size()}, {"tensor_error", summary(tensor)}};
  out["four_times_coarser_homogenisation_tensor_error"] = summary(coarse);
  for (const auto& [name, values] : errors) out[name + "_error"] = summary(values);
  for (const auto& [name, share] : held) out["coverage_of_90_percent"][name] = share.first / share.second;
  return out;
}

}  // namespace

CellNumbers numbersOf(const CellProperties& p) {
  constexpr double kLeast = 1e-9;  // what lets nothing through stays finite
  CellNumbers out;
  out.head<21>() = logOfStiffness(p.stiffness);
  out.segment<3>(21) = p.permeability.cwiseMax(kLeast).array().log();
  out[24] = std::log(p.area);
  out.tail<3>() = p.strength.cwiseMax(kLeast).array().log();
  return out;
}

CellProperties propertiesOf(const CellNumbers& n) {
  CellProperties out;
  out.stiffness = out.coarse_stiffness = stiffnessOfLog(n.head<21>());
  out.permeability = n.segment<3>(21).array().exp();
  out.area = std::exp(n[24]);
  out.strength = n.tail<3>().array().exp();
  return out;
}

bool holdsTogether(const Cell& cell) {
  // A tenth of what the softest of usual cells have; those that have fallen apart have a thousandth.
  constexpr double kLeast = 0.1;
  return cell.properties.stiffness.diagonal().head<3>().minCoeff() > kLeast * std::pow(cell.spec.volume_fraction, 2);
}

Eigen::VectorXd featuresOf(const LatticeSpec& spec, const std::vector<std::string>& lattices) {
  const std::size_t place = placeOf(spec, lattices);
  const auto count = static_cast<Eigen::Index>(lattices.size());
  Eigen::VectorXd out = Eigen::VectorXd::Zero(count + kShapes + kCones);
  out[static_cast<Eigen::Index>(place)] = 1;
  out[count] = 4 * (spec.volume_fraction - 0.5 * (kLeastShare + kMostShare));
  out[count + 1] = std::log(spec.volume_fraction) + 1;
  if (hasStruts(spec.type)) out[count + 2] = spec.fillet / kMostFillet;
  if (spec.type == LatticeType::Spinodoid) out.tail<3>() = spec.cone_deg / 90;
  return out;
}

CellSurrogate::CellSurrogate(learn::Weights weights) : weights_(std::move(weights)) {
  const json& training = weights_.training;
  lattices_ = training.at("lattices").get<std::vector<std::string>>();
  curves_ = curvesIn(weights_.network, lattices_.size());
  if (training.at("least_solid_share").size() != lattices_.size()) throw std::out_of_range("least_solid_share");
  scale_ = numbersIn(training, "scale");
  factor_ = numbersIn(training, "interval_factor");
}

double CellSurrogate::leastShare(const std::string& lattice) const {
  const std::size_t place = placeOf(latticeSpecNamed(lattice), lattices_);
  return weights_.training.at("least_solid_share").at(place).get<double>();
}

std::vector<CellSurrogate::Guess> CellSurrogate::operator()(const std::vector<LatticeSpec>& cells) const {
  Eigen::MatrixXd inputs(static_cast<Eigen::Index>(cells.size()),
                         static_cast<Eigen::Index>(lattices_.size()) + kShapes + kCones);
  for (std::size_t n = 0; n < cells.size(); ++n)
    inputs.row(static_cast<Eigen::Index>(n)) = featuresOf(cells[n], lattices_);
  const learn::PropertyPrediction found = learn::predictProperties(weights_.network, inputs);
  std::vector<Guess> out;
  for (Eigen::Index n = 0; n < inputs.rows(); ++n) {
    const CellNumbers mean = found.mean.row(n), spread = found.spread.row(n);
    const CellNumbers numbers =
        curveAt(cells[static_cast<std::size_t>(n)], lattices_, curves_) + scale_.cwiseProduct(mean);
    out.push_back({propertiesOf(numbers), numbers, factor_.cwiseProduct(scale_).cwiseProduct(spread)});
  }
  return out;
}

CellSurrogate readSurrogate(const std::string& folder) {
  const learn::Weights any = learn::readWeights(folder, "property-mlp");
  return learn::fromRecord(folder, "surrogate", [&] {
    const auto lattices = any.training.at("lattices").get<std::vector<std::string>>().size();
    return CellSurrogate(learn::readProperties(folder, static_cast<int>(lattices) + kShapes + kCones, kCellNumbers));
  });
}

void requireEnoughCells(const CellTableRecipe& recipe) {
  const std::size_t least = 5 * recipe.lattices.size();
  if (static_cast<std::size_t>(recipe.cells) < least)
    throw core::Error(core::Exit::Config, {.what = "too few cells for so many lattices",
                                           .expected = std::to_string(least) + " cells, 5 of each lattice",
                                           .got = std::to_string(recipe.cells)});
}

SurrogateTrained trainSurrogate(const std::vector<Cell>& cells, const CellTableRecipe& recipe,
                                const learn::PropertyTraining& training) {
  requireEnoughCells(recipe);
  const std::size_t lattices = recipe.lattices.size();
  std::vector<Cell> known = only(cells, lattices, Part::Train), choosing = only(cells, lattices, Part::Validation),
                    unseen = only(cells, lattices, Part::Test);
  const std::vector<double> least = leastShares(known, recipe.lattices);
  std::size_t left_out = 0;
  for (std::vector<Cell>* part : {&known, &choosing, &unseen})
    left_out += std::erase_if(*part, [&](const Cell& cell) {
      return cell.spec.volume_fraction < least[placeOf(cell.spec, recipe.lattices)];
    });
  const Curves curves = fitCurves(known, recipe.lattices);
  const CellNumbers scale = scaleOf(beyondCurves(known, recipe.lattices, curves));
  const learn::PropertyTable validation = tableOf(choosing, recipe.lattices, curves, scale);
  learn::PropertyTrained trained =
      learn::trainProperties(tableOf(known, recipe.lattices, curves, scale), validation, training);
  const learn::PropertyPrediction found = learn::predictProperties(trained.network, validation.inputs);
  SurrogateTrained out;
  out.curve = trained.curve;
  out.weights.network = std::move(trained.network);
  out.weights.network.tensors.push_back(tensorOf(curves));
  out.weights.training = {
      {"data", "cells resolved by lib/design_scaffold/cell.h"},
      {"lattices", recipe.lattices},
      {"elements", recipe.elements},
      {"poisson", recipe.poisson},
      {"cells", {{"train", known.size()}, {"validation", choosing.size()}, {"test", unseen.size()}}},
      {"solid_share", {kLeastShare, kMostShare}},
      {"steps", training.loop.steps},
      {"batch", training.loop.batch},
      {"rate", training.loop.rate},
      {"seed", training.loop.seed},
      {"cells_left_out", left_out},
      {"least_solid_share", least},
      {"scale", listOf(scale)}};
  out.weights.training["interval_factor"] = listOf(conformalFactor(found.mean - validation.targets, found.spread));
  out.weights.training["unseen"] = judge(CellSurrogate(out.weights), unseen);
  return out;
}

}  // namespace osteo::design_scaffold
