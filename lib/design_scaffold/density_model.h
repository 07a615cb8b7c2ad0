#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "simulate/conditions.h"
#include "simulate/solver.h"

namespace osteo::design_scaffold {

/// Entries c11, c12, c44 relative to the solid's, and their derivatives by the density.
struct RelativeStiffness {
  std::array<double, 3> value, derivative;
};

/// How a density becomes stiffness.
struct DensityLaw {
  simulate::Elastic solid;  ///< isotropic
  bool is_scalar = false;   ///< all entries alike
  std::function<RelativeStiffness(double density)> relative;
};

/// E = least + ρ^power (1 − least) of the solid's (SIMP; Bendsøe, Sigmund, Arch Appl Mech 69 (1999) 635-654).
DensityLaw simpLaw(const simulate::Elastic& solid, double power, double least);

/// What of each element lies in the body, and what of that is solid whatever the design says.
struct Shares {
  std::vector<double> body, solid;
  /// The part that the design decides on.
  double open(std::size_t e) const { return body[e] * (1 - solid[e]); }
};

/// A load case of a design.
struct DesignCase {
  simulate::Conditions conditions;
  double weight = 1;
};

/// Load cases on one mesh whose stiffness follows a density that changes again and again. Not copied: parts refer to
/// each other.
class DensityModel {
 public:
  /// Throws Config for a case that has both loads and prescribed displacements, or neither.
  DensityModel(std::unique_ptr<simulate::VoxelModel> model, DensityLaw law, Shares shares,
               std::vector<DesignCase> cases, const simulate::SolveOptions& options);
  DensityModel(const DensityModel&) = delete;
  DensityModel& operator=(const DensityModel&) = delete;

  const simulate::VoxelModel& model() const { return *model_; }
  const simulate::Operator& stiffness() const { return K_; }
  const Shares& shares() const { return shares_; }
  const std::vector<DesignCase>& cases() const { return cases_; }
  const DensityLaw& law() const { return law_; }
  /// Whether displacements drive a case, not loads.
  bool isMoved(std::size_t c) const { return is_moved_[c]; }
  /// Multiplies a case's weight.
  void weigh(std::size_t c, double factor) { cases_[c].weight *= factor; }

  /// Gives the elements their stiffness alone.
  void setStiffness(const std::vector<double>& density);
  /// Gives the elements their stiffness and solves all cases, from the displacements before.
  void solve(const std::vector<double>& density);
  /// Forgets the displacements, so that what follows does not depend on what came before.
  void forget();
  /// Of the last solve, one for each case. N mm: force times displacement.
  const std::vector<double>& works_n_mm() const { return works_; }
  const std::vector<simulate::Field>& displacements_mm() const { return u_; }
  int iterations() const { return iterations_; }

  /// Displacements under forces of their own, one for each case, held as the case is; `u` is a first guess where it has
  /// the size. Of the last solve's stiffness. Points that move freely do so without a load of their own.
  void solveAdjoint(const std::vector<simulate::Field>& forces, std::vector<simulate::Field>& u);
  /// What case c's displacements do against `other` ones through the derivative of each element's stiffness by its
  /// density, N mm.
  std::vector<double> workSlope(std::size_t c, const simulate::Field& other) const;

  /// Weighted sum of the compliances: works of loads, and the inverse of those of prescribed displacements.
  /// `derivative` by the density of each element.
  double compliance(std::vector<double>& derivative) const;

 private:
  std::unique_ptr<simulate::VoxelModel> model_;
  DensityLaw law_;
  Shares shares_;
  std::vector<DesignCase> cases_;
  std::vector<bool> is_moved_;  ///< cases of prescribed displacements
  simulate::SolveOptions options_;
  simulate::Operator K_;
  std::vector<simulate::Field> u_;
  std::vector<double> works_;
  std::vector<std::array<double, 3>> slope_;  ///< of the entries by the density, MPa
  int iterations_ = 0;

  int solveCases(const std::vector<simulate::Conditions>& cases, std::vector<simulate::Field>& u);
};

}  // namespace osteo::design_scaffold
