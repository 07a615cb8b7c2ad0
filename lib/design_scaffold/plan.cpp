#include "design_scaffold/plan.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/schema.h"
#include "levelset/components.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using nlohmann::json;

constexpr int kVersion = 1;
constexpr double kUnit = 1e-3;        // of a direction's length or a pose's axes
constexpr double kTouching_mm = 1.0;  // beyond the host's voxel, from rim to host

json list(const Vector3d& v) { return {v.x(), v.y(), v.z()}; }
Vector3d vectorOf(const json& list) {
  return Vector3d(list.at(0).get<double>(), list.at(1).get<double>(), list.at(2).get<double>());
}

json schema() {
  const std::string path = core::configsFolder() + "/schema/plan.json";
  return core::parseJson(core::readFile(path), path, core::Exit::Config);
}

[[noreturn]] void unfit(const std::string& path, const std::string& what, const std::string& expected,
                        const std::string& got) {
  throw core::Error(core::Exit::DataError, {.what = what, .file = path, .expected = expected, .got = got});
}

Vector3d unitVector(const json& list, const std::string& path, const std::string& name) {
  const Vector3d v = vectorOf(list);
  if (std::abs(v.norm() - 1) > kUnit)
    unfit(path, name + " is no unit vector", "length 1", fmt::format("{:.4g}", v.norm()));
  return v;
}

Eigen::Matrix4d poseOf(const json& rows, const std::string& path) {
  Eigen::Matrix4d pose;
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 4; ++c) pose(r, c) = rows.at(r).at(c).get<double>();
  const Eigen::Matrix3d turn = pose.topLeftCorner<3, 3>();
  const double off = (turn * turn.transpose() - Eigen::Matrix3d::Identity()).norm();
  const bool is_affine = (pose.row(3) - Eigen::RowVector4d(0, 0, 0, 1)).norm() < 1e-9;
  if (off > kUnit || turn.determinant() < 0 || !is_affine)
    unfit(path, "the pose isn't rigid", "a rotation, a shift and the last row 0 0 0 1",
          fmt::format("axes that are {:.3g} off, determinant {:.3g}", off, turn.determinant()));
  return pose;
}

Screw screwOf(const json& from, const std::string& path) {
  Screw screw;
  screw.name = from.at("name");
  screw.entry_mm = vectorOf(from.at("entry"));
  screw.direction = unitVector(from.at("direction"), path, "the direction of " + screw.name);
  screw.length_mm = from.at("length_mm");
  screw.diameter_mm = from.at("diameter_mm");
  screw.standing_mm = from.value("standing_mm", 0.0);
  screw.bone_mm = from.value("bone_mm", 0.0);
  screw.cortices = from.value("cortices", 1);
  screw.edge_mm = from.value("edge_mm", 0.0);
  if (from.contains("nearest_screw_mm")) screw.nearest_screw_mm = from["nearest_screw_mm"].get<double>();
  if (from.contains("mean_hu")) screw.mean_hu = from["mean_hu"].get<double>();
  return screw;
}

/// Vertices of the defect's surface along the host that look outwards; all that look outwards, or all, where none does.
std::vector<Vector3d> rimOf(const mesh::TriangleMesh& surface, const levelset::LevelSet* host,
                            const Vector3d& outward) {
  std::vector<Vector3d> normals(surface.vertices.size(), Vector3d::Zero());
  for (const auto& t : surface.triangles) {
    const Vector3d &a = surface.vertices[t[0]], &b = surface.vertices[t[1]], &c = surface.vertices[t[2]];
    for (const auto v : t) normals[v] += (b - a).cross(c - a);
  }
  std::vector<Vector3d> rim, outer;
  for (std::size_t v = 0; v < normals.size(); ++v) {
    if (normals[v].normalized().dot(outward) < 0.3) continue;
    outer.push_back(surface.vertices[v]);
    if (host && levelset::sample(*host, surface.vertices[v]) <
                    std::min(kTouching_mm + host->voxel_mm(), 2.5 * host->voxel_mm()))
      rim.push_back(surface.vertices[v]);
  }
  return !rim.empty() ? rim : !outer.empty() ? outer : surface.vertices;
}

}  // namespace

std::map<std::string, Vector3d> planLandmarks(const levelset::LevelSet& defect, const levelset::LevelSet* host,
                                              const Vector3d& outward, const std::vector<Screw>& screws) {
  std::map<std::string, Vector3d> out;
  Vector3d sum = Vector3d::Zero();
  double volume = 0;
  const levelset::Components inside(defect, levelset::Components::Side::Inside);
  for (const auto& piece : inside.pieces()) {
    sum += piece.volume_mm3 * piece.centre_mm;
    volume += piece.volume_mm3;
  }
  if (volume > 0) out["implant_centre"] = sum / volume;
  const std::vector<Vector3d> rim = rimOf(levelset::toMesh(defect), host, outward);
  const struct {
    const char* name;
    Vector3d way;
  } extremes[] = {{"rim_left", Vector3d::UnitX()},      {"rim_right", -Vector3d::UnitX()},
                  {"rim_posterior", Vector3d::UnitY()}, {"rim_anterior", -Vector3d::UnitY()},
                  {"rim_superior", Vector3d::UnitZ()},  {"rim_inferior", -Vector3d::UnitZ()}};
  for (const auto& [name, way] : extremes)
    for (const Vector3d& p : rim)
      if (!out.contains(name) || p.dot(way) > out[name].dot(way)) out[name] = p;
  for (const Screw& screw : screws) out[screw.name + "_entry"] = screw.entry_mm;
  return out;
}

void writePlan(const std::string& path, const Plan& plan) {
  json out = {{"type", "osteoforge plan"},
              {"version", kVersion},
              {"space", "LPS"},
              {"frame_id", plan.frame_id},
              {"implant", {{"file", plan.implant_file}, {"sha256", plan.implant_sha256}}},
              {"pose", json::array()},
              {"screws", json::array()},
              {"landmarks", json::object()}};
  for (int r = 0; r < 4; ++r)
    out["pose"].push_back({plan.pose(r, 0), plan.pose(r, 1), plan.pose(r, 2), plan.pose(r, 3)});
  if (plan.insertion) out["insertion"] = {{"direction", list(*plan.insertion)}};
  for (const Screw& screw : plan.screws) out["screws"].push_back(describe(screw));
  for (const auto& [name, point] : plan.landmarks) out["landmarks"][name] = list(point);
  core::validateJson(schema(), out, path, core::Exit::Software);
  core::writeFile(path, out.dump(2) + "\n");
}

Plan readPlan(const std::string& path) {
  constexpr std::size_t kLargest = std::size_t{1} << 24;
  const json in = core::parseJson(core::readFile(path, kLargest), path, core::Exit::DataError);
  core::validateJson(schema(), in, path, core::Exit::DataError);
  Plan plan;
  plan.frame_id = in.at("frame_id");
  plan.implant_file = in.at("implant").at("file");
  plan.implant_sha256 = in.at("implant").at("sha256");
  plan.pose = poseOf(in.at("pose"), path);
  if (in.contains("insertion"))
    plan.insertion = unitVector(in["insertion"].at("direction"), path, "the insertion's direction");
  for (const json& screw : in.at("screws")) plan.screws.push_back(screwOf(screw, path));
  for (const auto& [name, point] : in.at("landmarks").items()) plan.landmarks[name] = vectorOf(point);
  return plan;
}

}  // namespace osteo::design_scaffold
