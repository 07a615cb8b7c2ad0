#pragma once
#include <array>
#include <cmath>
#include <map>

#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"
#include "slice_print/job.h"

/// Shapes with known measures for the tests of slicing.
namespace shapes {

using osteo::mesh::TriangleMesh;

inline void addBox(TriangleMesh& mesh, const Eigen::Vector3d& low, const Eigen::Vector3d& high) {
  const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
  for (int n = 0; n < 8; ++n) {
    mesh.vertices.emplace_back(n & 1 ? high.x() : low.x(), n & 2 ? high.y() : low.y(), n & 4 ? high.z() : low.z());
  }
  constexpr std::uint32_t kQuads[6][4] = {{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4},
                                          {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}};
  for (const auto& q : kQuads) {
    mesh.triangles.push_back({base + q[0], base + q[1], base + q[2]});
    mesh.triangles.push_back({base + q[0], base + q[2], base + q[3]});
  }
}

inline TriangleMesh box(const Eigen::Vector3d& low, const Eigen::Vector3d& high) {
  TriangleMesh mesh;
  addBox(mesh, low, high);
  return mesh;
}

/// Sphere of rings of latitude and longitude; vertices lie on the sphere.
inline TriangleMesh sphere(double radius, const Eigen::Vector3d& centre, std::uint32_t rings, std::uint32_t sectors) {
  TriangleMesh mesh;
  mesh.vertices.push_back(centre - Eigen::Vector3d(0, 0, radius));
  for (std::uint32_t r = 1; r < rings; ++r) {
    const double theta = M_PI * r / rings;
    for (std::uint32_t s = 0; s < sectors; ++s) {
      const double phi = 2 * M_PI * s / sectors;
      mesh.vertices.push_back(centre + radius * Eigen::Vector3d(std::sin(theta) * std::cos(phi),
                                                                std::sin(theta) * std::sin(phi), -std::cos(theta)));
    }
  }
  mesh.vertices.push_back(centre + Eigen::Vector3d(0, 0, radius));
  const auto at = [&](std::uint32_t r, std::uint32_t s) { return 1 + (r - 1) * sectors + s % sectors; };
  const auto top = static_cast<std::uint32_t>(mesh.vertices.size() - 1);
  for (std::uint32_t s = 0; s < sectors; ++s) {
    mesh.triangles.push_back({0, at(1, s + 1), at(1, s)});
    mesh.triangles.push_back({top, at(rings - 1, s), at(rings - 1, s + 1)});
    for (std::uint32_t r = 1; r + 1 < rings; ++r) {
      mesh.triangles.push_back({at(r, s), at(r, s + 1), at(r + 1, s + 1)});
      mesh.triangles.push_back({at(r, s), at(r + 1, s + 1), at(r + 1, s)});
    }
  }
  return mesh;
}

inline double gyroid(const Eigen::Vector3d& p, double cell) {
  const Eigen::Vector3d q = p * (2 * M_PI / cell);
  return std::sin(q.x()) * std::cos(q.y()) + std::sin(q.y()) * std::cos(q.z()) + std::sin(q.z()) * std::cos(q.x());
}

/// Network gyroid G < −0.3 in a cube with one corner at 0; volume fraction 0.403276.
inline osteo::levelset::LevelSet gyroidCube(double side, double cell, double voxel) {
  const auto f = [=](const Eigen::Vector3d& p) {
    const double box = (p - Eigen::Vector3d::Constant(side / 2)).cwiseAbs().maxCoeff() - side / 2;
    return std::max((gyroid(p, cell) + 0.3) * cell / (2 * M_PI), box);
  };
  return osteo::levelset::fromFunction(f, Eigen::Vector3d::Constant(-3 * voxel),
                                       Eigen::Vector3d::Constant(side + 3 * voxel), voxel);
}

inline osteo::levelset::LevelSet sphereLevelSet(double radius, const Eigen::Vector3d& centre, double voxel) {
  const Eigen::Vector3d margin = Eigen::Vector3d::Constant(radius + 4 * voxel);
  return osteo::levelset::fromFunction([=](const Eigen::Vector3d& p) { return (p - centre).norm() - radius; },
                                       centre - margin, centre + margin, voxel);
}

inline osteo::slice_print::Ring circle(double radius, const osteo::slice_print::Point& centre, int n,
                                       bool hole = false) {
  osteo::slice_print::Ring ring;
  for (int i = 0; i < n; ++i) {
    const double phi = (hole ? -2 : 2) * M_PI * i / n;
    ring.emplace_back(centre.x() + radius * std::cos(phi), centre.y() + radius * std::sin(phi));
  }
  return ring;
}

/// All slices of a part.
inline std::vector<osteo::slice_print::Rings> slices(const osteo::slice_print::Part& part,
                                                     const osteo::slice_print::Stack& stack) {
  std::vector<osteo::slice_print::Rings> rings(static_cast<std::size_t>(stack.layers));
  part.slicer(stack)(0, stack.layers, rings.data());
  return rings;
}

inline double volume_mm3(const std::vector<osteo::slice_print::Rings>& slices, double layer_mm) {
  double volume = 0;
  for (const auto& rings : slices) volume += osteo::slice_print::area_mm2(rings) * layer_mm;
  return volume;
}

inline osteo::slice_print::JobWriter discard() {
  return {[](const osteo::slice_print::Layer&) { return std::string(); }, [](const std::string&) {}, [] {}};
}

}  // namespace shapes
