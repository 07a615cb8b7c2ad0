#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "lib/mesh/shapes.h"
#include "mesh/measures.h"
#include "mesh/simplify.h"

using namespace osteo::mesh;
using Eigen::Vector3d;

TEST_CASE("simplifying keeps a closed manifold, its genus and the stated deviation") {
  for (const bool ring : {false, true}) {
    const TriangleMesh mesh = ring ? osteo::test::torus(20, 6, 240, 90) : osteo::test::sphere(20, 90, {3, -4, 5});
    for (const double most : {0.02, 0.1, 0.5}) {
      MeshChange change;
      const TriangleMesh fewer = simplify(mesh, {.max_deviation_mm = most}, change);
      const Topology topology = osteo::mesh::topology(fewer);
      WARN((ring ? "torus " : "sphere ") << most << " mm: " << change.triangles_before << " to "
                                         << change.triangles_after << ", deviation " << change.max_deviation_mm
                                         << " mm, volume " << 100 * (volume_mm3(fewer) / volume_mm3(mesh) - 1) << " %");
      CHECK(topology.closed());
      CHECK(topology.degenerate_triangles == 0);
      CHECK(topology.euler_characteristic == (ring ? 0 : 2));
      CHECK(change.max_deviation_mm <= most);
      CHECK(maxDeviation_mm(fewer, mesh) <= most);
      CHECK(change.triangles_after < change.triangles_before / 2);
      CHECK(volume_mm3(fewer) == Approx(volume_mm3(mesh)).epsilon(0.05 * most));
    }
  }
}

TEST_CASE("protected vertices stay where they are") {
  const TriangleMesh mesh = osteo::test::sphere(20, 60, Vector3d::Zero());
  SimplifyOptions options{.max_deviation_mm = 0.5};
  for (const auto& v : mesh.vertices) options.tolerance_mm.push_back(std::abs(v.z() - 10) < 1 ? 0.0F : 1e3F);
  MeshChange change;
  const TriangleMesh fewer = simplify(mesh, options, change);
  CHECK(change.triangles_after < change.triangles_before / 3);
  for (const auto& v : mesh.vertices) {
    if (std::abs(v.z() - 10) >= 1) continue;
    const Vector3d kept = v.cast<float>().cast<double>();
    CHECK(std::find(fewer.vertices.begin(), fewer.vertices.end(), kept) != fewer.vertices.end());
  }
}

TEST_CASE("remeshing keeps the vertices that it is told to") {
  const TriangleMesh mesh = osteo::test::sphere(20, 40, Vector3d::Zero());
  std::vector<char> kept;
  for (const auto& v : mesh.vertices) kept.push_back(std::abs(v.z() - 10) < 1 ? 1 : 0);
  MeshChange change;
  const TriangleMesh even = remesh(mesh, 3, change, kept);
  CHECK(topology(even).closed());
  CHECK(even.vertices.size() < mesh.vertices.size() / 2);
  for (std::size_t v = 0; v < kept.size(); ++v) {
    if (kept[v] == 0) continue;
    const Vector3d place = mesh.vertices[v].cast<float>().cast<double>();
    CHECK(std::find(even.vertices.begin(), even.vertices.end(), place) != even.vertices.end());
  }
}

TEST_CASE("simplifying leaves borders alone, and an empty mesh empty") {
  TriangleMesh mesh = osteo::test::sphere(20, 40, Vector3d::Zero());
  const auto above = [&](const Triangle& t) { return mesh.vertices[t[0]].z() > 3; };
  mesh.triangles.erase(std::remove_if(mesh.triangles.begin(), mesh.triangles.end(), above), mesh.triangles.end());
  MeshChange change;
  const TriangleMesh fewer = simplify(mesh, {.max_deviation_mm = 0.3}, change);
  CHECK(topology(fewer).boundary_edges == topology(mesh).boundary_edges);
  CHECK(topology(fewer).nonmanifold_edges == 0);
  CHECK(simplify({}, {.max_deviation_mm = 0.3}, change).triangles.empty());
}

TEST_CASE("remeshing gives even triangles on the same surface") {
  for (const double edge : {1.0, 2.5}) {
    const TriangleMesh mesh = osteo::test::torus(20, 6, 120, 60);
    MeshChange change;
    const TriangleMesh even = remesh(mesh, edge, change);
    const Topology topology = osteo::mesh::topology(even);
    CHECK(topology.closed());
    CHECK(topology.euler_characteristic == 0);
    double sum = 0, smallest = 180;
    std::int64_t close = 0;
    for (const auto& t : even.triangles) {
      for (int k = 0; k < 3; ++k) {
        const Vector3d p = even.vertices[t[k]], u = even.vertices[t[(k + 1) % 3]] - p,
                       v = even.vertices[t[(k + 2) % 3]] - p;
        sum += u.norm();
        close += u.norm() > 0.6 * edge && u.norm() < 1.4 * edge ? 1 : 0;
        smallest = std::min(smallest, std::acos(u.normalized().dot(v.normalized())) * 180 / M_PI);
      }
    }
    const double count = 3.0 * static_cast<double>(even.triangles.size());
    WARN("edge " << edge << " mm: mean " << sum / count << " mm, smallest angle " << smallest << " deg, deviation "
                 << change.max_deviation_mm << " mm, triangles " << change.triangles_after);
    CHECK(sum / count == Approx(edge).epsilon(0.15));
    CHECK(static_cast<double>(close) / count > 0.98);
    CHECK(smallest > 20);
    CHECK(change.max_deviation_mm < 0.2 * edge);
  }
}

TEST_CASE("simplifying and remeshing are the same for any thread count") {
  const TriangleMesh mesh = osteo::test::torus(20, 6, 80, 40);
  const auto build = [&] {
    MeshChange change;
    return remesh(simplify(mesh, {.max_deviation_mm = 0.2}, change), 2.0, change);
  };
  osteo::core::setThreads(1);
  const auto one = build();
  osteo::core::setThreads(2);
  const auto two = build();
  CHECK(one.vertices == two.vertices);
  CHECK(one.triangles == two.triangles);
}
