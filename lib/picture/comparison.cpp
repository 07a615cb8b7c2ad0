#include "picture/comparison.h"

#include <Eigen/Geometry>
#include <algorithm>

#include "picture/render.h"

namespace osteo::picture {
namespace {

/// Still and moved in alternating cubes: edges that go on across them lie on one another.
image::CtVolume checkered(const image::CtVolume& still, image::CtVolume moved) {
  const int edge = std::max(4, still.frame.size.maxCoeff() / 8);
  for (int k = 0, at = 0; k < still.frame.size[2]; ++k)
    for (int j = 0; j < still.frame.size[1]; ++j)
      for (int i = 0; i < still.frame.size[0]; ++i, ++at)
        if ((i / edge + j / edge + k / edge) % 2 == 0) moved.voxels[at] = still.voxels[at];
  return moved;
}

}  // namespace

Canvas slicesAt(const image::CtVolume& ct, const image::LabelVolume& labels, const Eigen::Vector3d& at_mm) {
  const Eigen::Vector3i at = ct.frame.toIndex(at_mm).array().round().cast<int>();
  std::vector<Canvas> views;
  for (int axis = 0; axis < 3; ++axis) {
    const int slice = std::clamp(at[axis], 0, ct.frame.size[axis] - 1);
    views.push_back(renderSlice(ct, nullptr, axis, slice, -300, 1700));
    views.push_back(renderSlice(ct, &labels, axis, slice, -300, 1700));
  }
  return tile(views, {"sagittal", "labels", "coronal", "labels", "axial", "labels"}, 2);
}

Canvas checkerboards(const image::CtVolume& still, const std::function<image::CtVolume(int)>& moved) {
  std::vector<float> values = still.voxels;
  const auto quantile = [&](double share) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return static_cast<double>(*at);
  };
  const double low = quantile(0.02), high = std::max(quantile(0.995), low + 1);
  std::vector<Canvas> parts;
  for (const int stage : {0, 1}) {
    const image::CtVolume both = checkered(still, moved(stage));
    for (int axis = 0; axis < 3; ++axis)
      parts.push_back(
          renderSlice(both, nullptr, axis, still.frame.size[indexAxis(still.frame, axis)] / 2, low, high, 360));
  }
  return tile(parts, {"before", "", "", "after", "", ""}, 3);
}

Shape markers(const std::vector<Eigen::Vector3d>& points) {
  Eigen::AlignedBox3d box;
  for (const auto& p : points) box.extend(p);
  const double radius = std::max(0.5, 0.008 * box.diagonal().norm());
  Shape out{{}, false};
  for (const auto& p : points) {
    const auto first = static_cast<std::uint32_t>(out.mesh.vertices.size());
    for (int v = 0; v < 6; ++v)
      out.mesh.vertices.push_back(p + Eigen::Vector3d::Unit(v / 2) * (v % 2 ? -radius : radius));
    for (std::uint32_t side = 0; side < 8; ++side) {
      const std::uint32_t x = first + side % 2, y = first + 2 + side / 2 % 2, z = first + 4 + side / 4;
      const bool odd = (side % 2 + side / 2 % 2 + side / 4) % 2 == 1;
      out.mesh.triangles.push_back(odd ? mesh::Triangle{x, z, y} : mesh::Triangle{x, y, z});
    }
  }
  return out;
}

Canvas overlays(const Shape& still, const std::function<Shape(int)>& moved) {
  std::vector<Canvas> parts;
  for (const int stage : {0, 1}) {
    const Shape other = moved(stage);
    const bool flip = other.is_mesh && !still.is_mesh;
    std::vector<Actor> actors{{.mesh = &still.mesh}, {.mesh = &other.mesh, .color = {60, 120, 210}}};
    actors[flip ? 1 : 0].opacity = still.is_mesh || other.is_mesh ? 0.6 : 1;
    for (const Eigen::Vector3d& from : {Eigen::Vector3d(-0.6, -1.0, 0.35), Eigen::Vector3d(1.0, -0.3, 0.2)})
      parts.push_back(render(actors, {.from = from, .width_px = 560, .height_px = 420}));
  }
  return tile(parts, {"before", "", "after", ""}, 2);
}

}  // namespace osteo::picture
