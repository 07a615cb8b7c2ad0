#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "simulate/study.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
using Eigen::Vector3i;

/// Values on the grid's voxels, −1 where there is no element.
image::CtVolume onGrid(const VoxelModel& model, const std::vector<float>& values) {
  image::CtVolume grid(model.frame, -1.0F);
  forEachElement(model, [&](std::int64_t e, int i, int j, int k, const auto&) { grid.at(i, j, k) = values[e]; });
  return grid;
}

/// Mean of the elements around a point, weighted by nearness; the search widens until it meets one.
float around(const image::CtVolume& grid, const Vector3d& point_mm) {
  const Vector3d index = grid.frame.toIndex(point_mm);
  for (int reach = 1; reach <= 4; ++reach) {
    double sum = 0, weight = 0;
    Vector3i low, high;
    for (int c = 0; c < 3; ++c) {
      low[c] = std::max(0, static_cast<int>(std::ceil(index[c] - reach)));
      high[c] = std::min(grid.frame.size[c] - 1, static_cast<int>(std::floor(index[c] + reach)));
    }
    for (int k = low[2]; k <= high[2]; ++k)
      for (int j = low[1]; j <= high[1]; ++j)
        for (int i = low[0]; i <= high[0]; ++i) {
          const float value = grid.at(i, j, k);
          if (value < 0) continue;
          const Vector3d d = (Vector3d(i, j, k) - index).cwiseAbs() / reach;
          const double w = (1 - d[0]) * (1 - d[1]) * (1 - d[2]) + 1e-6;
          sum += w * value;
          weight += w;
        }
    if (weight > 0) return static_cast<float>(sum / weight);
  }
  return 0;
}

/// Displacement at a point in LPS: trilinear between the nodes of the cell that holds it. Where some of them are
/// missing the others stand in for them; the search widens until it meets one.
Vector3d displacementAt(const VoxelModel& model, const Field& u, const Vector3d& point_mm) {
  const auto stride = static_cast<std::int64_t>(u.size() / 3);
  const Vector3d index = model.frame.toIndex(point_mm) + Vector3d::Constant(0.5);
  for (int reach = 1; reach <= 5; ++reach) {
    Vector3d sum = Vector3d::Zero();
    double weight = 0;
    const Vector3i low = (index.array() - reach).ceil().cast<int>(), high = (index.array() + reach).floor().cast<int>();
    for (int k = low[2]; k <= high[2]; ++k)
      for (int j = low[1]; j <= high[1]; ++j)
        for (int i = low[0]; i <= high[0]; ++i) {
          const std::int64_t n = model.nodeAt(i, j, k);
          if (n < 0) continue;
          const Vector3d d = (Vector3d(i, j, k) - index).cwiseAbs() / reach;
          const double w = (1 - d[0]) * (1 - d[1]) * (1 - d[2]) + 1e-9;
          sum += w * Vector3d(u[n], u[stride + n], u[2 * stride + n]);
          weight += w;
        }
    if (weight > 1e-3) return model.frame.direction * (sum / weight);
  }
  return Vector3d::Zero();
}

}  // namespace

Study::Surface Study::surface(const std::vector<float>& per_element, const Field& u) const {
  Surface surface;
  auto& mesh = surface.mesh;
  if (body_.level_set) {
    const auto grid = onGrid(model_, per_element);
    mesh = levelset::toMesh(*body_.level_set);
    const auto count = static_cast<std::int64_t>(mesh.vertices.size());
    surface.values.resize(mesh.vertices.size()), surface.displacement_mm.resize(mesh.vertices.size());
    core::parallelFor(count, [&](std::int64_t v) {
      surface.values[v] = around(grid, mesh.vertices[v]);
      surface.displacement_mm[v] = displacementAt(model_, u, mesh.vertices[v]);
    });
    return surface;
  }
  // Each face has its own corners, so that the picture shows the elements as they are.
  const auto stride = static_cast<std::int64_t>(u.size() / 3);
  std::vector<Vector3d> points(static_cast<std::size_t>(model_.nodes));
  forEachNode(model_, [&](std::int64_t n, int i, int j, int k) { points[n] = model_.nodePoint(i, j, k); });
  const bool is_mirrored = model_.frame.direction.determinant() < 0;
  for (const auto& face : scene_->faces()) {
    const auto first = static_cast<std::uint32_t>(mesh.vertices.size());
    for (auto n : face.nodes) {
      mesh.vertices.push_back(points[n]);
      surface.values.push_back(per_element[face.element]);
      surface.displacement_mm.emplace_back(model_.frame.direction * Vector3d(u[n], u[stride + n], u[2 * stride + n]));
    }
    mesh::Triangle a = {first, first + 1, first + 2}, b = {first, first + 2, first + 3};
    if (is_mirrored) std::swap(a[1], a[2]), std::swap(b[1], b[2]);
    mesh.triangles.push_back(a);
    mesh.triangles.push_back(b);
  }
  return surface;
}

}  // namespace osteo::simulate
