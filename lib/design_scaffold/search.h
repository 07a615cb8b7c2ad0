#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "design_scaffold/goal.h"

namespace osteo::design_scaffold {

/// A design that was made stiff with a volume fraction, and what came of it.
struct Tried {
  double wanted_fraction = 0;
  nlohmann::json numbers;  ///< of the record's history
  std::vector<double> density;
  std::vector<GoalVerdict> verdicts = {};

  bool meetsAll() const;
  bool wantsMore() const;  ///< some goal that isn't met is helped by more solid
  bool wantsLess() const;
};

/// The volume fraction to try next within a range: the densest, the middle and the most porous, then halfway between
/// those that want more solid and those that want less. Nothing when goals are met, when they contradict each other, or
/// when the ends of the range already fail.
std::optional<double> nextFraction(const std::vector<Tried>& tried, double low, double high);

/// The design that goes on: of those that meet all goals the one whose stiffness is nearest to bone's, else the
/// lightest; where none does, that which misses fewest, and those by least. The place in `tried`.
std::size_t bestOf(const std::vector<Tried>& tried);

/// Places in `tried` of designs that no other betters in stiffness match, permeability, surface and mass at once, as
/// far as they have these numbers.
std::vector<std::size_t> paretoFront(const std::vector<Tried>& tried);

}  // namespace osteo::design_scaffold
