#include <catch2/catch.hpp>
#include <cmath>

#include "lib/mesh/shapes.h"
#include "mesh/measures.h"

using namespace osteo::mesh;
using osteo::test::cube;
using osteo::test::sphere;

TEST_CASE("a cube has its volume, area, box and topology") {
  const auto mesh = cube(3.0, {10, -20, 1000});
  CHECK(volume_mm3(mesh) == Approx(27).epsilon(1e-12));
  CHECK(area_mm2(mesh) == Approx(54).epsilon(1e-12));
  const auto box = bounds(mesh);
  CHECK(box.min == Eigen::Vector3d(10, -20, 1000));
  CHECK(box.max == Eigen::Vector3d(13, -17, 1003));
  const auto t = topology(mesh);
  CHECK(t.closed());
  CHECK(t.components == 1);
  CHECK(t.euler_characteristic == 2);
  CHECK(t.degenerate_triangles == 0);
}

TEST_CASE("a fine sphere comes close to its analytic volume and area") {
  const auto mesh = sphere(10, 200, {5, 5, 5});
  CHECK(volume_mm3(mesh) == Approx(4.0 / 3.0 * M_PI * 1000).epsilon(1e-3));
  CHECK(area_mm2(mesh) == Approx(4 * M_PI * 100).epsilon(1e-3));
  CHECK(topology(mesh).euler_characteristic == 2);
}

TEST_CASE("a torus has Euler characteristic 0 and Pappus' volume") {
  const auto mesh = osteo::test::torus(20, 5, 300, 150);
  CHECK(topology(mesh).closed());
  CHECK(topology(mesh).euler_characteristic == 0);
  CHECK(volume_mm3(mesh) == Approx(2 * M_PI * M_PI * 20 * 25).epsilon(1e-3));
}

TEST_CASE("holes, flips, fins and flat triangles are counted") {
  auto open = cube(1, {0, 0, 0});
  open.triangles.pop_back();
  CHECK(topology(open).boundary_edges == 3);
  CHECK_FALSE(topology(open).closed());

  auto flipped = cube(1, {0, 0, 0});
  std::swap(flipped.triangles[0][0], flipped.triangles[0][1]);
  CHECK(topology(flipped).misoriented_edges == 3);

  auto fin = cube(1, {0, 0, 0});
  const auto edge = fin.triangles[0];
  fin.vertices.push_back({5, 5, 5});
  fin.triangles.push_back({edge[0], edge[1], static_cast<std::uint32_t>(fin.vertices.size() - 1)});
  CHECK(topology(fin).nonmanifold_edges == 1);
  CHECK(topology(fin).boundary_edges == 2);

  auto flat = cube(1, {0, 0, 0});
  flat.triangles.push_back({0, 0, 1});
  CHECK(topology(flat).degenerate_triangles == 1);
  CHECK(topology(flat).closed());
}

TEST_CASE("welding merges equal vertices, also -0 and +0, and drops what collapses") {
  TriangleMesh soup;
  const auto mesh = cube(1, {0, 0, 0});
  for (const auto& t : mesh.triangles) {
    const auto base = static_cast<std::uint32_t>(soup.vertices.size());
    for (const auto v : t) soup.vertices.push_back(mesh.vertices[v]);
    soup.triangles.push_back({base, base + 1, base + 2});
  }
  soup.vertices[0] = soup.vertices[0].unaryExpr([](double x) { return x == 0 ? -0.0 : x; });
  soup.triangles.push_back({0, 0, 1});
  CHECK(topology(soup).components == 12);
  weld(soup);
  CHECK(soup.vertices.size() == 8);
  CHECK(soup.triangles.size() == 12);
  CHECK(topology(soup).closed());
}

TEST_CASE("the largest component is chosen by area") {
  auto mesh = sphere(1, 40, {0, 0, 0});
  const auto big = cube(50, {100, 0, 0});
  const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
  mesh.vertices.insert(mesh.vertices.end(), big.vertices.begin(), big.vertices.end());
  for (auto t : big.triangles) {
    for (auto& v : t) v += base;
    mesh.triangles.push_back(t);
  }
  CHECK(topology(mesh).components == 2);
  const auto largest = largestComponent(mesh);
  CHECK(largest.triangles.size() == 12);
  CHECK(volume_mm3(largest) == Approx(125000));
  CHECK(largestComponent({}).triangles.empty());
}
