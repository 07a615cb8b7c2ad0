#include "simulate/loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "simulate/document.h"
#include "simulate/grid.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
using nlohmann::json;

Vector3d vector(const json& j) { return Vector3d(j[0].get<double>(), j[1].get<double>(), j[2].get<double>()); }

using Components = std::array<std::optional<double>, 3>;

Components components(const json& owner, const char* key, double factor = 1) {
  Components result;
  if (owner.contains(key))
    for (int c = 0; c < 3; ++c)
      if (!owner[key][c].is_null()) result[c] = factor * owner[key][c].get<double>();
  return result;
}

/// Turns the parts of a loads file into what they mean for a patient.
class Reader {
 public:
  Reader(const json& document, const std::string& path, const Patient& patient) : path_(path) {
    body_weight_n_ = patient.body_weight_n > 0 ? patient.body_weight_n : document.value("body_weight_n", 0.0);
    if (document.contains("landmarks")) addLandmarks(document["landmarks"], path);
    if (patient.landmarks.empty()) return;
    const json own = core::parseJson(core::readFile(patient.landmarks, std::size_t{1} << 26), patient.landmarks,
                                     core::Exit::DataError, true);
    if (!own.is_object() || !own.contains("landmarks") || !own["landmarks"].is_object())
      throw core::Error(core::Exit::DataError, {.what = "holds no landmarks",
                                                .file = patient.landmarks,
                                                .expected = "{\"landmarks\": {\"name\": [x, y, z]}}, LPS mm"});
    addLandmarks(own["landmarks"], patient.landmarks);
  }

  LoadCase loadCase(const json& j) {
    LoadCase c;
    c.name = j["name"];
    c.reference = j.value("reference", "");
    c.pin_rigid_motion = j.value("pin_rigid_motion", false);
    for (const auto& item : j["constraints"]) c.constraints.push_back(constraint(item, c.constraints.size() + 1));
    if (j.contains("loads"))
      for (const auto& item : j["loads"]) c.loads.push_back(load(item, c.loads.size() + 1));
    return c;
  }

  /// Throws when names stayed without a position.
  void requireLandmarks() const {
    if (missing_.empty()) return;
    throw core::Error(core::Exit::DataError,
                      {.what = "the loads need landmarks that are not given",
                       .file = path_,
                       .expected = fmt::format("{}", fmt::join(missing_, ", ")),
                       .hint = "--landmarks FILE.json with {\"landmarks\": {\"name\": [x, y, z]}}, LPS mm"});
  }

 private:
  std::string path_;
  double body_weight_n_ = 0;
  std::map<std::string, Vector3d> landmarks_;
  std::set<std::string> missing_;

  [[noreturn]] void refuse(const std::string& what) const {
    throw core::Error(core::Exit::Config, {.what = what, .file = path_});
  }

  void addLandmarks(const json& points, const std::string& file) {
    for (const auto& [name, p] : points.items()) {
      const bool is_point =
          p.is_array() && p.size() == 3 && std::all_of(p.begin(), p.end(), [](const json& v) { return v.is_number(); });
      if (!is_point)
        throw core::Error(
            core::Exit::DataError,
            {.what = "landmark " + name + " is no position", .file = file, .expected = "[x, y, z] in LPS mm"});
      landmarks_[name] = vector(p);
    }
  }

  Vector3d point(const json& j) {
    if (!j.is_string()) return vector(j);
    const auto found = landmarks_.find(j.get<std::string>());
    if (found != landmarks_.end()) return found->second;
    missing_.insert(j.get<std::string>());
    return Vector3d::Zero();
  }

  /// Unit vector.
  Vector3d direction(const json& j, const std::string& what) {
    const std::size_t before = missing_.size();
    const Vector3d v = j.is_object() ? Vector3d(point(j["to"]) - point(j["from"])) : vector(j);
    if (missing_.size() > before || !missing_.empty()) return Vector3d::UnitX();
    if (!(v.norm() > 0)) refuse(what + " is zero");
    return v.normalized();
  }

  Region region(const json& j) {
    Region r;
    r.side = j.value("side", "");
    r.depth_mm = j.value("depth_mm", 0.0);
    if (j.contains("label")) r.label = j["label"].is_string() ? j["label"].get<std::string>() : j["label"].dump();
    if (j.contains("sphere")) r.sphere = {point(j["sphere"]["centre_mm"]), j["sphere"]["radius_mm"]};
    if (j.contains("box")) r.box = {vector(j["box"]["min_mm"]), vector(j["box"]["max_mm"])};
    if (j.contains("plane")) {
      const json& p = j["plane"];
      r.plane = {direction(p["normal"], "a plane's normal"), p["from_mm"], p["to_mm"]};
      if (p.contains("through")) r.plane->through_mm = point(p["through"]);
    }
    if (j.contains("facing"))
      r.facing = {direction(j["facing"]["direction"], "the direction that a region faces"),
                  j["facing"]["max_angle_deg"]};
    if (j.contains("visible")) {
      r.visible = Region::Visible{j["visible"]["from"]};
      if (j["visible"].contains("depth_mm")) r.visible->depth_mm = j["visible"]["depth_mm"].get<double>();
    }
    if (j.contains("near")) r.near = {j["near"]["level_set"], j["near"]["distance_mm"]};
    if (j.contains("outer")) r.outer = {j["outer"]["away_from"], j["outer"]["radius_mm"]};
    return r;
  }

  Remote remote(const json& j) {
    Remote r;
    r.point_mm = point(j["point_mm"]);
    r.displacement_mm = components(j, "displacement_mm");
    r.rotation_rad = components(j, "rotation_deg", kDegree);
    if (j.contains("force_n")) r.force_n = vector(j["force_n"]);
    if (j.contains("moment_n_mm")) r.moment_n_mm = vector(j["moment_n_mm"]);
    for (int c = 0; c < 3; ++c)
      if ((r.displacement_mm[c] && r.force_n[c] != 0) || (r.rotation_rad[c] && r.moment_n_mm[c] != 0))
        refuse("a remote point is both held and loaded along one component");
    return r;
  }

  Constraint constraint(const json& j, std::size_t number) {
    Constraint c;
    c.name = j.value("name", "constraint_" + std::to_string(number));
    c.region = region(j["region"]);
    c.displacement_mm = components(j, "displacement_mm");
    c.strain = components(j, "strain");
    if (j.contains("rotation")) {
      const json& r = j["rotation"];
      const Vector3d axis = vector(r["axis"]);
      if (axis.norm() == 0) refuse("a rotation has no axis");
      c.rotation = Rotation{axis.normalized(), r["angle_deg"].get<double>() * kDegree};
      if (r.contains("centre_mm")) c.rotation->centre_mm = point(r["centre_mm"]);
    }
    if (j.contains("remote")) c.remote = remote(j["remote"]);
    bool has_components = false;
    for (int a = 0; a < 3; ++a) {
      has_components |= c.displacement_mm[a] || c.strain[a];
      if (c.displacement_mm[a] && c.strain[a]) refuse("a component has both a displacement and a strain in " + c.name);
    }
    const int ways = int(has_components) + int(c.rotation.has_value()) + int(c.remote.has_value());
    if (ways > 1) refuse("a rotation or a remote point holds all components; nothing else goes with it, in " + c.name);
    if (ways == 0) refuse("nothing is held by " + c.name);
    return c;
  }

  void readForce(const json& j, Load& l) {
    double newtons = j.value("magnitude_n", 0.0);
    if (j.contains("body_weights")) {
      if (!(body_weight_n_ > 0)) refuse(l.name + " is in body weights, but body_weight_n is not given");
      newtons = body_weight_n_ * j["body_weights"].get<double>();
    }
    if (j.contains("toward")) {
      l.pull_n = newtons;
      l.toward_mm = point(j["toward"]);
    } else {
      l.force_n = newtons * direction(j["direction"], "the direction of " + l.name);
    }
  }

  Load load(const json& j, std::size_t number) {
    Load l;
    l.name = j.value("name", "load_" + std::to_string(number));
    if (j.contains("region")) l.region = region(j["region"]);
    if (j.contains("force_n")) l.force_n = vector(j["force_n"]);
    if (j.contains("force")) readForce(j["force"], l);
    if (j.contains("inward_force_n")) l.inward_force_n = j["inward_force_n"].get<double>();
    if (j.contains("pressure_mpa")) l.pressure_mpa = j["pressure_mpa"].get<double>();
    if (j.contains("moment_n_mm")) l.moment_n_mm = vector(j["moment_n_mm"]);
    if (j.contains("acceleration_m_s2")) l.acceleration_m_s2 = vector(j["acceleration_m_s2"]);
    if (j.contains("at_mm")) l.at_mm = point(j["at_mm"]);
    if (l.at_mm && !l.force_n && !l.pull_n) refuse("at_mm needs a force, in " + l.name);
    if (l.inward_force_n && !l.region.outer) refuse("an inward force needs an outer region, in " + l.name);
    return l;
  }
};

}  // namespace

std::vector<LoadCase> readLoads(const std::string& path, const Patient& patient) {
  const json document = readDocument(path, "loads");
  std::vector<LoadCase> cases;
  std::set<std::string> names;
  if (!document.contains("cases")) throw core::Error(core::Exit::Config, {.what = "has no cases", .file = path});
  Reader reader(document, path, patient);
  for (const auto& j : document["cases"]) {
    cases.push_back(reader.loadCase(j));
    if (!names.insert(cases.back().name).second)
      throw core::Error(core::Exit::Config, {.what = "two cases are named " + cases.back().name, .file = path});
  }
  reader.requireLandmarks();
  return cases;
}

}  // namespace osteo::simulate
