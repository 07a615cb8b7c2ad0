#include "registration/drawing.h"

#include <Eigen/Geometry>
#include <algorithm>

#include "picture/render.h"
#include "registration/request.h"

namespace osteo::registration {
namespace {

/// Fixed and moving in alternating cubes: edges that go on across them lie on one another.
image::CtVolume checkered(const image::CtVolume& fixed, image::CtVolume moved) {
  const int edge = std::max(4, fixed.frame.size.maxCoeff() / 8);
  for (int k = 0, at = 0; k < fixed.frame.size[2]; ++k)
    for (int j = 0; j < fixed.frame.size[1]; ++j)
      for (int i = 0; i < fixed.frame.size[0]; ++i, ++at)
        if ((i / edge + j / edge + k / edge) % 2 == 0) moved.voxels[at] = fixed.voxels[at];
  return moved;
}

picture::Canvas drawImages(const image::CtVolume& fixed, const image::CtVolume& moving,
                           const std::array<Transform, 2>& stages) {
  std::vector<float> values = fixed.voxels;
  const auto quantile = [&](double share) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return static_cast<double>(*at);
  };
  const double low = quantile(0.02), high = std::max(quantile(0.995), low + 1);
  std::vector<picture::Canvas> parts;
  for (const auto& stage : stages) {
    const image::CtVolume both = checkered(fixed, resampleOnto(fixed, moving, stage));
    for (int axis = 0; axis < 3; ++axis)
      parts.push_back(picture::renderSlice(
          both, nullptr, axis, fixed.frame.size[picture::indexAxis(fixed.frame, axis)] / 2, low, high, 360));
  }
  return picture::tile(parts, {"before", "", "", "after", "", ""}, 3);
}

/// A mesh as it is; points as small octahedra.
mesh::TriangleMesh visible(const Geometry& shape) {
  if (shape.kind == Kind::Mesh) return shape.mesh;
  Eigen::AlignedBox3d box;
  for (const auto& p : shape.points) box.extend(p);
  const double radius = std::max(0.5, 0.008 * box.diagonal().norm());
  mesh::TriangleMesh out;
  for (const auto& p : shape.points) {
    const auto first = static_cast<std::uint32_t>(out.vertices.size());
    for (int v = 0; v < 6; ++v) out.vertices.push_back(p + Eigen::Vector3d::Unit(v / 2) * (v % 2 ? -radius : radius));
    for (std::uint32_t side = 0; side < 8; ++side) {
      const std::uint32_t x = first + side % 2, y = first + 2 + side / 2 % 2, z = first + 4 + side / 4;
      const bool odd = (side % 2 + side / 2 % 2 + side / 4) % 2 == 1;
      out.triangles.push_back(odd ? mesh::Triangle{x, z, y} : mesh::Triangle{x, y, z});
    }
  }
  return out;
}

picture::Canvas drawShapes(const Geometry& fixed, const Geometry& moving, const std::array<Transform, 2>& stages) {
  const mesh::TriangleMesh still = visible(fixed);
  std::vector<picture::Canvas> parts;
  for (const auto& stage : stages) {
    const mesh::TriangleMesh moved = visible(moveOnto(fixed, moving, stage));
    const bool flip = moving.kind == Kind::Mesh && fixed.kind != Kind::Mesh;
    std::vector<picture::Actor> actors{{.mesh = &still}, {.mesh = &moved, .color = {60, 120, 210}}};
    actors[flip ? 1 : 0].opacity = fixed.kind == moving.kind && moving.kind == Kind::Points ? 1 : 0.6;
    for (const Eigen::Vector3d& from : {Eigen::Vector3d(-0.6, -1.0, 0.35), Eigen::Vector3d(1.0, -0.3, 0.2)})
      parts.push_back(picture::render(actors, {.from = from, .width_px = 560, .height_px = 420}));
  }
  return picture::tile(parts, {"before", "", "after", ""}, 2);
}

}  // namespace

picture::Canvas draw(const Geometry& fixed, const Geometry& moving, const std::array<Transform, 2>& stages) {
  return fixed.kind == Kind::Image ? drawImages(fixed.image, moving.image, stages) : drawShapes(fixed, moving, stages);
}

}  // namespace osteo::registration
