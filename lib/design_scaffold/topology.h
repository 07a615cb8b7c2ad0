#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "design_scaffold/density_filter.h"
#include "design_scaffold/density_model.h"
#include "design_scaffold/heaviside.h"
#include "design_scaffold/moving_asymptotes.h"
#include "design_scaffold/overhang_filter.h"

namespace osteo::design_scaffold {

/// The direction in which a part is printed: +axis or −axis.
struct BuildDirection {
  int axis = 2;
  bool up = true;
};

/// How a design is kept makeable.
struct DesignRules {
  double radius_elements = 1.8;  ///< of the density filter
  Border border = Border::Nothing;
  double low = 0, high = 1;                     ///< of the density
  double move = 0.2;                            ///< largest change of a variable in one step
  bool is_projected = false;                    ///< towards 0 and 1
  double margin = 0.2;                          ///< of the thresholds of the eroded and the dilated design around 0.5
  std::optional<BuildDirection> overhang = {};  ///< for which faces are 45° or steeper
  bool by_asymptotes = false;                   ///< moving asymptotes take the steps, not optimality criteria
};

/// Sharpness of the projection in a step of so many: rises evenly in its logarithm from 1 to 16, and stays for the last
/// quarter. Doublings break members that the eroded design has just made.
double sharpnessAt(int step, int steps);

/// The stiffest distribution of a given volume, step by step: filter, projection and overhang filter turn the variables
/// into densities; optimality criteria or moving asymptotes take the steps. With projection it is the eroded design
/// that is made stiff, and the nominal one that has the volume, so that members and gaps survive being made too thin or
/// too thick.
class Topology {
 public:
  /// Starts with the same density everywhere.
  Topology(DensityModel& model, const DesignRules& rules, double volume_fraction);
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  struct Step {
    double compliance_n_mm = 0;  ///< weighted, of the design before the step
    double volume_fraction = 0;  ///< of that design, of what it decides on
    double change = 0;           ///< largest of a variable in the step
    int solver_iterations = 0;
  };
  /// Solves the design and takes a step towards a volume fraction.
  Step advance(double volume_fraction);
  /// What has to stay at 0 or below beside the volume, of the nominal design's densities and by them, as a logarithm: a
  /// step asks for a tenth less at most; with moving asymptotes only.
  using Limit = std::function<std::vector<Constraint>(DensityModel& model, const std::vector<double>& density)>;
  void limit(Limit limit) { limits_.push_back(std::move(limit)); }

  /// Sharpness of the projection; of no effect without one.
  void sharpen(double sharpness) { sharpness_ = sharpness; }
  double sharpness() const { return sharpness_; }
  /// Moves the projection's threshold, between 0.3 and 0.7, to where the nominal design has the volume: sharpening and
  /// the filters after it leave the last step's a few per cent off. Of no effect without a projection.
  void settle(double volume_fraction);

  enum class Made { Nominal, Eroded, Dilated };
  /// The densities of the design as it is made.
  std::vector<double> densities(Made made = Made::Nominal) const;
  double volumeFraction(Made made = Made::Nominal) const { return volumeFraction(densities(made)); }
  double volumeFraction(const std::vector<double>& density) const;

  const std::vector<double>& variables() const { return x_; }
  void setVariables(std::vector<double> x) { x_ = std::move(x); }
  const ElementGrid& grid() const { return grid_; }

 private:
  DensityModel& model_;
  DesignRules rules_;
  ElementGrid grid_;
  DensityFilter filter_;
  std::optional<OverhangFilter> overhang_;
  MovingAsymptotes asymptotes_;
  std::vector<Limit> limits_;
  std::vector<double> x_;
  double sharpness_ = 1, threshold_ = 0.5, open_ = 0;

  Heaviside projection(Made made) const;
  /// The step that stays within the volume and all limits.
  std::vector<double> limited(const std::vector<double>& derivative, Constraint volume);
  /// The derivative by the variables of what has the given one by the densities.
  std::vector<double> transposed(const std::vector<double>& derivative, Made made) const;
};

}  // namespace osteo::design_scaffold
