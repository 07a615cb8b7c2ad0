#include "design_scaffold/density_model.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "simulate/element_energy.h"
#include "simulate/remote.h"

namespace osteo::design_scaffold {
namespace {

using simulate::Conditions;

bool hasMoves(const Conditions& conditions) {
  return std::any_of(conditions.fixed.begin(), conditions.fixed.end(), [](const auto& f) { return f.value_mm != 0; });
}

bool hasLoads(const Conditions& conditions) {
  return simulate::hasFreePoints(conditions) ||
         std::any_of(conditions.force.begin(), conditions.force.end(), [](double f) { return f != 0; });
}

/// The same conditions with nothing prescribed and no loads: points that move freely still do.
Conditions atRest(Conditions conditions) {
  for (simulate::FixedDof& f : conditions.fixed) f.value_mm = 0;
  for (Conditions::Part& part : conditions.constraints) {
    for (simulate::FixedDof& f : part.fixed) f.value_mm = 0;
    if (!part.remote) continue;
    part.remote->force_n.setZero(), part.remote->moment_n_mm.setZero();
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (part.remote->displacement_mm[axis]) part.remote->displacement_mm[axis] = 0;
      if (part.remote->rotation_rad[axis]) part.remote->rotation_rad[axis] = 0;
    }
  }
  return conditions;
}

}  // namespace

DensityLaw simpLaw(const simulate::Elastic& solid, double power, double least) {
  return {solid, true, [power, least](double density) {
            const double value = least + std::pow(density, power) * (1 - least);
            const double slope = power * std::pow(density, power - 1) * (1 - least);
            return RelativeStiffness{{value, value, value}, {slope, slope, slope}};
          }};
}

DensityModel::DensityModel(std::unique_ptr<simulate::VoxelModel> model, DensityLaw law, Shares shares,
                           std::vector<DesignCase> cases, const simulate::SolveOptions& options)
    : model_(std::move(model)),
      law_(std::move(law)),
      shares_(std::move(shares)),
      cases_(std::move(cases)),
      options_(options),
      K_(*model_),
      u_(cases_.size()),
      works_(cases_.size(), 0) {
  for (const DesignCase& c : cases_) {
    is_moved_.push_back(hasMoves(c.conditions));
    if (is_moved_.back() && hasLoads(c.conditions))
      throw core::Error(core::Exit::Config,
                        {.what = "a case of a design has loads and prescribed displacements at once",
                         .expected = "forces on a held body, or displacements alone",
                         .hint = "only then more stiffness means the same everywhere; make two cases of it"});
    if (!is_moved_.back() && !hasLoads(c.conditions))
      throw core::Error(core::Exit::Config, {.what = "a case of a design neither loads the body nor moves it",
                                             .expected = "forces on a held body, or displacements"});
  }
}

void DensityModel::setStiffness(const std::vector<double>& density) {
  const auto n = static_cast<std::size_t>(model_->elements);
  const simulate::Elastic& s = law_.solid;
  const std::array<double, 3> solid = {s.c11, s.c12, s.c44};
  std::vector<std::array<double, 3>> entries(n);
  std::vector<double> factor(n);
  slope_.resize(n);
  for (std::size_t e = 0; e < n; ++e) {
    const RelativeStiffness r = law_.relative(density[e]);
    const double fixed = shares_.body[e] * shares_.solid[e], open = shares_.open(e);
    for (std::size_t q = 0; q < 3; ++q) {
      entries[e][q] = solid[q] * (fixed + open * r.value[q]);
      slope_[e][q] = solid[q] * open * r.derivative[q];
    }
    factor[e] = fixed + open * r.value[0];
  }
  law_.is_scalar ? simulate::setStiffness(*model_, s, factor) : simulate::setStiffness(*model_, entries);
}

void DensityModel::forget() {
  for (auto& u : u_) u.clear();
}

/// Cases with the same fixed degrees of freedom share a preconditioner. Returns the iterations of all.
int DensityModel::solveCases(const std::vector<Conditions>& cases, std::vector<simulate::Field>& u) {
  int iterations = 0;
  std::vector<bool> is_done(cases.size(), false);
  for (std::size_t first = 0; first < cases.size(); ++first) {
    if (is_done[first]) continue;
    simulate::Solver solver(K_, cases[first].fixed);
    std::vector<simulate::Solver::Problem> problems;
    for (std::size_t c = first; c < cases.size(); ++c) {
      if (is_done[c] || !solver.holds(cases[c].fixed)) continue;
      is_done[c] = true;
      if (simulate::hasFreePoints(cases[c])) {
        Conditions own = cases[c];
        iterations += simulate::solveCase(K_, solver, own, options_, u[c]).iterations;
      } else {
        problems.push_back({&cases[c].force, &cases[c].fixed, &u[c]});
      }
    }
    if (!problems.empty())
      for (const auto& report : solver.solve(problems, options_)) iterations += report.iterations;
  }
  return iterations;
}

void DensityModel::solve(const std::vector<double>& density) {
  setStiffness(density);
  std::vector<Conditions> cases;
  for (const DesignCase& c : cases_) cases.push_back(c.conditions);
  iterations_ = solveCases(cases, u_);
  simulate::Field reaction = K_.zeros();
  for (std::size_t c = 0; c < cases_.size(); ++c) {
    K_.apply(u_[c], reaction);
    works_[c] = simulate::dot(K_, u_[c], reaction);
  }
}

void DensityModel::solveAdjoint(const std::vector<simulate::Field>& forces, std::vector<simulate::Field>& u) {
  std::vector<Conditions> cases;
  for (std::size_t c = 0; c < cases_.size(); ++c) {
    cases.push_back(atRest(cases_[c].conditions));
    cases.back().force = forces[c];
  }
  iterations_ += solveCases(cases, u);
}

std::vector<double> DensityModel::workSlope(std::size_t c, const simulate::Field& other) const {
  std::vector<double> out(static_cast<std::size_t>(model_->elements), 0.0);
  const double own = simulate::dot(K_, u_[c], u_[c]), others = simulate::dot(K_, other, other);
  if (!(own > 0 && others > 0)) return out;
  // Of a quadratic form: (u + v)² − (u − v)² = 4 u v, both of a size.
  const double scale = std::sqrt(own / others);
  simulate::Field plus = u_[c], minus = u_[c];
  for (std::size_t n = 0; n < plus.size(); ++n) plus[n] += scale * other[n], minus[n] -= scale * other[n];
  const auto with = simulate::cubicEnergies(K_, plus), against = simulate::cubicEnergies(K_, minus);
  for (std::size_t e = 0; e < out.size(); ++e)
    for (std::size_t q = 0; q < 3; ++q) out[e] += slope_[e][q] * (with[e][q] - against[e][q]) / (4 * scale);
  return out;
}

double DensityModel::compliance(std::vector<double>& derivative) const {
  derivative.assign(static_cast<std::size_t>(model_->elements), 0.0);
  double sum = 0;
  for (std::size_t c = 0; c < cases_.size(); ++c) {
    // Of prescribed displacements, more work means more stiffness: the compliance is its inverse.
    const double inverse = is_moved_[c] ? 1 / works_[c] : works_[c];
    const double factor = cases_[c].weight * (is_moved_[c] ? inverse / works_[c] : 1.0);
    sum += cases_[c].weight * inverse;
    const auto energies = simulate::cubicEnergies(K_, u_[c]);
    for (std::size_t e = 0; e < derivative.size(); ++e)
      for (std::size_t q = 0; q < 3; ++q) derivative[e] -= factor * slope_[e][q] * energies[e][q];
  }
  return sum;
}

}  // namespace osteo::design_scaffold
