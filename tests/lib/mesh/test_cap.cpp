#include <catch2/catch.hpp>
#include <cmath>

#include "lib/mesh/shapes.h"
#include "mesh/cap.h"
#include "mesh/measures.h"

using namespace osteo::mesh;
using osteo::test::sphere;

namespace {

/// The triangles whose three corners lie below z.
TriangleMesh below(TriangleMesh mesh, double z) {
  std::vector<Triangle> kept;
  for (const Triangle& t : mesh.triangles)
    if (std::max({mesh.vertices[t[0]][2], mesh.vertices[t[1]][2], mesh.vertices[t[2]][2]}) < z) kept.push_back(t);
  mesh.triangles = kept;
  return mesh;
}

}  // namespace

TEST_CASE("a sphere cut through is closed by a flat cap") {
  const TriangleMesh open = below(sphere(10, 200, {0, 0, 0}), 4);
  double z = -100;
  for (const Triangle& t : open.triangles) z = std::max(z, open.vertices[t[0]][2]);
  Caps caps;
  const TriangleMesh closed = capped(open, caps);
  CHECK(topology(open).boundary_edges > 0);
  CHECK(topology(closed).closed());
  CHECK(caps.openings == 1);
  CHECK(caps.area_mm2 == Approx(M_PI * (100 - z * z)).epsilon(0.01));
  CHECK((caps.middle_mm - Eigen::Vector3d(0, 0, z)).norm() < 0.2);
  const double height = 10 + z;
  CHECK(volume_mm3(closed) == Approx(M_PI * height * height * (10 - height / 3)).epsilon(0.01));
}

TEST_CASE("two openings are two caps, the larger one is named, and a closed mesh stays as it is") {
  TriangleMesh both = below(sphere(10, 100, {0, 0, 0}), 4);
  const TriangleMesh second = below(sphere(20, 100, {100, 0, 0}), 8);
  const auto shift = static_cast<std::uint32_t>(both.vertices.size());
  both.vertices.insert(both.vertices.end(), second.vertices.begin(), second.vertices.end());
  for (const Triangle& t : second.triangles) both.triangles.push_back({t[0] + shift, t[1] + shift, t[2] + shift});
  Caps caps;
  CHECK(topology(capped(both, caps)).closed());
  CHECK(caps.openings == 2);
  CHECK(std::abs(caps.middle_mm[0] - 100) < 0.5);
  const TriangleMesh whole = sphere(10, 50, {0, 0, 0});
  CHECK(capped(whole, caps).triangles == whole.triangles);
  CHECK(caps.openings == 0);
  CHECK(caps.area_mm2 == 0);
}
