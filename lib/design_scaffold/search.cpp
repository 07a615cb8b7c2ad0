#include "design_scaffold/search.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace osteo::design_scaffold {
namespace {

constexpr double kClosest = 0.01;  // of volume fraction; nearer to each other designs tell nothing new
constexpr int kNumbers = 4;

/// What the front is of, less being better.
std::array<double, kNumbers> burdens(const Tried& t) {
  const auto number = [&](const char* name) { return t.numbers.contains(name) ? t.numbers[name].get<double>() : 0.0; };
  const double ratio = number("stiffness_ratio");
  return {ratio > 0 ? std::abs(std::log(ratio)) : 0, -number("permeability_m2"), -number("surface_area_mm2"),
          number("mass_g")};
}

bool betters(const Tried& a, const Tried& b) {
  const auto x = burdens(a), y = burdens(b);
  bool is_better = false;
  for (std::size_t n = 0; n < kNumbers; ++n) {
    if (x[n] > y[n]) return false;
    is_better = is_better || x[n] < y[n];
  }
  return is_better;
}

}  // namespace

bool Tried::meetsAll() const {
  return std::all_of(verdicts.begin(), verdicts.end(), [](const GoalVerdict& v) { return v.met; });
}
bool Tried::wantsMore() const {
  return std::any_of(verdicts.begin(), verdicts.end(), [](const GoalVerdict& v) { return !v.met && v.more > 0; });
}
bool Tried::wantsLess() const {
  return std::any_of(verdicts.begin(), verdicts.end(), [](const GoalVerdict& v) { return !v.met && v.more < 0; });
}

std::optional<double> nextFraction(const std::vector<Tried>& tried, double low, double high) {
  if (tried.empty()) return high;
  if (high - low < kClosest || tried[0].wantsMore()) return std::nullopt;
  if (tried.size() == 1) return 0.5 * (low + high);
  if (tried.size() == 2) return low;
  double more = -1, less = 2;
  for (const Tried& t : tried) {
    if (t.meetsAll()) return std::nullopt;
    if (t.wantsMore()) more = std::max(more, t.wanted_fraction);
    if (t.wantsLess()) less = std::min(less, t.wanted_fraction);
  }
  if (more < 0 || less > 1 || less - more < kClosest) return std::nullopt;
  return 0.5 * (more + less);
}

std::size_t bestOf(const std::vector<Tried>& tried) {
  const auto rank = [](const Tried& t) {
    double missed = 0, missing = 0;
    for (const GoalVerdict& v : t.verdicts)
      if (!v.met) ++missed, missing += v.missing;
    const auto own = burdens(t);
    const double match = t.numbers.contains("stiffness_ratio") ? own[0] : own[3];
    return std::array<double, 3>{missed, missing, match};
  };
  return static_cast<std::size_t>(
      std::min_element(tried.begin(), tried.end(), [&](const Tried& a, const Tried& b) { return rank(a) < rank(b); }) -
      tried.begin());
}

std::vector<std::size_t> paretoFront(const std::vector<Tried>& tried) {
  std::vector<std::size_t> front;
  for (std::size_t n = 0; n < tried.size(); ++n)
    if (std::none_of(tried.begin(), tried.end(), [&](const Tried& other) { return betters(other, tried[n]); }))
      front.push_back(n);
  return front;
}

}  // namespace osteo::design_scaffold
