#include "design_scaffold/history_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "picture/render.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;
using picture::Series;

constexpr int kWidth_px = 520, kHeight_px = 360;

/// Designs by rising volume fraction.
std::vector<json> sorted(const json& designs) {
  std::vector<json> out(designs.begin(), designs.end());
  std::stable_sort(out.begin(), out.end(), [](const json& a, const json& b) {
    return a["volume_fraction"].get<double>() < b["volume_fraction"].get<double>();
  });
  return out;
}

Series seriesOf(const std::vector<json>& designs, const char* name, const char* x, const char* y, double factor = 1) {
  Series series{name, {}, {}};
  for (const json& d : designs) {
    if (!d.contains(x) || !d.contains(y)) continue;
    series.x.push_back(d[x]);
    series.y.push_back(factor * d[y].get<double>());
  }
  return series;
}

}  // namespace

void addHistory(const json& results, const std::string& png_path) {
  std::vector<picture::Canvas> plots;
  std::vector<std::string> captions;
  const auto add = [&](const std::string& caption, std::vector<Series> series, const char* x, const char* y) {
    std::erase_if(series, [](const Series& s) { return s.x.size() < 2; });  // a point alone is no line
    if (series.empty()) return;
    plots.push_back(picture::plot(series, x, y, kWidth_px, kHeight_px));
    captions.push_back(caption);
  };
  std::vector<Series> steps;
  for (const json& d : results["history"]) {
    Series series{fmt::format("design {}", d["design"].get<int>()), {}, {}};
    for (const json& c : d["step_relative_compliance"]) {
      series.x.push_back(static_cast<double>(series.x.size() + 1));
      series.y.push_back(c);
    }
    steps.push_back(series);
  }
  add("stiffness of each design as it was made", steps, "step", "compliance over the solid body's");
  const std::vector<json> designs = sorted(results["history"]), front = sorted(results["pareto_front"]);
  const char* fraction = "volume_fraction";
  add("goals by volume fraction",
      {seriesOf(designs, "stiffness ratio", fraction, "stiffness_ratio"),
       seriesOf(designs, "safety factor", fraction, "safety_factor"),
       seriesOf(designs, "porosity", fraction, "porosity"),
       seriesOf(designs, "share in strain window", fraction, "strain_window_share")},
      "volume fraction", "number");
  add("front: flow and mass by stiffness",
      {seriesOf(front, "permeability, 1e-9 m2", "stiffness_ratio", "permeability_m2", 1e9),
       seriesOf(front, "mass, g", "stiffness_ratio", "mass_g"),
       seriesOf(front, "surface, 1000 mm2", "stiffness_ratio", "surface_area_mm2", 1e-3)},
      "stiffness over bone's", "number");
  if (plots.empty()) return;
  const picture::Canvas implant = picture::readPng(png_path);
  const picture::Canvas below = picture::tile(plots, captions, 3);
  picture::Canvas all(std::max(implant.width(), below.width()), implant.height() + below.height());
  all.paste(implant, 0, 0);
  all.paste(below, 0, implant.height());
  picture::writePng(all, png_path);
}

}  // namespace osteo::design_scaffold
