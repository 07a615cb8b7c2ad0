#include "reconstruct/report.h"

#include <Eigen/Geometry>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/statistics.h"
#include "mesh/measures.h"
#include "picture/render.h"

namespace osteo::reconstruct {

using nlohmann::json;

namespace {

json list(const Eigen::Vector3d& v) { return {v[0], v[1], v[2]}; }

json hundredths(const Eigen::Vector3d& v) { return list((100 * v).array().round() / 100); }

/// A thin tube along a closed curve.
mesh::TriangleMesh tube(const std::vector<Eigen::Vector3d>& curve, double radius_mm) {
  constexpr std::uint32_t kSides = 6;
  mesh::TriangleMesh out;
  const auto n = static_cast<std::uint32_t>(curve.size());
  Eigen::Vector3d across = Eigen::Vector3d::UnitX();
  for (std::uint32_t i = 0; i < n; ++i) {
    const Eigen::Vector3d along = (curve[(i + 1) % n] - curve[(i + n - 1) % n]).normalized();
    across -= across.dot(along) * along;  // the last one, so that the tube is not twisted
    across = across.norm() > 0.1 ? across.normalized() : along.unitOrthogonal();
    const Eigen::Vector3d up = along.cross(across);
    for (std::uint32_t k = 0; k < kSides; ++k) {
      const double angle = 2 * M_PI * k / kSides;
      out.vertices.emplace_back(curve[i] + radius_mm * (std::cos(angle) * across + std::sin(angle) * up));
      const std::uint32_t a = i * kSides + k, b = i * kSides + (k + 1) % kSides, c = (a + kSides) % (n * kSides),
                          d = (b + kSides) % (n * kSides);
      out.triangles.push_back({a, b, d});
      out.triangles.push_back({a, d, c});
    }
  }
  return out;
}

}  // namespace

json describe(const mesh::TriangleMesh& mesh, const SurfaceReport& report, double voxel_mm) {
  json r;
  const mesh::Topology topology = mesh::topology(mesh);
  r["voxel_mm"] = voxel_mm;
  r["volume_mm3"] = mesh::volume_mm3(mesh);
  r["area_mm2"] = mesh::area_mm2(mesh);
  r["components"] = report.components;
  r["dust_removed"] = report.dust_removed;
  r["dust_removed_mm3"] = report.dust_mm3;
  r["cavities_filled"] = report.cavities_filled;
  r["edge_blur_sigma_mm"] = report.blur_sigma_mm;
  r["triangles"] = mesh.triangles.size();
  r["closed"] = topology.closed();
  return r;
}

json describe(const mesh::TriangleMesh& mesh) {
  return {{"volume_mm3", mesh::volume_mm3(mesh)},
          {"area_mm2", mesh::area_mm2(mesh)},
          {"triangles", mesh.triangles.size()},
          {"closed", mesh::topology(mesh).closed()}};
}

json leaveOut(const std::optional<Flap>& flap, levelset::LevelSet& bone, mesh::TriangleMesh& surface) {
  if (!flap) return json::object();
  bone = flap->host;
  surface = levelset::toMesh(bone);
  return describe(surface);
}

json describe(const CompletionReport& report) {
  json r;
  r["defect"] = {{"method", report.method},
                 {"volume_mm3", report.piece.volume_mm3},
                 {"centre_mm", list(report.piece.centre_mm)},
                 {"normal", list(report.piece.normal)},
                 {"outer_area_mm2", report.piece.outer_area_mm2},
                 {"rim_length_mm", report.piece.rim_length_mm},
                 {"depth_mm", report.piece.depth_mm},
                 {"free_share", report.free_share},
                 {"rim_step_mm", report.rim_step_mm},
                 {"rim_step_p95_mm", report.rim_step_p95_mm},
                 {"expected_error_mm", report.expected_error_mm}};
  for (const Eigen::Vector3d& p : report.piece.rim_mm) r["defect"]["rim_mm"].push_back(hundredths(p));
  for (const Trial& t : report.trials) {
    json& trial = r["methods"][t.method];
    if (!t.failure.empty()) {
      trial["failed"] = t.failure;
      continue;
    }
    trial = {{"volume_mm3", t.piece.volume_mm3},
             {"rim_offset_before_mm", t.rim.before_mm},
             {"rim_points", t.rim.points},
             {"open_edge_share", t.open_share},
             {"hidden_ring_mm", t.rim.hidden_width_mm},
             {"hidden_ring_rms_mm", t.rim.hidden_error_mm},
             {"hidden_ring_p95_mm", t.rim.hidden_p95_mm}};
  }
  if (report.flap) {
    r["flap"] = {{"volume_mm3", report.flap->volume_mm3},
                 {"centre_mm", list(report.flap->centre_mm)},
                 {"open_edge_share", report.flap->open_share}};
  }
  if (report.mirror) {
    const auto& plane = report.mirror->plane;
    r["mirror_plane"] = {{"normal", list(plane.normal)},
                         {"offset_mm", plane.offset_mm},
                         {"inlier_share", plane.inlier_share},
                         {"residual_mm", plane.residual_mm},
                         {"candidates", report.mirror->candidates},
                         {"rim_fit_shift_mm", report.mirror->local_shift_mm},
                         {"rim_fit_turn_deg", report.mirror->local_turn_deg}};
  }
  if (report.shape) {
    r["shape_model"] = {{"residual_mm", report.shape->residual_mm},
                        {"inlier_share", report.shape->inlier_share},
                        {"missing_share", report.shape->missing_share},
                        {"reflected", report.shape->reflected}};
  }
  return r;
}

picture::Canvas draw(const mesh::TriangleMesh& bone, const mesh::TriangleMesh& defect,
                     const std::vector<Eigen::Vector3d>& rim) {
  Eigen::Vector3d side(1, -1, 0.5);
  if (!defect.triangles.empty()) {
    const mesh::Bounds piece = mesh::bounds(defect), all = mesh::bounds(bone);
    side = (piece.min + piece.max - all.min - all.max).normalized() + Eigen::Vector3d(0, -0.3, 0.2);
  }
  const mesh::TriangleMesh line = tube(rim, 0.5);
  const std::vector<picture::Actor> actors = {
      {.mesh = &bone}, {.mesh = &defect, .color = {214, 84, 60}}, {.mesh = &line, .color = {40, 70, 160}}};
  std::vector<picture::Canvas> views;
  for (const Eigen::Vector3d& from : {Eigen::Vector3d(-0.5, -1, 0.3), side}) {
    picture::View view;
    view.from = from;
    views.push_back(picture::render(actors, view));
  }
  return picture::tile(
      views, {"from the front right", defect.triangles.empty() ? "from the front left" : "from the defect's side"}, 2);
}

picture::Canvas drawCortex(const mesh::TriangleMesh& bone, const mesh::TriangleMesh& outer,
                           const std::vector<float>& thickness_mm) {
  const double high = core::quantile({thickness_mm.begin(), thickness_mm.end()}, 0.98);
  const std::vector<picture::Actor> plain = {{.mesh = &bone}},
                                    coloured = {{.mesh = &outer, .scalars = thickness_mm, .low = 0, .high = high}};
  std::vector<picture::Canvas> views;
  picture::View view;
  view.from = {-0.5, -1, 0.3};
  views.push_back(picture::render(plain, view));
  view.from = {1, -1, 0.5};
  views.push_back(picture::render(plain, view));
  view.from = {-0.5, -1, 0.3};
  view.scalar_title = "cortex, mm";
  views.push_back(picture::render(coloured, view));
  return picture::tile(views, {"from the front right", "from the front left", "cortical thickness"}, 3);
}

picture::Canvas draw(const mesh::TriangleMesh& surface, const std::vector<float>& distance_mm, double gap_mm) {
  const std::vector<picture::Actor> actors = {{.mesh = &surface, .scalars = distance_mm, .low = 0, .high = 2 * gap_mm}};
  std::vector<picture::Canvas> views;
  for (const Eigen::Vector3d& from : {Eigen::Vector3d(-0.5, -1, 0.3), Eigen::Vector3d(0.5, 1, -0.3)}) {
    picture::View view;
    view.from = from;
    view.scalar_title = "to the points, mm";
    views.push_back(picture::render(actors, view));
  }
  return picture::tile(views, {"from the front right", "from behind"}, 2);
}

}  // namespace osteo::reconstruct
