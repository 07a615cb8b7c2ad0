#include "design_scaffold/targets.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "design_scaffold/cube.h"
#include "design_scaffold/flow.h"
#include "design_scaffold/thickness.h"

namespace osteo::design_scaffold {
namespace {

/// A wish that sets the cell: what it is of a lattice with cells of 1 mm, and with which power of the cell it grows.
struct SizeWish {
  const char* option;
  double wanted, power;
  std::function<double(const Lattice&, std::optional<Thickness>&)> ofUnit;
  /// `seen` keeps walls and pores of the unit for another wish about it.
  double cell_mm(const Lattice& unit, std::optional<Thickness>& seen) const {
    return std::pow(wanted / ofUnit(unit, seen), 1 / power);
  }
};

const Thickness& thicknessOf(const Lattice& unit, std::optional<Thickness>& seen) {
  if (!seen) seen = measureThickness(unit);
  return *seen;
}

Lattice unitOf(LatticeSpec spec, double volume_fraction) {
  spec.cell_mm = 1;
  spec.volume_fraction = volume_fraction;
  spec.origin_mm.setZero();
  return Lattice(spec);
}

/// The period of an endless lattice.
Cube periodOf(const Lattice& lattice, int nodes_along_edge) {
  Cube cube;
  cube.nodes.side = nodes_along_edge;
  cube.size_mm = lattice.cells() * lattice.spec().cell_mm;
  cube.distance_mm.resize(cube.nodes.size());
  core::parallelFor(nodes_along_edge, [&](std::int64_t k) {
    for (int j = 0; j < nodes_along_edge; ++j)
      for (int i = 0; i < nodes_along_edge; ++i)
        cube.distance_mm[cube.nodes.at(i, j, static_cast<int>(k))] = static_cast<float>(lattice.distance_mm(
            lattice.spec().origin_mm + cube.step_mm() * Eigen::Vector3d(i, j, static_cast<double>(k))));
  });
  return cube;
}

constexpr int kNodes = 64, kFoamNodes = 72, kElements = 32;

Cube measuredPeriod(const Lattice& lattice) { return periodOf(lattice, lattice.cells() > 1 ? kFoamNodes : kNodes); }

std::vector<SizeWish> sizesOf(const Wishes& wishes) {
  std::vector<SizeWish> sizes;
  using Seen = std::optional<Thickness>;
  if (wishes.cell_mm) sizes.push_back({"--cell-mm", *wishes.cell_mm, 1, [](const Lattice&, Seen&) { return 1.0; }});
  if (wishes.pore_mm)
    sizes.push_back({"--pore-mm", *wishes.pore_mm, 1,
                     [](const Lattice& l, Seen& seen) { return thicknessOf(l, seen).pore.mean_mm; }});
  if (wishes.wall_mm)
    sizes.push_back({"--wall-mm", *wishes.wall_mm, 1,
                     [](const Lattice& l, Seen& seen) { return thicknessOf(l, seen).wall.mean_mm; }});
  if (wishes.permeability_m2)
    sizes.push_back({"--permeability-m2", *wishes.permeability_m2, 2, [](const Lattice& l, Seen&) {
                       const Cube cube = measuredPeriod(l);
                       return permeability(cube.distance_mm, cube.nodes, cube.step_mm(), 0).k_m2;
                     }});
  return sizes;
}

/// The volume fraction at which a rising function of it has a value; nothing when it doesn't reach it.
std::optional<double> fractionFor(double wanted, const std::function<double(double)>& of, double& least, double& most) {
  constexpr double kLow = 0.06, kHigh = 0.9, kEnough = 5e-4;
  double low = kLow, high = kHigh;
  core::Progress progress("lattice for the wishes", 12);
  least = of(low), most = of(high);
  if (wanted < std::min(least, most) || wanted > std::max(least, most)) return std::nullopt;
  const bool is_rising = most > least;
  double below = std::log(least / wanted), above = std::log(most / wanted);
  for (int round = 0; round < 12 && high - low > kEnough; ++round) {
    progress.advance();
    // False position on logarithms, kept off the ends.
    double at = low + (high - low) * std::clamp(below / (below - above), 0.1, 0.9);
    const double value = std::log(of(at) / wanted);
    if ((value < 0) == is_rising)
      low = at, below = value;
    else
      high = at, above = value;
    if (std::abs(value) < 2e-3) return at;
  }
  return 0.5 * (low + high);
}

[[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& hint) {
  throw core::Error(core::Exit::Config, {.what = what, .expected = expected, .hint = hint});
}

/// Two sizes leave one volume fraction: that at which both ask for the same cell.
double fractionOfTwo(const LatticeSpec& spec, const SizeWish& a, const SizeWish& b) {
  double least = 0, most = 0;
  const auto ratio = [&](double fraction) {
    const Lattice unit = unitOf(spec, fraction);
    std::optional<Thickness> seen;
    const double of_a = a.cell_mm(unit, seen);
    return of_a / b.cell_mm(unit, seen);
  };
  const std::optional<double> found = fractionFor(1.0, ratio, least, most);
  if (found) return *found;
  refuse(fmt::format("{} {:.3g} and {} {:.3g} contradict each other: no volume fraction of {} gives both", a.option,
                     a.wanted, b.option, b.wanted, nameOf(spec.type)),
         fmt::format("a pair whose cells differ by a factor of {:.2f} to {:.2f} less", std::min(least, most),
                     std::max(least, most)),
         "drop one of them, or take another --lattice");
}

double fractionOfModulus(const LatticeSpec& spec, double modulus_mpa, const SolidPhase& solid) {
  double least = 0, most = 0;
  const auto modulus = [&](double fraction) {
    const Cube cube = measuredPeriod(unitOf(spec, fraction));
    return meanModulus_mpa(effectiveStiffness(cube, solid, cube.nodes.side > kNodes ? kFoamNodes : kElements));
  };
  const std::optional<double> found = fractionFor(modulus_mpa, modulus, least, most);
  if (found) return *found;
  refuse(fmt::format("--modulus-mpa {:.4g} can't be had from {} of {} ({:.4g} MPa)", modulus_mpa, nameOf(spec.type),
                     solid.name, solid.modulus_mpa),
         fmt::format("{:.3g} to {:.3g} MPa", least, most), "another --material or --lattice");
}

void requireTwo(const Wishes& wishes, const std::vector<SizeWish>& sizes) {
  const bool sets_fraction = wishes.volume_fraction || wishes.modulus_mpa;
  if (wishes.volume_fraction && wishes.modulus_mpa)
    refuse("--modulus-mpa and the volume fraction (or porosity) contradict each other: one follows from the other",
           "one of them", "drop --modulus-mpa, or --volume-fraction and --porosity");
  const std::size_t most = sets_fraction ? 1 : 2;
  if (sizes.size() <= most) return;
  std::string names;
  for (const SizeWish& size : sizes) names += std::string(names.empty() ? "" : ", ") + size.option;
  refuse(names + (sets_fraction ? " each set the cell, and the volume fraction is set already"
                                : " are too many wishes: a lattice has a cell and a volume fraction, nothing more"),
         sets_fraction ? "one of them" : "two of them", "drop what matters least");
}

}  // namespace

LatticeSpec fulfilled(LatticeSpec spec, const Wishes& wishes, const SolidPhase& solid) {
  std::vector<SizeWish> sizes = sizesOf(wishes);
  requireTwo(wishes, sizes);
  if (wishes.volume_fraction)
    spec.volume_fraction = *wishes.volume_fraction;
  else if (wishes.modulus_mpa)
    spec.volume_fraction = fractionOfModulus(spec, *wishes.modulus_mpa, solid);
  else if (sizes.size() == 2)
    spec.volume_fraction = fractionOfTwo(spec, sizes[0], sizes[1]);
  else
    spec.volume_fraction = kUsualFraction;
  if (sizes.empty()) {
    Wishes usual;
    usual.pore_mm = kUsualPore_mm;
    sizes = sizesOf(usual);
  }
  if (wishes.cell_mm) {
    spec.cell_mm = *wishes.cell_mm;
    return spec;
  }
  std::optional<Thickness> seen;
  const double cell = sizes[0].cell_mm(unitOf(spec, spec.volume_fraction), seen);
  constexpr double kLeast_mm = 0.1, kMost_mm = 100;
  if (!(cell > kLeast_mm && cell < kMost_mm))
    refuse(fmt::format("{} {:.4g} at a volume fraction of {:.3f} asks for cells of {:.4g} mm", sizes[0].option,
                       sizes[0].wanted, spec.volume_fraction, cell),
           fmt::format("cells of {} to {} mm", kLeast_mm, kMost_mm), "another value, or another volume fraction");
  spec.cell_mm = cell;
  return spec;
}

}  // namespace osteo::design_scaffold
