#pragma once
#include <Eigen/Core>
#include <cmath>

#include "mesh/triangle_mesh.h"

/// Closed meshes with known measures for the tests.
namespace osteo::test {

inline mesh::TriangleMesh cube(double side, const Eigen::Vector3d& corner) {
  mesh::TriangleMesh m;
  for (int i = 0; i < 8; ++i) m.vertices.push_back(corner + side * Eigen::Vector3d(i & 1, (i >> 1) & 1, (i >> 2) & 1));
  m.triangles = {{0, 2, 1}, {1, 2, 3}, {4, 5, 6}, {5, 7, 6}, {0, 1, 4}, {1, 5, 4},
                 {2, 6, 3}, {3, 6, 7}, {0, 4, 2}, {2, 4, 6}, {1, 3, 5}, {3, 7, 5}};
  return m;
}

/// Triangles of a grid of nu × nv points that closes in both directions.
inline void closeGrid(mesh::TriangleMesh& m, std::uint32_t nu, std::uint32_t nv) {
  for (std::uint32_t u = 0; u < nu; ++u)
    for (std::uint32_t v = 0; v < nv; ++v) {
      const std::uint32_t a = u * nv + v, b = (u + 1) % nu * nv + v, c = (u + 1) % nu * nv + (v + 1) % nv,
                          d = u * nv + (v + 1) % nv;
      m.triangles.push_back({a, b, c});
      m.triangles.push_back({a, c, d});
    }
}

inline mesh::TriangleMesh torus(double major, double minor, std::uint32_t nu, std::uint32_t nv) {
  mesh::TriangleMesh m;
  for (std::uint32_t u = 0; u < nu; ++u)
    for (std::uint32_t v = 0; v < nv; ++v) {
      const double p = 2 * M_PI * u / nu, q = 2 * M_PI * v / nv, r = major + minor * std::cos(q);
      m.vertices.push_back({r * std::cos(p), r * std::sin(p), minor * std::sin(q)});
    }
  closeGrid(m, nu, nv);
  return m;
}

/// Latitude-longitude sphere with n rings and 2n meridians.
inline mesh::TriangleMesh sphere(double radius, std::uint32_t n, const Eigen::Vector3d& centre) {
  mesh::TriangleMesh m;
  const std::uint32_t w = 2 * n;
  for (std::uint32_t i = 1; i < n; ++i)
    for (std::uint32_t j = 0; j < w; ++j) {
      const double t = M_PI * i / n, p = 2 * M_PI * j / w;
      m.vertices.push_back(centre +
                           radius * Eigen::Vector3d(std::sin(t) * std::cos(p), std::sin(t) * std::sin(p), std::cos(t)));
    }
  const auto top = static_cast<std::uint32_t>(m.vertices.size()), bottom = top + 1;
  m.vertices.push_back(centre + Eigen::Vector3d(0, 0, radius));
  m.vertices.push_back(centre - Eigen::Vector3d(0, 0, radius));
  for (std::uint32_t j = 0; j < w; ++j) {
    const std::uint32_t k = (j + 1) % w, last = (n - 2) * w;
    m.triangles.push_back({top, j, k});
    m.triangles.push_back({bottom, last + k, last + j});
    for (std::uint32_t i = 0; i + 2 < n; ++i) {
      m.triangles.push_back({i * w + j, (i + 1) * w + j, (i + 1) * w + k});
      m.triangles.push_back({i * w + j, (i + 1) * w + k, i * w + k});
    }
  }
  return m;
}

}  // namespace osteo::test
