#include <Eigen/Dense>
#include <algorithm>

#include "core/error.h"
#include "levelset/components.h"
#include "mesh/closest.h"
#include "mesh/measures.h"
#include "reconstruct/cortex.h"
#include "reconstruct/vertex_graph.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Vector3d;

constexpr double kStrictly = 0.3;  ///< voxels that the inner surface keeps from the bone's

/// A value at the vertices, at a point of one of the triangles.
double interpolated(const mesh::TriangleMesh& mesh, const std::vector<float>& values,
                    const mesh::ClosestPoint::Hit& hit) {
  const mesh::Triangle& t = mesh.triangles[hit.triangle];
  const Vector3d a = mesh.vertices[t[0]], b = mesh.vertices[t[1]], c = mesh.vertices[t[2]];
  const Vector3d across = (b - a).cross(c - a);
  const double twice2 = across.squaredNorm();
  if (twice2 <= 0) return values[t[0]];
  const double wb = (hit.point - a).cross(c - a).dot(across) / twice2,
               wc = (b - a).cross(hit.point - a).dot(across) / twice2;
  return (1 - wb - wc) * values[t[0]] + wb * values[t[1]] + wc * values[t[2]];
}

/// Without its small pieces and cavities; throws where nothing is left.
levelset::LevelSet cleaned(const levelset::LevelSet& inner, double dust_mm3, const std::string& frame_id) {
  using levelset::Components;
  const auto keep = [&](const levelset::Piece& piece) { return piece.reaches_border || piece.volume_mm3 >= dust_mm3; };
  levelset::LevelSet out = Components(inner, Components::Side::Inside).filtered(keep, false);
  if (out.empty()) {
    throw core::Error(core::Exit::DataError,
                      {.what = "nothing is left inside the cortex: it fills the bone, as far as the scan can tell",
                       .hint = "lower --dust-mm3, or leave --inner and --inner-mesh out"});
  }
  out = levelset::redistance(Components(out, Components::Side::Outside).filtered(keep, false));
  if (!frame_id.empty()) out.setMeta("frame_id", frame_id);
  return out;
}

}  // namespace

levelset::LevelSet innerSurface(const levelset::LevelSet& bone, const mesh::TriangleMesh& surface, const Cortex& cortex,
                                double dust_mm3) {
  constexpr double kSmoothing_mm = 1;
  const VertexGraph graph(surface);
  std::vector<float> depth(cortex.thickness_mm.size());
  std::transform(cortex.thickness_mm.begin(), cortex.thickness_mm.end(), cortex.outer_shift_mm.begin(), depth.begin(),
                 [](float thickness, float shift) { return thickness - shift; });
  const double passes = std::pow(kSmoothing_mm / (0.65 * graph.edge_mm()), 2);
  depth = graph.averaged(std::move(depth), static_cast<int>(std::clamp(passes, 1.0, 20.0)));
  const double voxel = bone.voxel_mm(), least = kStrictly * voxel;
  for (float& d : depth) d = std::max(d, static_cast<float>(least));
  const auto range = std::minmax_element(depth.begin(), depth.end());
  const double low = *range.first, high = *range.second;
  const mesh::ClosestPoint nearest(surface);
  const auto value = [&](const Vector3d& p) {
    if (levelset::sample(bone, p) >= 0) return voxel;
    const auto hit = nearest(p);
    return interpolated(surface, depth, hit) - hit.distance_mm;
  };
  const auto certain = [&](const Vector3d& centre, double radius) {
    const double distance = nearest(centre).distance_mm;
    const bool inside = levelset::sample(bone, centre) < 0;
    if (inside ? distance + radius < low : distance > radius) return voxel;
    return inside && distance - radius > high ? -voxel : 0.0;
  };
  const mesh::Bounds box = mesh::bounds(surface);
  return cleaned(levelset::fromFunction(value, box.min, box.max, voxel, certain), dust_mm3, bone.frameId());
}

levelset::LevelSet innerSurface(const levelset::LevelSet& bone, const image::LabelVolume& labels,
                                const SurfaceOptions& options) {
  const auto& voxels = labels.voxels;
  const auto holds = [&](std::uint16_t value) {
    return std::find(voxels.begin(), voxels.end(), value) != voxels.end();
  };
  if (!holds(image::Cortical) || !holds(image::Cancellous)) {
    throw core::Error(core::Exit::DataError, {.what = "the labels don't tell cortical from cancellous bone",
                                              .expected = "voxels labelled 1 and 2",
                                              .hint = "give --ct: the inner surface is then found in the grey values"});
  }
  const image::CtVolume distance = levelset::sampleOnto(bone, labels.frame);
  image::LabelVolume inside(labels.frame);
  bool any = false;
  for (std::size_t i = 0; i < voxels.size(); ++i) {
    inside.voxels[i] = distance.voxels[i] < 0 && voxels[i] != image::Cortical ? 1 : 0;
    any = any || inside.voxels[i] != 0;
  }
  if (!any) {
    throw core::Error(core::Exit::DataError, {.what = "all of the bone is labelled cortical: it has no inner surface"});
  }
  SurfaceOptions inner = options;
  inner.labels = {1};
  SurfaceReport report;
  const levelset::LevelSet surface = boneSurface(inside, nullptr, inner, report);
  return cleaned(levelset::intersect(surface, levelset::offset(bone, -kStrictly * bone.voxel_mm())), options.dust_mm3,
                 bone.frameId());
}

}  // namespace osteo::reconstruct
