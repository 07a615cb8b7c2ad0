#include "simulate/mixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/names.h"

namespace osteo::simulate {
namespace {

/// Hashin and Shtrikman's bound with `first` as the phase that surrounds.
Moduli surrounded(const Moduli& first, const Moduli& second, double second_share) {
  const double K = first.bulk_mpa, G = first.shear_mpa, f1 = 1 - second_share, f2 = second_share;
  if (f2 <= 0 || (K == second.bulk_mpa && G == second.shear_mpa)) return first;
  const double stretch = 3 / (3 * K + 4 * G), shear = 6 * (K + 2 * G) / (5 * G * (3 * K + 4 * G));
  const double dK = second.bulk_mpa - K, dG = second.shear_mpa - G;
  return {K + f2 * dK / (1 + f1 * dK * stretch), G + f2 * dG / (1 + f1 * dG * shear)};
}

const Material& constituent(const std::string& name, const std::map<std::string, Material>& all,
                            const std::string& file, const std::string& composite) {
  const auto found = all.find(name);
  if (found == all.end()) {
    std::vector<std::string> known;
    for (const auto& [key, material] : all) known.push_back(key);
    const std::string near = core::didYouMean(name, known);
    throw core::Error(core::Exit::Config, {.what = composite + " is made of a material that is not there",
                                           .file = file,
                                           .got = name,
                                           .hint = near.empty() ? "" : "did you mean " + near + "?"});
  }
  if (found->second.modulus_mpa <= 0 || found->second.orthotropic)
    throw core::Error(core::Exit::Config, {.what = composite + " is mixed of isotropic materials with a modulus",
                                           .file = file,
                                           .got = name,
                                           .hint = "a composite can't be made of composites"});
  return found->second;
}

const char* nameOf(MixtureRule rule) {
  switch (rule) {
    case MixtureRule::Reuss:
      return "Reuss's mean";
    case MixtureRule::HashinShtrikmanLower:
      return "Hashin and Shtrikman's lower bound";
    case MixtureRule::HashinShtrikmanUpper:
      return "Hashin and Shtrikman's upper bound";
    case MixtureRule::Voigt:
      break;
  }
  return "Voigt's mean";
}

}  // namespace

Moduli moduliOf(double young_mpa, double poisson) {
  return {young_mpa / (3 * (1 - 2 * poisson)), young_mpa / (2 * (1 + poisson))};
}

Moduli mix(const Moduli& a, const Moduli& b, double share, MixtureRule rule) {
  const double rest = 1 - share;
  if (rule == MixtureRule::Voigt)
    return {rest * a.bulk_mpa + share * b.bulk_mpa, rest * a.shear_mpa + share * b.shear_mpa};
  if (rule == MixtureRule::Reuss)
    return {1 / (rest / a.bulk_mpa + share / b.bulk_mpa), 1 / (rest / a.shear_mpa + share / b.shear_mpa)};
  const bool matrix_surrounds = (a.shear_mpa <= b.shear_mpa) == (rule == MixtureRule::HashinShtrikmanLower);
  return matrix_surrounds ? surrounded(a, b, share) : surrounded(b, a, rest);
}

double unbondedStrengthShare(double filler_share) {
  return std::max(0.0, 1 - 1.21 * std::pow(std::max(0.0, filler_share), 2.0 / 3));
}

void makeComposite(const Composite& recipe, const std::map<std::string, Material>& all, const std::string& file,
                   Material& composite) {
  const Material& matrix = constituent(recipe.matrix, all, file, composite.name);
  const Material& filler = constituent(recipe.filler, all, file, composite.name);
  const double share = recipe.filler_volume_share;
  const Moduli a = moduliOf(matrix.modulus_mpa, matrix.poisson), b = moduliOf(filler.modulus_mpa, filler.poisson);
  const auto young = [&](MixtureRule rule) { return mix(a, b, share, rule).young_mpa(); };
  const Moduli mixed = mix(a, b, share, recipe.rule);
  composite.modulus_mpa = mixed.young_mpa();
  composite.poisson = mixed.poisson();
  if (matrix.density_g_cm3 > 0 && filler.density_g_cm3 > 0)
    composite.density_g_cm3 = (1 - share) * matrix.density_g_cm3 + share * filler.density_g_cm3;
  if (composite.criterion == Criterion::None && matrix.criterion == Criterion::VonMises) {
    composite.criterion = Criterion::VonMises;
    composite.strength_mpa = matrix.strength_mpa * unbondedStrengthShare(share);
    composite.failure_reference = fmt::format(
        "{:.0f} % of the strength of {}, as if no particle stuck: Nicolais, Narkis, Polym Eng Sci 11 (1971)",
        100 * unbondedStrengthShare(share), recipe.matrix);
  }
  composite.reference += fmt::format(
      "{}computed from {} with {:.3g} % {} by volume by {}: {:.0f} MPa (Reuss {:.0f}, Hashin-Shtrikman {:.0f} to "
      "{:.0f}, Voigt {:.0f} MPa); density by volume shares",
      composite.reference.empty() ? "" : "; ", recipe.matrix, 100 * share, recipe.filler, nameOf(recipe.rule),
      composite.modulus_mpa, young(MixtureRule::Reuss), young(MixtureRule::HashinShtrikmanLower),
      young(MixtureRule::HashinShtrikmanUpper), young(MixtureRule::Voigt));
}

}  // namespace osteo::simulate
