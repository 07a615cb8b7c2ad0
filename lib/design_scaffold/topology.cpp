#include "design_scaffold/topology.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "design_scaffold/optimality_criteria.h"

namespace osteo::design_scaffold {

Topology::Topology(DensityModel& model, const DesignRules& rules, double volume_fraction)
    : model_(model),
      rules_(rules),
      grid_(model.model()),
      filter_(grid_, rules.radius_elements, rules.border),
      asymptotes_({rules.low, rules.high, rules.move}),
      x_(grid_.place.size(), std::clamp(volume_fraction, rules.low, rules.high)) {
  if (rules.overhang) overhang_.emplace(grid_, rules.overhang->axis, rules.overhang->up);
  for (std::size_t e = 0; e < x_.size(); ++e) open_ += model.shares().open(e);
}

double sharpnessAt(int step, int steps) {
  constexpr double kSharpest = 16, kReachedAt = 0.75;
  return std::min(kSharpest, std::pow(kSharpest, step / (kReachedAt * steps)));
}

Heaviside Topology::projection(Made made) const {
  const double shift = made == Made::Eroded ? rules_.margin : made == Made::Dilated ? -rules_.margin : 0;
  return {sharpness_, threshold_ + shift};
}

std::vector<double> Topology::densities(Made made) const {
  std::vector<double> density = filter_.apply(x_);
  if (rules_.is_projected) {
    const Heaviside step = projection(made);
    for (double& d : density) d = step(d);
  }
  return overhang_ ? overhang_->apply(density) : density;
}

std::vector<double> Topology::transposed(const std::vector<double>& derivative, Made made) const {
  std::vector<double> out = derivative;
  if (!rules_.is_projected && !overhang_) return filter_.transposed(out);
  std::vector<double> density = filter_.apply(x_), filtered = density;
  const Heaviside step = projection(made);
  if (rules_.is_projected)
    for (double& d : density) d = step(d);
  if (overhang_) out = overhang_->transposed(density, out);
  if (rules_.is_projected)
    for (std::size_t e = 0; e < out.size(); ++e) out[e] *= step.derivative(filtered[e]);
  return filter_.transposed(out);
}

double Topology::volumeFraction(const std::vector<double>& density) const {
  double sum = 0;
  for (std::size_t e = 0; e < density.size(); ++e) sum += model_.shares().open(e) * density[e];
  return open_ > 0 ? sum / open_ : 0;
}

void Topology::settle(double volume_fraction) {
  if (!rules_.is_projected) return;
  double low = 0.3, high = 0.7;  // the higher, the less is solid
  for (int k = 0; k < 30; ++k) {
    threshold_ = 0.5 * (low + high);
    (volumeFraction(Made::Nominal) > volume_fraction ? low : high) = threshold_;
  }
}

std::vector<double> Topology::limited(const std::vector<double>& derivative, Constraint volume) {
  // More at once than a step can give leaves the objective without a say, and members break. The logarithm of a stress.
  constexpr double kAtOnce = 0.1;
  std::vector<Constraint> all;
  all.push_back(std::move(volume));
  const std::vector<double> density = limits_.empty() ? std::vector<double>() : densities();
  if (!limits_.empty() && rules_.is_projected) model_.solve(density);
  for (const Limit& limit : limits_)
    for (Constraint& own : limit(model_, density)) {
      own.value = std::min(own.value, kAtOnce);
      own.derivative = transposed(own.derivative, Made::Nominal);
      all.push_back(std::move(own));
    }
  return asymptotes_.next(x_, derivative, all);
}

Topology::Step Topology::advance(double volume_fraction) {
  const Made stiff = rules_.is_projected ? Made::Eroded : Made::Nominal;
  const Made large = rules_.is_projected ? Made::Dilated : Made::Nominal;
  model_.solve(densities(stiff));
  Step step;
  std::vector<double> derivative;
  step.compliance_n_mm = model_.compliance(derivative);
  step.solver_iterations = model_.iterations();
  step.volume_fraction = volumeFraction(Made::Nominal);
  derivative = transposed(derivative, stiff);
  std::vector<double> by_volume(x_.size());
  for (std::size_t e = 0; e < x_.size(); ++e) by_volume[e] = model_.shares().open(e) / open_;
  by_volume = transposed(by_volume, large);
  // The bound is on the nominal design; the dilated one, which stands in for it, gets the same share more.
  const double now = volumeFraction(large);
  const double bound = step.volume_fraction > 0 ? volume_fraction * now / step.volume_fraction : volume_fraction;
  double linear = 0;
  for (std::size_t e = 0; e < x_.size(); ++e) linear += by_volume[e] * x_[e];
  std::vector<double> next =
      rules_.by_asymptotes
          ? limited(derivative, {now - bound, by_volume})
          : nextDesign(x_, {derivative, by_volume, linear + bound - now, rules_.low, rules_.high, rules_.move});
  for (std::size_t e = 0; e < x_.size(); ++e) step.change = std::max(step.change, std::abs(next[e] - x_[e]));
  x_ = std::move(next);
  return step;
}

}  // namespace osteo::design_scaffold
