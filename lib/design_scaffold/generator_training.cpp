#include "design_scaffold/generator_training.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/progress.h"
#include "core/random.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::MatrixXd;
using Eigen::RowVectorXd;
using nlohmann::json;

constexpr double kNoise = 0.02;  // of each number of the logarithm; the law is off by about as much
constexpr int kAsked = 8;        // proposals that are polished

/// By rounds of all lattices, so that each has its share of every part.
bool isJudge(std::size_t number, std::size_t lattices) { return number / lattices % 5 == 4; }
bool choosesStep(std::size_t number, std::size_t lattices) {
  const std::size_t turn = number / lattices % 20;
  return turn == 2 || turn == 8 || turn == 16;
}

/// Pairs of cells and what the law says of them.
class Source {
 public:
  Source(const StretchedLaw& law, std::uint64_t seed, std::int64_t batch)
      : law_(law), random_(seed, 99), batch_(batch) {}

  /// Questions not yet scaled.
  learn::ProposalTable operator()(std::int64_t step) const {
    learn::ProposalTable out;
    out.values.resize(batch_, kShapeNumbers);
    for (std::int64_t b = 0; b < batch_; ++b) {
      const auto base = static_cast<std::uint64_t>((step * batch_ + b) * 64);
      const auto count = static_cast<double>(law_.lattices().size());
      const auto lattice = static_cast<std::size_t>(random_.uniform(base) * count);
      const double least = law_.leastShares()[lattice];
      const double share = least + (kMostShare - least) * random_.uniform(base + 1);
      const LatticeSpec spec = law_.specOf(lattice, share);
      Eigen::Vector3d sides(random_.uniform(base + 2), random_.uniform(base + 3), random_.uniform(base + 4));
      sides = std::log(kMostStretch) * (sides.array() - sides.mean());
      const ShapeNumbers shape = boundedShape(spec, {sides[0], sides[1], kMostFillet * random_.uniform(base + 5)});
      Log21 log = law_.at(lattice, share, shape);
      for (int n = 0; n < 21; ++n) log[n] += kNoise * random_.normal(base / 2 + 8 + static_cast<std::uint64_t>(n));
      add(out, b, log, share);
      out.classes.push_back(static_cast<int>(lattice));
      out.values.row(b) = shape.cwiseQuotient(kShapeScale);
    }
    return out;
  }

 private:
  void add(learn::ProposalTable& out, std::int64_t row, const Log21& log, double share) const {
    const RowVectorXd question = questionOf(log, share);
    if (out.inputs.size() == 0) out.inputs.resize(batch_, question.size());
    out.inputs.row(row) = question;
  }
  const StretchedLaw& law_;
  core::Random random_;
  std::int64_t batch_;
};

/// Mean and spread that questions are brought to the order of one by.
struct Scaling {
  RowVectorXd mean, scale;
  explicit Scaling(const MatrixXd& questions)
      : mean(questions.colwise().mean()),
        scale(((questions.rowwise() - mean).cwiseAbs2().colwise().mean()).cwiseSqrt().cwiseMax(1e-3)) {}
  void apply(MatrixXd& questions) const {
    questions = ((questions.rowwise() - mean).array().rowwise() / scale.array()).matrix().eval();
  }
};

learn::ProposalTable tableOf(const std::vector<SolvedCell>& cells, const std::vector<std::string>& lattices,
                             const Scaling& scaling) {
  learn::ProposalTable out;
  out.values.resize(static_cast<Eigen::Index>(cells.size()), kShapeNumbers);
  out.inputs.resize(static_cast<Eigen::Index>(cells.size()), scaling.mean.size());
  for (std::size_t n = 0; n < cells.size(); ++n) {
    const auto row = static_cast<Eigen::Index>(n);
    out.inputs.row(row) = questionOf(logOfStiffness(cells[n].stiffness), cells[n].cell.spec.volume_fraction);
    out.classes.push_back(static_cast<int>(latticePlace(cells[n].cell.spec, lattices)));
    out.values.row(row) = shapeOf(cells[n].cell).cwiseQuotient(kShapeScale);
  }
  scaling.apply(out.inputs);
  return out;
}

json summary(const std::vector<double>& errors) {
  return {{"median_percent", 100 * learn::quantile(errors, 0.5)}, {"p90_percent", 100 * learn::quantile(errors, 0.9)}};
}

double bestError(const StretchedLaw& law, const std::vector<Proposal>& proposals, const SolvedCell& truth) {
  double best = 1e300;
  for (const Proposal& proposal : proposals)
    best = std::min(best, polish(law, proposal, truth.cell.spec.volume_fraction, truth.stiffness).error);
  return best;
}

json judge(const Generator& generator, const std::vector<SolvedCell>& unseen) {
  const StretchedLaw& law = generator.law();
  std::vector<double> law_error, raw, network, table;
  double first = 0, asked = 0;
  core::Progress progress("unseen cells asked for", static_cast<std::int64_t>(unseen.size()));
  for (const SolvedCell& truth : unseen) {
    const std::size_t lattice = latticePlace(truth.cell.spec, law.lattices());
    const double share = truth.cell.spec.volume_fraction;
    law_error.push_back(tensorError(stiffnessOfLog(law.at(lattice, share, shapeOf(truth.cell))), truth.stiffness));
    const std::vector<Proposal> proposals = generator.propose(truth.stiffness, share, kAsked);
    const Proposal& likeliest = proposals.front();
    raw.push_back(tensorError(stiffnessOfLog(law.at(likeliest.lattice, share, likeliest.shape)), truth.stiffness));
    for (std::size_t n = 0; n < proposals.size(); ++n) {
      if (proposals[n].lattice != lattice) continue;
      first += n == 0 ? 1 : 0;
      asked += 1;
    }
    network.push_back(bestError(law, proposals, truth));
    table.push_back(bestError(law, nearestCells(law, truth.stiffness, share, kAsked), truth));
    progress.advance();
  }
  const auto count = static_cast<double>(std::max<std::size_t>(1, unseen.size()));
  json out = {{"cells", unseen.size()},
              {"law_tensor_error", summary(law_error)},
              {"lattice_named_first", first / count},
              {"lattice_among_eight", asked / count},
              {"generator_unpolished_tensor_error", summary(raw)},
              {"generator_polished_tensor_error", summary(network)},
              {"classical_polished_tensor_error", summary(table)}};
  out["better"] = learn::quantile(network, 0.5) < learn::quantile(table, 0.5) &&
                          learn::quantile(network, 0.9) <= learn::quantile(table, 0.9)
                      ? "generator"
                      : "classical";
  return out;
}

std::vector<double> listOf(const RowVectorXd& v) { return {v.data(), v.data() + v.size()}; }

}  // namespace

void requireEnoughStretchedCells(const CellTableRecipe& recipe) {
  const std::size_t least = 20 * recipe.lattices.size();
  if (static_cast<std::size_t>(recipe.cells) < least)
    throw core::Error(core::Exit::Config, {.what = "too few cells for so many lattices",
                                           .expected = std::to_string(least) + " cells, 20 of each lattice",
                                           .got = std::to_string(recipe.cells)});
}

GeneratorTrained trainGenerator(const std::vector<SolvedCell>& cells, const CellTableRecipe& recipe,
                                const learn::ProposalTraining& training) {
  requireEnoughStretchedCells(recipe);
  std::vector<SolvedCell> known, choosing, unseen;
  for (std::size_t n = 0; n < cells.size(); ++n) {
    (isJudge(n, recipe.lattices.size()) ? unseen : known).push_back(cells[n]);
    if (choosesStep(n, recipe.lattices.size())) choosing.push_back(cells[n]);
  }
  const StretchedLaw law = StretchedLaw::fitted(recipe.lattices, known);
  std::size_t left_out = 0;
  for (std::vector<SolvedCell>* part : {&known, &choosing, &unseen}) {
    const std::size_t gone = std::erase_if(*part, [&](const SolvedCell& cell) {
      return cell.cell.spec.volume_fraction < law.leastShares()[latticePlace(cell.cell.spec, recipe.lattices)];
    });
    left_out += part == &choosing ? 0 : gone;
  }
  const Source source(law, training.loop.seed, training.loop.batch);
  const Scaling scaling(Source(law, training.loop.seed + 1, 4096)(0).inputs);
  const auto examples = [&](std::int64_t step) {
    learn::ProposalTable table = source(step);
    scaling.apply(table.inputs);
    return table;
  };
  learn::ProposalTrained trained = learn::trainProposals(examples, tableOf(choosing, recipe.lattices, scaling),
                                                         static_cast<int>(recipe.lattices.size()), training);
  GeneratorTrained out;
  out.curve = trained.curve;
  out.weights.network = std::move(trained.network);
  out.weights.network.tensors.push_back(law.tensor());
  out.weights.training = {
      {"data", "stretched cells solved by lib/design_scaffold/cell.h, and pairs that a law of them makes"},
      {"lattices", recipe.lattices},
      {"elements", recipe.elements},
      {"poisson", recipe.poisson},
      {"cells", {{"law", known.size()}, {"validation", choosing.size()}, {"test", unseen.size()}}},
      {"cells_left_out", left_out},
      {"solid_share", {kLeastShare, kMostShare}},
      {"most_stretch", kMostStretch},
      {"least_solid_share", law.leastShares()},
      {"steps", training.loop.steps},
      {"batch", training.loop.batch},
      {"rate", training.loop.rate},
      {"seed", training.loop.seed},
      {"question_mean", listOf(scaling.mean)},
      {"question_scale", listOf(scaling.scale)},
      {"unseen", {{"better", "classical"}}}};
  out.weights.training["unseen"] = judge(Generator(out.weights), unseen);
  return out;
}

}  // namespace osteo::design_scaffold
