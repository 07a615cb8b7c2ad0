#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "mesh/measures.h"
#include "reconstruct/outputs.h"

using namespace osteo;
using Eigen::Vector3d;

TEST_CASE("a lighter mesh keeps the bone's vertices at the missing piece") {
  const Vector3d hole(0, 0, 20);
  const auto bone =
      levelset::fromFunction([&](const Vector3d& p) { return std::max(p.norm() - 20, 8 - (p - hole).norm()); },
                             Vector3d::Constant(-22), Vector3d::Constant(22), 1);
  const auto piece =
      levelset::fromFunction([&](const Vector3d& p) { return std::max(p.norm() - 20, (p - hole).norm() - 8); },
                             Vector3d::Constant(-22), Vector3d::Constant(30), 1);
  const mesh::TriangleMesh surface = levelset::toMesh(bone);
  const auto near = reconstruct::nearPiece(piece);
  const reconstruct::MeshOptions all[] = {{.simplify_mm = 0.4}, {.remesh_mm = 3}, {.remesh_mm = 3, .simplify_mm = 2}};
  for (reconstruct::MeshOptions options : all) {
    options.kept = near;
    nlohmann::json record;
    const mesh::TriangleMesh fewer = reconstruct::lighter(surface, options, record);
    CHECK(mesh::topology(fewer).closed());
    CHECK(fewer.triangles.size() < surface.triangles.size() / 2);
    int kept = 0;
    for (const Vector3d& v : surface.vertices) {
      if (!near(v)) continue;
      ++kept;
      const Vector3d place = v.cast<float>().cast<double>();
      CHECK(std::find(fewer.vertices.begin(), fewer.vertices.end(), place) != fewer.vertices.end());
    }
    CHECK(kept > 200);
  }
}
