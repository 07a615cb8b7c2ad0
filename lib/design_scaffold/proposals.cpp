#include "design_scaffold/proposals.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/execution.h"
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"
#include "design_scaffold/optimality_criteria.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;

constexpr int kFractions = 5;               // that are foreseen
constexpr int kSteps = 8, kFewerSteps = 4;  // of the first design, and of those that start from their neighbour
constexpr int kTried = 61;                  // between which the search chooses
constexpr int kMostProposals = 3;
constexpr double kClosest = 0.01;  // of volume fraction, as search.cpp
const char* const kNumbers[] = {"stiffness_ratio", "safety_factor", "peak_p98_von_mises_mpa", "max_displacement_mm",
                                "strain_window_share"};

std::string requireWeights(const std::string& folder) {
  if (!std::filesystem::exists(std::filesystem::path(folder) / "index.json"))
    throw core::Error(core::Exit::Unavailable,
                      {.what = "the weights that propose designs are absent",
                       .file = folder,
                       .hint = "train them: scripts/train_response, then --proposal-weights; or leave out "
                               "search.proposals"});
  return core::readFile(folder + "/index.json");
}

/// The network's view of one implant.
class View {
 public:
  View(DensityModel& model, const ResponseSurrogate& surrogate)
      : model_(model), surrogate_(surrogate), body_(model.model()) {
    for (const DesignCase& c : model.cases()) {
      auto own = body_.placedOf(model.stiffness(), c.conditions);
      if (own) conditions_.push_back(std::move(*own));
    }
  }
  bool isHeld() const { return conditions_.size() == model_.cases().size(); }

  void look(const std::vector<double>& density) {
    model_.setStiffness(density);
    body_.follow();
    answers_.clear();
    for (const simulate::Conditions& c : conditions_) answers_.push_back(body_.solve(c));
    guesses_ = surrogate_(body_, answers_);
  }
  /// Of the weighted compliance by the densities, as DensityModel::compliance.
  std::vector<double> derivative(const std::vector<double>& density) const {
    std::vector<double> out(density.size(), 0.0);
    const Shares& shares = model_.shares();
    for (std::size_t c = 0; c < guesses_.size(); ++c) {
      const double work = guesses_[c].work_n_mm;
      const double factor = model_.cases()[c].weight * (model_.isMoved(c) ? 1 / (work * work) : 1);
      for (std::size_t e = 0; e < out.size(); ++e) {
        const RelativeStiffness r = model_.law().relative(density[e]);
        const double open = shares.open(e), all = shares.body[e] * shares.solid[e] + open * r.value[0];
        out[e] -= factor * guesses_[c].energy_n_mm[e] * open * r.derivative[0] / all;
      }
    }
    return out;
  }
  Foreseen foreseen(double fraction, const std::vector<double>& density, const Yardstick& by) const {
    std::vector<Answered> answered;
    double work = 1, peak = 1;
    for (std::size_t c = 0; c < guesses_.size(); ++c) {
      Answered own;
      own.work_n_mm = guesses_[c].work_n_mm;
      const double stretched = guesses_[c].work_n_mm / answers_[c].work_n_mm;
      own.furthest_mm = answers_[c].furthest_mm * (model_.isMoved(c) ? 1 : stretched);
      own.strain = answers_[c].strain;
      for (std::size_t e = 0; e < own.strain.size(); ++e) own.strain[e] *= guesses_[c].strain_scale[e];
      work = std::max(work, guesses_[c].work_factor), peak = std::max(peak, guesses_[c].peak_factor);
      answered.push_back(std::move(own));
    }
    Foreseen out{fraction, numbersOf(model_, density, answered, by), {}, {}};
    out.numbers.erase("cases");
    out.hopeful = out.cautious = out.numbers;
    const auto widen = [&](const char* name, double up) {
      if (!out.numbers.contains(name)) return;
      out.hopeful[name] = out.numbers[name].get<double>() * up,
      out.cautious[name] = out.numbers[name].get<double>() / up;
    };
    widen("stiffness_ratio", work), widen("safety_factor", peak);
    widen("max_displacement_mm", 1 / work), widen("peak_p98_von_mises_mpa", 1 / peak);
    return out;
  }

 private:
  DensityModel& model_;
  const ResponseSurrogate& surrogate_;
  CoarseBody body_;
  std::vector<simulate::Conditions> conditions_;
  std::vector<CoarseAnswer> answers_;
  std::vector<ResponseGuess> guesses_;
};

/// Numbers between two designs: geometrically where both are positive.
json between(const json& a, const json& b, double t) {
  json out = a;
  for (auto& [name, value] : out.items()) {
    if (!value.is_number() || !b.contains(name)) continue;
    const double low = a[name], high = b[name];
    value = low > 0 && high > 0 ? std::exp((1 - t) * std::log(low) + t * std::log(high)) : (1 - t) * low + t * high;
  }
  return out;
}

bool isMet(const Goal& goal, const json& numbers) {
  const auto verdicts = judge(goal, numbers);
  return std::all_of(verdicts.begin(), verdicts.end(), [](const GoalVerdict& v) { return v.met; });
}

/// Multiplies what the solver was found to differ by.
json corrected(json numbers, const json& by) {
  for (const auto& [name, factor] : by.items())
    if (numbers.contains(name)) numbers[name] = numbers[name].get<double>() * factor.get<double>();
  return numbers;
}

}  // namespace

bool isProposed(const Tried& tried) { return tried.numbers.contains("expected"); }

Proposals::Proposals(const std::string& folder, const Goal& goal)
    : goal_(goal), key_(requireWeights(folder)), surrogate_(readResponse(folder)) {
  key_ = core::sha256(key_.data(), key_.size());
}

void Proposals::foresee(DensityModel& model, const DesignRules& rules, const Yardstick& by,
                        std::array<double, 2> range) {
  const auto start = std::chrono::steady_clock::now();
  core::Progress progress("volume fractions foreseen", kFractions);
  View view(model, surrogate_);
  if (!view.isHeld()) {
    core::warn("elements four times as large can't be held as the loads say: nothing is proposed");
    return;
  }
  const ElementGrid grid(model.model());
  const DensityFilter filter(grid, rules.radius_elements, rules.border);
  double open = 0;
  std::vector<double> by_volume(grid.place.size());
  for (std::size_t e = 0; e < by_volume.size(); ++e) by_volume[e] = model.shares().open(e), open += by_volume[e];
  for (double& v : by_volume) v /= open;
  by_volume = filter.transposed(by_volume);
  std::vector<double> x(by_volume.size(), range[1]);
  for (int n = 0; n < kFractions; ++n) {
    const double fraction = range[1] + (range[0] - range[1]) * n / (kFractions - 1);
    for (double& v : x) v = std::clamp(n == 0 ? fraction : v, rules.low, rules.high);
    for (int step = 0; step < (n == 0 ? kSteps : kFewerSteps); ++step) {
      const std::vector<double> density = filter.apply(x);
      view.look(density);
      solves_ += static_cast<int>(model.cases().size());
      x = nextDesign(
          x, {filter.transposed(view.derivative(density)), by_volume, fraction, rules.low, rules.high, rules.move});
    }
    const std::vector<double> density = filter.apply(x);
    view.look(density);
    solves_ += static_cast<int>(model.cases().size());
    foreseen_.push_back(view.foreseen(fraction, density, by));
    progress.advance();
  }
  std::reverse(foreseen_.begin(), foreseen_.end());
  core::noteStep("foresee_seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

Foreseen Proposals::at(double fraction) const {
  std::size_t n = 1;
  while (n + 1 < foreseen_.size() && foreseen_[n].fraction < fraction) ++n;
  const Foreseen &a = foreseen_[n - 1], &b = foreseen_[n];
  const double width = b.fraction - a.fraction,
               t = width > 0 ? std::clamp((fraction - a.fraction) / width, 0.0, 1.0) : 0;
  return {fraction, between(a.numbers, b.numbers, t), between(a.hopeful, b.hopeful, t),
          between(a.cautious, b.cautious, t)};
}

json Proposals::expected(double fraction) const {
  json out;
  const Foreseen own = at(fraction);
  for (const char* name : kNumbers)
    if (own.numbers.contains(name)) out[name] = own.numbers[name];
  return out;
}

std::optional<double> Proposals::next(const std::vector<Tried>& tried) const {
  if (foreseen_.empty()) return std::nullopt;
  json by = json::object();  // how far off the network was where the solver has looked last
  int proposed = 0;
  for (const Tried& t : tried) {
    if (!isProposed(t)) continue;
    ++proposed;
    if (t.meetsAll()) return std::nullopt;
    for (const auto& [name, value] : t.numbers["expected"].items())
      if (t.numbers.contains(name) && value.get<double>() > 0)
        by[name] = t.numbers[name].get<double>() / value.get<double>();
  }
  if (proposed >= kMostProposals) return std::nullopt;
  std::vector<Tried> safe;
  std::vector<double> likely;
  for (int n = 0; n < kTried; ++n) {
    const double low = foreseen_.front().fraction, high = foreseen_.back().fraction;
    const Foreseen own = at(low + (high - low) * n / (kTried - 1));
    if (std::any_of(tried.begin(), tried.end(),
                    [&](const Tried& t) { return std::abs(t.wanted_fraction - own.fraction) < kClosest; }))
      continue;
    const json numbers = corrected(own.numbers, by);
    if (!isMet(goal_, numbers)) continue;
    likely.push_back(own.fraction);
    if (isMet(goal_, corrected(own.hopeful, by)) && isMet(goal_, corrected(own.cautious, by)))
      safe.push_back({own.fraction, numbers, {}, judge(goal_, numbers)});
  }
  if (!safe.empty()) return safe[bestOf(safe)].wanted_fraction;
  if (likely.empty()) return std::nullopt;
  return likely[likely.size() / 2];
}

json Proposals::describe(const std::vector<Tried>& tried) const {
  json out = {{"weights_sha256", key_}, {"coarse_solves", solves_}};
  for (const Foreseen& f : foreseen_) {
    json row = {{"volume_fraction", f.fraction}};
    for (const char* name : kNumbers)
      if (f.numbers.contains(name)) row[name] = f.numbers[name];
    out["foreseen"].push_back(row);
  }
  out["proposals"] = json::array();
  int used = 0;
  bool is_met = false;
  for (std::size_t n = 0; n < tried.size(); ++n) {
    if (!isProposed(tried[n])) continue;
    ++used, is_met = is_met || tried[n].meetsAll();
    json row = {{"design", n + 1}, {"wanted_volume_fraction", tried[n].wanted_fraction}};
    for (const auto& [name, value] : tried[n].numbers["expected"].items()) {
      const double solved = tried[n].numbers[name];
      row["expected"][name] = value, row["solved"][name] = solved;
      if (solved != 0) row["error_percent"][name] = 100 * (value.get<double>() / solved - 1);
    }
    row["meets_all"] = tried[n].meetsAll();
    out["proposals"].push_back(row);
  }
  // A search without proposals takes three designs at least, unless the densest fails.
  constexpr int kPlain = 3;
  out["designs_saved_at_least"] = is_met ? std::max(0, kPlain - used) : 0;
  return out;
}

}  // namespace osteo::design_scaffold
