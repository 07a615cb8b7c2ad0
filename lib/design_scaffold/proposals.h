#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "design_scaffold/response.h"
#include "design_scaffold/response_surrogate.h"
#include "design_scaffold/search.h"
#include "design_scaffold/topology.h"

namespace osteo::design_scaffold {

/// What a volume fraction would come to by the network.
struct Foreseen {
  double fraction = 0;
  nlohmann::json numbers;
  nlohmann::json hopeful;   ///< at one end of the 90 % intervals of stiffness and stress
  nlohmann::json cautious;  ///< at the other
};

/// Volume fractions that a network expects to reach all goals, for the solver to judge. The network makes a design of a
/// few volume fractions (filter and optimality criteria by its own energies); between them, numbers are interpolated.
class Proposals {
 public:
  /// Weights are read from a folder. Throws Unavailable where it is absent, DataError.
  Proposals(const std::string& folder, const Goal& goal);
  /// Foresees volume fractions between two; changes the model's stiffness. Does nothing but warn where larger elements
  /// can't be held as the cases say.
  void foresee(DensityModel& model, const DesignRules& rules, const Yardstick& by, std::array<double, 2> range);

  /// The fraction to solve next: of those that meet all goals with 90 % the one that bestOf() would take, else the
  /// middle of those that are expected to; what was foreseen is corrected by what the solver found. Nothing when there
  /// is none, after three of them, or when one has met all goals.
  std::optional<double> next(const std::vector<Tried>& tried) const;
  /// What is expected of a fraction, for the record.
  nlohmann::json expected(double fraction) const;
  /// The record's block: weights, foreseen numbers, proposals against the solver.
  nlohmann::json describe(const std::vector<Tried>& tried) const;
  /// SHA-256 of the weights.
  const std::string& key() const { return key_; }

 private:
  const Goal& goal_;
  std::string key_;
  ResponseSurrogate surrogate_;
  std::vector<Foreseen> foreseen_;
  int solves_ = 0;
  Foreseen at(double fraction) const;
};

/// Whether a design came of a proposal.
bool isProposed(const Tried& tried);

}  // namespace osteo::design_scaffold
