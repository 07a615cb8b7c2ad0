#include <Eigen/Dense>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "mesh/measures.h"
#include "shapes.h"
#include "slice_print/mesh_slicer.h"
#include "slice_print/part.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {
const Eigen::Vector3d kUp(0, 0, 1);

core::Exit codeOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const core::Error& error) {
    return error.code();
  }
  return core::Exit::Ok;
}
}  // namespace

TEST_CASE("The layer count is exact and forgives a few nanometres") {
  CHECK(stackOver(20, 0.05).layers == 400);
  CHECK(stackOver(20 - 3e-6, 0.05).layers == 400);
  CHECK(stackOver(20 + 3e-6, 0.05).layers == 400);
  CHECK(stackOver(20.06, 0.05).layers == 402);
  CHECK(stackOver(0.001, 0.05).layers == 1);
  CHECK(codeOf([] { stackOver(2001, 0.02); }) == core::Exit::DataError);
}

TEST_CASE("The slices of a sphere fill its mesh") {
  const mesh::TriangleMesh ball = shapes::sphere(10, {3, -40, 7}, 120, 240);
  const Part part = Part::ofMesh(ball, kUp);
  const Stack stack = stackOver(part.size_mm().z(), 0.05);
  REQUIRE(stack.layers == 400);
  const auto slices = shapes::slices(part, stack);
  for (const Rings& rings : slices) REQUIRE(rings.size() == 1);
  const double expected = mesh::volume_mm3(ball);
  CHECK(std::abs(shapes::volume_mm3(slices, 0.05) / expected - 1) < 5e-5);
  CHECK(part.overhangArea_mm2(45) == Approx(184.0302).epsilon(0.01));
  // The machine frame starts at (0,0,0).
  Point low(1e9, 1e9);
  for (const Rings& rings : slices) {
    for (const Point& p : rings[0]) low = low.cwiseMin(p);
  }
  CHECK(low.norm() < 2e-2);
}

TEST_CASE("A cube short of 3 nm keeps all its layers") {
  const Part part = Part::ofMesh(shapes::box({1, 2, 3}, {21, 22, 23 - 3e-6}), kUp);
  const Stack stack = stackOver(part.size_mm().z(), 0.05);
  const auto slices = shapes::slices(part, stack);
  REQUIRE(slices.size() == 400);
  for (const Rings& rings : slices) CHECK(area_mm2(rings) == Approx(400));
}

TEST_CASE("Vertices and facets in the cutting plane leave no gap") {
  // Planes at 0.5, 1.5, 2.5; the step's horizontal facets lie in the plane at 1.5.
  mesh::TriangleMesh mesh = shapes::box({0, 0, 0}, {4, 4, 1.5});
  shapes::addBox(mesh, {1, 1, 1.5}, {3, 3, 3});
  const auto slices = shapes::slices(Part::ofMesh(mesh, kUp), stackOver(3, 1));
  REQUIRE(slices.size() == 3);
  CHECK(area_mm2(slices[0]) == Approx(16));
  CHECK(area_mm2(slices[1]) == Approx(16));  // what lies on the plane counts as above it
  CHECK(area_mm2(slices[2]) == Approx(4));
}

TEST_CASE("Planes through whole rows of vertices close") {
  // 40 rows of vertices at equal heights would be met by every plane of a stack whose middles fall on them.
  mesh::TriangleMesh mesh;
  for (int n = 0; n < 40; ++n) shapes::addBox(mesh, {3.0 * n, 0, 0}, {3.0 * n + 1, 1, 0.5 + n});
  const Stack stack = stackOver(40, 1);
  const auto slices = shapes::slices(Part::ofMesh(mesh, kUp), stack);
  for (int layer = 0; layer < 40; ++layer) {
    CHECK(slices[layer].size() == static_cast<std::size_t>(40 - layer));
    CHECK(area_mm2(slices[layer]) == Approx(40 - layer));
  }
}

TEST_CASE("Shapes that touch in a vertex, an edge or a saddle close") {
  mesh::TriangleMesh cones;  // two pyramids tip to tip at z = 1, an edge-to-edge pair of boxes beside them
  cones.vertices = {{-1, -1, 0}, {1, -1, 0}, {1, 1, 0}, {-1, 1, 0}, {0, 0, 1},
                    {-1, -1, 2}, {1, -1, 2}, {1, 1, 2}, {-1, 1, 2}};
  cones.triangles = {{0, 2, 1}, {0, 3, 2}, {0, 1, 4}, {1, 2, 4}, {2, 3, 4}, {3, 0, 4},
                     {5, 6, 7}, {5, 7, 8}, {6, 5, 4}, {7, 6, 4}, {8, 7, 4}, {5, 8, 4}};
  shapes::addBox(cones, {5, 0, 0}, {6, 1, 2});
  shapes::addBox(cones, {6, 1, 0}, {7, 2, 2});
  mesh::weld(cones);
  REQUIRE(mesh::topology(cones).nonmanifold_edges > 0);
  const Part part = Part::ofMesh(cones, kUp);
  const auto odd = shapes::slices(part, stackOver(2, 2));  // one plane, through the tips
  CHECK(area_mm2(odd[0]) == Approx(2));
  const auto even = shapes::slices(part, stackOver(2, 0.1));
  CHECK(shapes::volume_mm3(even, 0.1) == Approx(mesh::volume_mm3(cones)).epsilon(2e-3));
}

TEST_CASE("Open meshes are refused, turned triangles and inside-out meshes turned back") {
  mesh::TriangleMesh open = shapes::box({0, 0, 0}, {1, 1, 1});
  open.triangles.pop_back();
  CHECK(codeOf([&] { Part::ofMesh(open, kUp); }) == core::Exit::DataError);
  mesh::TriangleMesh flipped = shapes::box({0, 0, 0}, {1, 1, 1});
  std::swap(flipped.triangles[3][0], flipped.triangles[3][1]);
  const Part mended = Part::ofMesh(flipped, kUp);
  CHECK(mended.volume_mm3() == Approx(1));
  CHECK(mended.repair().turned_triangles == 1);
  CHECK(codeOf([&] { Part::ofMesh({}, kUp); }) == core::Exit::DataError);
  mesh::TriangleMesh inverse = shapes::box({0, 0, 0}, {1, 1, 1});
  for (auto& t : inverse.triangles) std::swap(t[0], t[1]);
  CHECK(Part::ofMesh(inverse, kUp).volume_mm3() == Approx(1));
  mesh::TriangleMesh soup;  // unwelded triangles are merged
  for (const auto& t : shapes::box({0, 0, 0}, {1, 1, 1}).triangles) {
    const auto base = static_cast<std::uint32_t>(soup.vertices.size());
    for (const auto v : t) soup.vertices.push_back(shapes::box({0, 0, 0}, {1, 1, 1}).vertices[v]);
    soup.triangles.push_back({base, base + 1, base + 2});
  }
  CHECK(area_mm2(shapes::slices(Part::ofMesh(soup, kUp), stackOver(1, 1))[0]) == Approx(1));
}

TEST_CASE("Any build direction keeps the volume and never mirrors") {
  mesh::TriangleMesh mesh = shapes::box({10, 20, 30}, {16, 23, 31});
  shapes::addBox(mesh, {10, 20, 31}, {11, 21, 35});
  for (const Eigen::Vector3d& direction :
       {Eigen::Vector3d(0, 0, -2), Eigen::Vector3d(1, 0, 0), Eigen::Vector3d(-1, 2, 0.5)}) {
    const Part part = Part::ofMesh(mesh, direction);
    const Eigen::Matrix3d rotation = part.machineFromLps().topLeftCorner<3, 3>();
    CHECK((rotation * direction.normalized() - kUp).norm() < 1e-12);
    CHECK(rotation.determinant() == Approx(1));
    CHECK((rotation * rotation.transpose() - Eigen::Matrix3d::Identity()).norm() < 1e-12);
    Eigen::Vector3d low = Eigen::Vector3d::Constant(1e9);
    for (const auto& v : mesh.vertices) low = low.cwiseMin((part.machineFromLps() * v.homogeneous()).head<3>());
    CHECK(low.norm() < 1e-9);
    const Stack stack = stackOver(part.size_mm().z(), 0.01);
    CHECK(shapes::volume_mm3(shapes::slices(part, stack), 0.01) == Approx(22).epsilon(2e-3));
  }
}
