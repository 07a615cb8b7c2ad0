#include "simulate/table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace osteo::simulate {
namespace {

using nlohmann::json;

/// The record's keys that become columns: those of cases and materials alike, then those of either.
const std::vector<std::string>& keys() {
  static const std::vector<std::string> all = {"elements",
                                               "volume_mm3",
                                               "mean_von_mises_mpa",
                                               "p50_von_mises_mpa",
                                               "p95_von_mises_mpa",
                                               "p98_von_mises_mpa",
                                               "smoothed_peak_von_mises_mpa",
                                               "smoothing_radius_mm",
                                               "max_von_mises_mpa",
                                               "p50_largest_principal_strain",
                                               "p98_largest_principal_strain",
                                               "p50_smallest_principal_strain",
                                               "p02_smallest_principal_strain",
                                               "mean_strain_energy_density_mpa",
                                               "safety_factor_p02",
                                               "safety_factor_min",
                                               "weibull_failure_probability",
                                               "load_factor_at_1_percent_failure",
                                               "fatigue_safety_factor_p02",
                                               "cycles_at_p98",
                                               "fatigue_volume_share_above_endurance",
                                               "max_displacement_mm",
                                               "strain_energy_n_mm",
                                               "external_work_n_mm"};
  return all;
}

/// Text that can stand in a cell.
std::string cell(std::string text) {
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 32) c = '_';
  return text;
}

std::string value(const json& numbers, const std::string& key) {
  const auto found = numbers.find(key);
  return found == numbers.end() || !found->is_number() ? "" : found->dump();
}

/// A vector of each part of a case: {part, column's prefix}.
struct Vectors {
  const char *group, *key, *prefix;
};
constexpr Vectors kVectors[] = {{"constraints", "reaction_force_n", "reaction"}, {"loads", "force_n", "load"}};

std::string components(const json& of_case, const Vectors& v, const std::string& part) {
  std::string text;
  for (int c = 0; c < 3; ++c) {
    text += '\t';
    if (of_case.contains(v.group) && of_case[v.group].contains(part)) text += of_case[v.group][part][v.key][c].dump();
  }
  return text;
}

}  // namespace

std::string tableOf(const json& cases) {
  std::vector<std::set<std::string>> parts(std::size(kVectors));
  for (const auto& of_case : cases)
    for (std::size_t v = 0; v < parts.size(); ++v)
      if (of_case.contains(kVectors[v].group))
        for (const auto& [name, part] : of_case[kVectors[v].group].items())
          if (part.contains(kVectors[v].key)) parts[v].insert(name);
  std::string text = "case\tmaterial";
  for (const auto& key : keys()) text += '\t' + key;
  for (std::size_t v = 0; v < parts.size(); ++v)
    for (const auto& part : parts[v])
      for (const char axis : {'x', 'y', 'z'}) text += fmt::format("\t{}_{}_{}_n", kVectors[v].prefix, cell(part), axis);
  text += '\n';
  for (const auto& [name, of_case] : cases.items()) {
    text += cell(name) + "\tall";
    for (const auto& key : keys()) text += '\t' + value(of_case, key);
    for (std::size_t v = 0; v < parts.size(); ++v)
      for (const auto& part : parts[v]) text += components(of_case, kVectors[v], part);
    text += '\n';
    for (const auto& [material, numbers] : of_case["materials"].items()) {
      text += cell(name) + '\t' + cell(material);
      for (const auto& key : keys()) text += '\t' + value(numbers, key);
      for (const auto& group : parts) text += std::string(3 * group.size(), '\t');
      text += '\n';
    }
  }
  return text;
}

}  // namespace osteo::simulate
