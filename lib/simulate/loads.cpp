#include "simulate/loads.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "simulate/document.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;
constexpr double kDegree = 3.14159265358979323846 / 180;

Eigen::Vector3d vector(const json& j) {
  return Eigen::Vector3d(j[0].get<double>(), j[1].get<double>(), j[2].get<double>());
}

std::array<std::optional<double>, 3> components(const json& owner, const char* key) {
  std::array<std::optional<double>, 3> result;
  if (owner.contains(key))
    for (int c = 0; c < 3; ++c)
      if (!owner[key][c].is_null()) result[c] = owner[key][c].get<double>();
  return result;
}

Region region(const json& j, const std::string& path) {
  Region r;
  r.side = j.value("side", "");
  r.depth_mm = j.value("depth_mm", 0.0);
  if (j.contains("label")) r.label = j["label"].is_string() ? j["label"].get<std::string>() : j["label"].dump();
  if (j.contains("sphere")) r.sphere = {vector(j["sphere"]["centre_mm"]), j["sphere"]["radius_mm"]};
  if (j.contains("box")) r.box = {vector(j["box"]["min_mm"]), vector(j["box"]["max_mm"])};
  if (j.contains("plane")) {
    r.plane = {vector(j["plane"]["normal"]), j["plane"]["from_mm"], j["plane"]["to_mm"]};
    if (r.plane->normal.norm() == 0)
      throw core::Error(core::Exit::Config, {.what = "a plane's normal is zero", .file = path});
    r.plane->normal.normalize();
  }
  if (j.contains("near")) r.near = {j["near"]["level_set"], j["near"]["distance_mm"]};
  if (j.contains("outer")) r.outer = {j["outer"]["away_from"], j["outer"]["radius_mm"]};
  return r;
}

Constraint constraint(const json& j, std::size_t number, const std::string& path) {
  Constraint c;
  c.name = j.value("name", "constraint_" + std::to_string(number));
  c.region = region(j["region"], path);
  c.displacement_mm = components(j, "displacement_mm");
  c.strain = components(j, "strain");
  if (j.contains("rotation")) {
    const json& r = j["rotation"];
    Eigen::Vector3d axis = vector(r["axis"]);
    if (axis.norm() == 0) throw core::Error(core::Exit::Config, {.what = "a rotation has no axis", .file = path});
    c.rotation = Rotation{axis.normalized(), r["angle_deg"].get<double>() * kDegree};
    if (r.contains("centre_mm")) c.rotation->centre_mm = vector(r["centre_mm"]);
  }
  bool is_empty = !c.rotation;
  for (int a = 0; a < 3; ++a) {
    if (c.rotation && (c.displacement_mm[a] || c.strain[a]))
      throw core::Error(
          core::Exit::Config,
          {.what = "a rotation holds all components; no displacement goes with it, in " + c.name, .file = path});
    is_empty &= !c.displacement_mm[a] && !c.strain[a];
    if (c.displacement_mm[a] && c.strain[a])
      throw core::Error(core::Exit::Config,
                        {.what = "a component has both a displacement and a strain in " + c.name, .file = path});
  }
  if (is_empty) throw core::Error(core::Exit::Config, {.what = "nothing is held by " + c.name, .file = path});
  return c;
}

Load load(const json& j, std::size_t number, const std::string& path) {
  Load l;
  l.name = j.value("name", "load_" + std::to_string(number));
  l.region = region(j["region"], path);
  if (j.contains("force_n")) l.force_n = vector(j["force_n"]);
  if (j.contains("inward_force_n")) l.inward_force_n = j["inward_force_n"].get<double>();
  if (j.contains("pressure_mpa")) l.pressure_mpa = j["pressure_mpa"].get<double>();
  if (l.inward_force_n && !l.region.outer)
    throw core::Error(core::Exit::Config,
                      {.what = "an inward force needs an outer region, in " + l.name, .file = path});
  return l;
}

}  // namespace

std::vector<LoadCase> readLoads(const std::string& path) {
  const json document = readDocument(path, "loads");
  std::vector<LoadCase> cases;
  std::set<std::string> names;
  if (!document.contains("cases")) throw core::Error(core::Exit::Config, {.what = "has no cases", .file = path});
  for (const auto& j : document["cases"]) {
    LoadCase c;
    c.name = j["name"];
    c.reference = j.value("reference", "");
    c.pin_rigid_motion = j.value("pin_rigid_motion", false);
    if (!names.insert(c.name).second)
      throw core::Error(core::Exit::Config, {.what = "two cases are named " + c.name, .file = path});
    for (const auto& item : j["constraints"]) c.constraints.push_back(constraint(item, c.constraints.size() + 1, path));
    if (j.contains("loads"))
      for (const auto& item : j["loads"]) c.loads.push_back(load(item, c.loads.size() + 1, path));
    cases.push_back(std::move(c));
  }
  return cases;
}

}  // namespace osteo::simulate
