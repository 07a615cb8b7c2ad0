#include "design_scaffold/design_limits.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simulate/brick.h"

namespace osteo::design_scaffold {
namespace {

using simulate::Vector6d;

constexpr double kPower = 10;
constexpr double kDamped = 0.5;  // of the steering, which follows the design

/// Nodal forces that do to displacements what a stress-like vector does to the element's strain at its centre.
void scatter(const Vector6d& by_strain, const std::array<std::int64_t, 8>& nodes, const Eigen::Vector3d& size_mm,
             std::int64_t stride, simulate::Field& out) {
  const Vector6d& s = by_strain;
  for (std::size_t a = 0; a < 8; ++a) {
    Eigen::Vector3d g;
    for (int axis = 0; axis < 3; ++axis) g[axis] = (a >> axis & 1 ? 0.25 : -0.25) / size_mm[axis];
    const auto n = static_cast<std::size_t>(nodes[a]), step = static_cast<std::size_t>(stride);
    out[n] += s[0] * g[0] + s[5] * g[1] + s[4] * g[2];
    out[step + n] += s[1] * g[1] + s[5] * g[0] + s[3] * g[2];
    out[2 * step + n] += s[2] * g[2] + s[3] * g[1] + s[4] * g[0];
  }
}

}  // namespace

StressNorm stressNorm(const DensityModel& model, std::size_t c, const std::vector<double>& density, const Yardstick& by,
                      double most_mpa) {
  const simulate::VoxelModel& mesh = model.model();
  const auto& u = model.displacements_mm()[c];
  StressNorm out{0, std::vector<double>(density.size(), 0.0), model.stiffness().zeros()};
  std::vector<std::array<std::int64_t, 8>> nodes_of(density.size());
  std::vector<Vector6d> along(density.size(), Vector6d::Zero());
  double sum = 0, weights = 0;
  simulate::forEachElement(mesh, [&](std::int64_t n, int, int, int, const auto& nodes) {
    const auto e = static_cast<std::size_t>(n);
    if (!countsForPeak(model.shares(), e)) return;
    const StressForm form = stressForm(by, model.shares(), e, density[e]);
    const Vector6d strain = simulate::centreStrain(u.data(), model.stiffness().stride(), nodes, mesh.frame.spacing_mm);
    const auto parts = strainParts(strain);
    const double weight = model.shares().body[e], square = weighed(form.value, parts);
    weights += weight;
    if (!(square > 0)) return;
    const double power = weight * std::pow(square / (most_mpa * most_mpa), 0.5 * kPower);
    sum += power;
    // Half of the derivative of the logarithm of the square, weighed by what the element is of the whole.
    out.by_density[e] = 0.5 * power * weighed(form.derivative, parts) / square;
    along[e] = 0.5 * power / square * byStrain(form, strain);
    nodes_of[e] = nodes;
  });
  if (!(sum > 0)) return out;
  out.value = std::pow(sum / weights, 1 / kPower);
  for (std::size_t e = 0; e < density.size(); ++e) {
    out.by_density[e] /= sum;
    if (!along[e].isZero(0))
      scatter(along[e] / sum, nodes_of[e], mesh.frame.spacing_mm, model.stiffness().stride(), out.by_displacement);
  }
  return out;
}

StressLimit::StressLimit(const Yardstick& by, double most_mpa)
    : by_(by), most_mpa_(most_mpa), cases_(by.cases.size()) {}

std::vector<Constraint> StressLimit::operator()(DensityModel& model, const std::vector<double>& density) {
  std::vector<Constraint> out;
  std::vector<simulate::Field> forces, fields;
  for (std::size_t c = 0; c < cases_.size(); ++c) {
    StressNorm norm = stressNorm(model, c, density, by_, most_mpa_);
    const double peak = peakStress_mpa(model, density, c, by_) / most_mpa_;
    if (!(norm.value > 0 && peak > 0)) {
      out.push_back({-1, std::move(norm.by_density)});
    } else {
      double& steering = cases_[c].steering;
      steering = steering > 0 ? kDamped * peak / norm.value + (1 - kDamped) * steering : peak / norm.value;
      out.push_back({std::log(steering * norm.value), std::move(norm.by_density)});
    }
    forces.push_back(std::move(norm.by_displacement));
    fields.push_back(std::move(cases_[c].field));
  }
  model.solveAdjoint(forces, fields);
  for (std::size_t c = 0; c < cases_.size(); ++c) {
    const std::vector<double> softened = model.workSlope(c, fields[c]);
    for (std::size_t e = 0; e < softened.size(); ++e) out[c].derivative[e] -= softened[e];
    cases_[c].field = std::move(fields[c]);
  }
  return out;
}

std::vector<Constraint> stiffnessLimit(const DensityModel& model, const Yardstick& by, double most) {
  const double share = 1 / static_cast<double>(by.cases.size());
  Constraint out{-std::log(most), std::vector<double>(model.shares().body.size(), 0.0)};
  for (std::size_t c = 0; c < by.cases.size(); ++c) {
    out.value += share * std::log(stiffnessRatio(model, by, c));
    const std::vector<double> slope = model.workSlope(c, model.displacements_mm()[c]);
    for (std::size_t e = 0; e < slope.size(); ++e) out.derivative[e] += share * slope[e] / model.works_n_mm()[c];
  }
  return {out};
}

void limitBy(const Goal& goal, const Yardstick& by, Topology& topology) {
  constexpr double kAim = 0.99;  // of a bound: the last step and what settles the volume after it end a little beside
  double most = goal.of("peak_p98_von_mises_mpa").max.value_or(std::numeric_limits<double>::infinity());
  if (const Bounds safety = goal.of("safety_factor"); safety.min && by.solid.yield_mpa > 0)
    most = std::min(most, by.solid.yield_mpa / *safety.min);
  if (std::isfinite(most)) topology.limit(StressLimit(by, kAim * most));
  if (const Bounds ratio = goal.of("stiffness_ratio"); ratio.max)
    topology.limit([&by, most_stiff = kAim * *ratio.max](DensityModel& own, const std::vector<double>&) {
      return stiffnessLimit(own, by, most_stiff);
    });
}

}  // namespace osteo::design_scaffold
