#include "simulate/drawing.h"

#include <fmt/format.h>

#include <algorithm>

#include "picture/render.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
constexpr double kAutomaticShare = 0.05;  // of the box's diagonal
constexpr double kGhostOpacity = 0.3;

double automaticWarp(const Study& study, const std::vector<Vector3d>& displacement_mm) {
  double furthest = 0;
  for (const auto& u : displacement_mm) furthest = std::max(furthest, u.norm());
  const ModelBox box = modelBox(study.model());
  return furthest > 0 ? kAutomaticShare * (box.max_mm - box.min_mm).norm() / furthest : 0;
}

/// The undeformed shape behind everything, as the eye sees it: its outline shows and the colours stay as they are.
mesh::TriangleMesh behind(mesh::TriangleMesh mesh, const Vector3d& from, double far_mm) {
  for (auto& v : mesh.vertices) v -= far_mm * from.normalized();
  return mesh;
}

}  // namespace

picture::Canvas drawDeformed(const Study& study, const Study::Solved& solved, const std::string& case_name,
                             std::optional<double> warp) {
  const auto surface = study.surface(solved.elements.von_mises, solved.displacement_mm);
  const double factor = warp.value_or(automaticWarp(study, surface.displacement_mm));
  auto moved = surface.mesh;
  for (std::size_t v = 0; v < moved.vertices.size(); ++v) moved.vertices[v] += factor * surface.displacement_mm[v];
  picture::Actor deformed, ghost;
  deformed.mesh = &moved;
  deformed.scalars = surface.values;
  deformed.high = std::max(1e-6, percentile(solved.elements.von_mises, 0.98));
  ghost.color = {150, 150, 150};
  ghost.opacity = kGhostOpacity;
  const ModelBox box = modelBox(study.model());
  double far_mm = 2 * (box.max_mm - box.min_mm).norm();
  for (const auto& u : surface.displacement_mm) far_mm = std::max(far_mm, 2 * factor * u.norm());
  picture::View view;
  view.caption =
      fmt::format("case {}, {}", case_name, factor == 0 ? "undeformed" : fmt::format("displacements x {:.3g}", factor));
  view.scalar_title = "von Mises, MPa";
  std::vector<picture::Canvas> views;
  for (const Vector3d& from : {Vector3d(-0.6, -1.0, 0.35), Vector3d(0.6, 1.0, 0.6)}) {
    view.from = from;
    const auto shape = behind(surface.mesh, from, far_mm);
    ghost.mesh = &shape;
    views.push_back(picture::render({deformed, ghost}, view));
  }
  return picture::tile(views, {"from the front", "from behind"}, 2);
}

}  // namespace osteo::simulate
