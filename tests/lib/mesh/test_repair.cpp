#include <catch2/catch.hpp>

#include "mesh/measures.h"
#include "mesh/repair.h"

using namespace osteo::mesh;

namespace {

// A box of 10 mm whose faces are grids of n × n quads.
TriangleMesh gridBox(int n) {
  TriangleMesh mesh;
  const auto face = [&](const Eigen::Vector3d& corner, const Eigen::Vector3d& u, const Eigen::Vector3d& v) {
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
        for (int k = 0; k < 4; ++k)
          mesh.vertices.push_back(corner + u * (i + (k == 1 || k == 2)) / n + v * (j + (k >= 2)) / n);
        mesh.triangles.push_back({base, base + 1, base + 2});
        mesh.triangles.push_back({base, base + 2, base + 3});
      }
    }
  };
  const Eigen::Vector3d x(10, 0, 0), y(0, 10, 0), z(0, 0, 10), o(0, 0, 0);
  face(o, y, x), face(z, x, y), face(o, x, z), face(y, z, x), face(o, z, y), face(x, y, z);
  weld(mesh);
  return mesh;
}

TriangleMesh mended(const TriangleMesh& mesh, Repair& repair) { return repaired(mesh, 1e-5, repair); }

}  // namespace

TEST_CASE("small faults are mended and counted") {
  const TriangleMesh whole = gridBox(10);
  REQUIRE(topology(whole).closed());
  Repair repair;
  CHECK(topology(mended(whole, repair)).closed());
  CHECK_FALSE(repair.any());

  TriangleMesh hole = whole;
  hole.triangles.erase(hole.triangles.begin() + 77, hole.triangles.begin() + 79);
  const TriangleMesh capped = mended(hole, repair);
  CHECK(topology(capped).closed());
  CHECK(repair.capped_openings == 1);
  CHECK(repair.capped_area_mm2 == Approx(1));
  CHECK(volume_mm3(capped) == Approx(1000));

  TriangleMesh turned = whole;
  for (const int t : {3, 500, 901}) std::swap(turned.triangles[t][0], turned.triangles[t][1]);
  CHECK(volume_mm3(mended(turned, repair)) == Approx(1000));
  CHECK(repair.turned_triangles == 3);

  TriangleMesh extra = whole;
  extra.triangles.push_back(extra.triangles[5]);
  extra.triangles.push_back({4, 4, 9});
  CHECK(topology(mended(extra, repair)).closed());
  CHECK(repair.dropped_triangles == 2);

  TriangleMesh fin = whole;  // two triangles back to back on an edge of the box
  fin.vertices.push_back({5, 5, 20});
  const auto tip = static_cast<std::uint32_t>(fin.vertices.size() - 1);
  fin.triangles.push_back({0, 1, tip});
  fin.triangles.push_back({1, 0, tip});
  CHECK(topology(mended(fin, repair)).closed());
  CHECK(repair.dropped_triangles == 2);

  TriangleMesh cracked = whole;  // one triangle drawn off by a millionth of a millimetre
  for (std::uint32_t& v : cracked.triangles[0]) {
    cracked.vertices.push_back(cracked.vertices[v] + Eigen::Vector3d(1e-6, 0, 1e-6));
    v = static_cast<std::uint32_t>(cracked.vertices.size() - 1);
  }
  CHECK(topology(mended(cracked, repair)).closed());
  CHECK(repair.merged_vertices == 3);
}

TEST_CASE("a large opening is left open, for a cap would be a guess") {
  TriangleMesh open = gridBox(10);
  open.triangles.erase(open.triangles.begin(), open.triangles.begin() + 100);  // half a face
  Repair repair;
  CHECK_FALSE(topology(mended(open, repair)).closed());
  CHECK(repair.capped_openings == 0);
}
