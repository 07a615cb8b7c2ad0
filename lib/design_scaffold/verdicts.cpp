#include "design_scaffold/verdicts.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace osteo::design_scaffold {
namespace {

/// One row: a result, its range, and what it stands for.
struct Row {
  const char *key, *relation, *low_means, *high_means, *source;
  double low, high;
};

// Ranges for implants in load-bearing bone; each source gives its own, these are their common part.
const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"porosity", "porosity - strength - growth", "little room for bone and vessels", "walls are too few to bear load",
       "Karageorgiou & Kaplan, Biomaterials 26:5474 (2005): trabecular bone 50 to 90 %", 0.5, 0.9},
      {"pore_diameter_mm", "porosity - strength - growth", "pores below 0.3 mm heal by cartilage for want of vessels",
       "pores above 0.9 mm are bridged late",
       "Karageorgiou & Kaplan (2005); Taniguchi et al., Materials Science and Engineering C 59:690 (2016)", 0.3, 0.9},
      {"throat_diameter_mm", "porosity - strength - growth", "windows between pores stop vessels and cells",
       "windows as wide as large pores hold cells poorly", "Karageorgiou & Kaplan (2005)", 0.1, 0.9},
      {"permeability_m2", "porosity - strength - growth", "nutrients reach the middle by diffusion alone",
       "cells are washed off while seeding", "Nauman et al., Ann Biomed Eng 27:517 (1999): human trabecular bone",
       2.7e-11, 2e-8},
      {"estimated_yield_mpa", "porosity - strength - growth", "weaker than trabecular bone",
       "stronger than cortical bone",
       "Gibson & Ashby, Cellular Solids (1997), 0.3 (1 - porosity)^1.5; bone 2 to 200 MPa", 2, 200},
      {"surface_per_envelope_per_mm", "surface - degradation - adhesion", "little surface for cells to adhere to",
       "degrades and releases ions fast",
       "human trabecular bone 2 to 6 / mm: Hildebrand et al., J Bone Miner Res 14:1167 (1999)", 2, 12},
      {"effective_modulus_mpa", "modulus - deformation - tissue stimulus",
       "softer than trabecular bone: large micromotion", "stiffer than cortical bone: shields it from load",
       "trabecular 50 MPa to cortical bone 20 GPa", 50, 20000},
      {"strain_at_1_mpa_microstrain", "modulus - deformation - tissue stimulus",
       "below the window in which bone is kept", "above the window: fibrous tissue and damage",
       "Frost, Anat Rec A 275:1081 (2003): 50 to 3000 microstrain", 50, 3000}};
  return table;
}

}  // namespace

nlohmann::json verdicts(const nlohmann::json& results) {
  nlohmann::json table = nlohmann::json::array();
  for (const Row& row : rows()) {
    if (!results.contains(row.key) || !results.at(row.key).is_number()) continue;
    const double value = results.at(row.key).get<double>();
    const bool is_low = value<row.low, is_high = value> row.high;
    nlohmann::json out = {{"relation", row.relation}, {"measure", row.key},
                          {"value", value},           {"range", {row.low, row.high}},
                          {"source", row.source},     {"verdict", is_low ? "too_low" : is_high ? "too_high" : "suits"}};
    if (is_low || is_high) out["means"] = is_low ? row.low_means : row.high_means;
    table.push_back(out);
  }
  return table;
}

}  // namespace osteo::design_scaffold
