#pragma once
#include <cmath>

#include "mesh/triangle_mesh.h"

namespace osteo::registration::test {

/// An egg with a bump and a dent: no turn and no mirror image brings it onto itself. About 60 × 80 × 110 mm.
inline Eigen::Vector3d bumpyPoint(double theta, double phi) {
  const Eigen::Vector3d n(std::sin(theta) * std::cos(phi), std::sin(theta) * std::sin(phi), std::cos(theta));
  const double bump = std::exp(-8 * (n - Eigen::Vector3d(0.8, 0.5, 0.33)).squaredNorm());
  const double dent = std::exp(-10 * (n - Eigen::Vector3d(-0.3, -0.7, 0.64)).squaredNorm());
  const double ridge = 0.06 * std::cos(3 * phi) * std::sin(theta) * (1 + n.z());
  return Eigen::Vector3d(30, 40, 55).cwiseProduct(n) * (1 + 0.45 * bump - 0.3 * dent + ridge);
}

inline mesh::TriangleMesh bumpyMesh(int rings = 48) {
  mesh::TriangleMesh mesh;
  const int around = 2 * rings;
  for (int i = 0; i <= rings; ++i)
    for (int j = 0; j < around; ++j)
      mesh.vertices.push_back(bumpyPoint(M_PI * (i + 0.001) / (rings + 0.002), 2 * M_PI * j / around));
  const auto at = [&](int i, int j) { return static_cast<std::uint32_t>(i * around + j % around); };
  for (int i = 0; i < rings; ++i)
    for (int j = 0; j < around; ++j) {
      mesh.triangles.push_back({at(i, j), at(i + 1, j), at(i + 1, j + 1)});
      mesh.triangles.push_back({at(i, j), at(i + 1, j + 1), at(i, j + 1)});
    }
  return mesh;
}

}  // namespace osteo::registration::test
