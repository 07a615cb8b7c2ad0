#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "design_scaffold/design.h"
#include "design_scaffold/measures.h"
#include "design_scaffold/thickness.h"
#include "levelset/components.h"
#include "mesh/measures.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using Eigen::Vector3d;

namespace {

mesh::TriangleMesh box(const Vector3d& low, const Vector3d& high) {
  mesh::TriangleMesh out;
  for (int n = 0; n < 8; ++n)
    out.vertices.emplace_back(n & 1 ? high.x() : low.x(), n & 2 ? high.y() : low.y(), n & 4 ? high.z() : low.z());
  out.triangles = {{0, 2, 3}, {0, 3, 1}, {4, 5, 7}, {4, 7, 6}, {0, 1, 5}, {0, 5, 4},
                   {2, 6, 7}, {2, 7, 3}, {0, 4, 6}, {0, 6, 2}, {1, 3, 7}, {1, 7, 5}};
  return out;
}

levelset::LevelSet boxLevelSet(double half_mm, double voxel_mm) {
  return levelset::fromMesh(box(Vector3d::Constant(-half_mm), Vector3d::Constant(half_mm)), voxel_mm);
}

/// A bowl of bone around the origin, 6 mm thick, with a round hole towards +z, and the piece that filled it.
struct Skull {
  levelset::LevelSet piece, bone;
};

Skull skull() {
  const auto shell = [](const Vector3d& p) { return std::abs(p.norm() - 21) - 3; };
  const auto ball = [](const Vector3d& p) { return (p - Vector3d(0, 0, 21)).norm() - 11; };
  const Vector3d low = Vector3d::Constant(-26), high = Vector3d::Constant(26);
  return {levelset::fromFunction([&](const Vector3d& p) { return std::max(shell(p), ball(p)); }, low, high, 0.6),
          levelset::fromFunction([&](const Vector3d& p) { return std::max(shell(p), -ball(p)); }, low, high, 0.6)};
}

}  // namespace

TEST_CASE("an unclipped box of whole cells has the wanted volume fraction as a mesh") {
  for (const double wanted : {0.25, 0.6}) {
    const Lattice lattice({Kind::Network, 3.0, wanted});
    nlohmann::json results;
    const Design made = design({boxLevelSet(4.5, 0.125), {}, {}, 0.125}, lattice, results);
    CHECK(mesh::volume_mm3(made.mesh) / 729 == Approx(wanted).margin(0.002));
    CHECK(results["core_volume_fraction"].get<double>() == Approx(wanted).margin(0.001));
    CHECK(std::abs(results["surface_shift_mm"].get<double>()) < 0.1 * 0.125);
    CHECK(mesh::topology(made.mesh).closed());
    CHECK(results["mesh_components"] == 1);
  }
}

TEST_CASE("walls and pores are measured as the largest spheres that fit") {
  const Lattice lattice({Kind::Network, 3.0, 0.5});
  nlohmann::json results;
  Design made = design({boxLevelSet(4.5, 0.125), {}, {}, 0.125}, lattice, results);
  measure(made, Measured::Pores, {"ti6al4v", 114000, 0.33, 795}, {}, results);
  CHECK(results["max_pore_diameter_mm"].get<double>() == Approx(3 * 0.459316).margin(0.02));
  CHECK(results["max_wall_thickness_mm"].get<double>() == Approx(3 * 0.459316).margin(0.02));
  CHECK(results["pore_diameter_mm"].get<double>() > 0.8 * 3 * 0.459316);
}

TEST_CASE("a sheet has its share too, and keeps two pore networks open") {
  const Lattice lattice({Kind::Sheet, 4.0, 0.4});
  nlohmann::json results;
  design({boxLevelSet(4, 0.12), {}, {}, 0.12}, lattice, results);
  CHECK(results["core_volume_fraction"].get<double>() == Approx(0.4).margin(0.002));
  CHECK(results["trapped_void_mm3"] == 0);
  CHECK(results["components"] == 1);
}

TEST_CASE("a piece whose cells hold their own shares is not moved, any other is") {
  const levelset::LevelSet ball =
      levelset::fromFunction([](const Vector3d& p) { return (p - Vector3d(0.7, 0.4, 0)).norm() - 2.6; },
                             Vector3d::Constant(-6), Vector3d::Constant(6), 0.25);
  const Lattice lattice({Kind::Network, 3.0, 0.4});
  nlohmann::json held, kept;
  design({ball, {}, {}, 0.2, false}, lattice, held);
  design({ball, {}, {}, 0.2, false, false}, lattice, kept);
  CHECK(kept["surface_shift_mm"] == 0);
  CHECK(std::abs(held["surface_shift_mm"].get<double>()) > 0.002);
  CHECK(held["core_volume_fraction"].get<double>() == Approx(0.4).margin(2e-3));
  CHECK(std::abs(kept["core_volume_fraction"].get<double>() - 0.4) > 2e-3);
}

TEST_CASE("half of any ball around the origin is gyroid") {
  const levelset::LevelSet ball = levelset::fromFunction([](const Vector3d& p) { return p.norm() - 5; },
                                                         Vector3d::Constant(-6), Vector3d::Constant(6), 0.15);
  Envelope envelope;
  envelope.defect = ball;
  const Solid solid = compose(envelope, Lattice({Kind::Network, 3.7, 0.5}), 0.15);
  const double whole = 4.0 / 3 * 3.14159265 * 125;
  CHECK(solid.envelope_mm3 == Approx(whole).epsilon(0.003));
  CHECK(levelset::volume_mm3(solid.level_set) / whole == Approx(0.5).margin(0.004));
}

TEST_CASE("composed values are true distances, at the cut edges too") {
  Envelope envelope;
  envelope.defect = boxLevelSet(3, 0.15);
  const Lattice lattice({Kind::Network, 3.0, 0.4, {0.2, 0.1, 0.3}});
  constexpr double kVoxel = 0.15, kFine = 0.06;
  const Solid solid = compose(envelope, lattice, kVoxel);
  // Triangles of the same voxels would chamfer the edges by more than is asked for here: finer ones tell.
  const levelset::LevelSet truth = levelset::redistance(compose(envelope, lattice, kFine).level_set);
  double sum = 0, count = 0, far = 0;
  for (double x = -3.15; x < 3.15; x += 0.11)
    for (double y = -3.15; y < 3.15; y += 0.11)
      for (double z = -3.15; z < 3.15; z += 0.11) {
        const double a = levelset::sample(solid.level_set, {x, y, z}), b = levelset::sample(truth, {x, y, z});
        if (std::abs(b) > 2.8 * kFine) continue;
        sum += std::abs(a - b) / kVoxel;
        far += std::abs(a - b) > 0.3 * kVoxel ? 1 : 0;
        ++count;
      }
  INFO("mean " << sum / count << " voxels, " << far / count << " beyond 0.3 voxels");
  CHECK(sum / count < 0.03);
  CHECK(far / count < 0.01);
}

TEST_CASE("an implant keeps clear of its bone, stays open towards it, and is one piece") {
  const Skull head = skull();
  const Lattice lattice({Kind::Network, 3.0, 0.35});
  for (const Skin skin : {Skin::Outer, Skin::Both, Skin::Rim}) {
    nlohmann::json results;
    const Design made =
        design({head.piece, {&head.bone}, {.skin = skin, .skin_mm = 0.8, .rim_mm = 2}, 0.3}, lattice, results);
    CHECK(results["overlap_mm3"] == 0);
    CHECK(results["gap_p05_mm"].get<double>() == Approx(0.3).margin(0.05));
    CHECK(results["gap_p95_mm"].get<double>() == Approx(0.3).margin(0.05));
    CHECK(results["components"] == 1);
    CHECK(results["mesh_components"] == 1);
    CHECK(results["trapped_void_mm3"] == 0);
    CHECK(results["host_side_open_share"].get<double>() > 0.35);
    // The skin lies on the outer side: at the pole of the head, 0.8 mm below the surface, but never in the middle of
    // the plate.
    const auto at = [&](double radius, double angle) {
      return levelset::sample(made.solid, radius * Vector3d(std::sin(angle), 0, std::cos(angle)));
    };
    if (skin == Skin::Rim) continue;
    bool all = true, none = true, inner = true;
    for (double angle = -0.3; angle < 0.3; angle += 0.02) {
      all = all && at(23.5, angle) < 0;
      none = none && at(21, angle) < 0;
      inner = inner && at(18.4, angle) < 0;
    }
    CHECK(all);
    CHECK_FALSE(none);
    CHECK(inner == (skin == Skin::Both));
  }
}

TEST_CASE("the same design has the same values for one thread and two") {
  const Lattice lattice({Kind::Network, 3.0, 0.35});
  std::vector<mesh::TriangleMesh> made;
  for (const int threads : {1, 2}) {
    core::setThreads(threads);
    nlohmann::json results;
    made.push_back(design({boxLevelSet(4, 0.2), {}, {}, 0.2}, lattice, results).mesh);
  }
  core::setThreads(core::availableThreads());
  CHECK(made[0].vertices == made[1].vertices);
  CHECK(made[0].triangles == made[1].triangles);
}

TEST_CASE("dust goes, closed pores are filled, and distances around them are mended") {
  const auto shape = [](const Vector3d& p) {
    const double hollow = std::max(p.norm() - 4, 1 - p.norm());
    return std::min(hollow, (p - Vector3d(4.9, 0, 0)).norm() - 0.5);
  };
  levelset::LevelSet solid = levelset::fromFunction(shape, Vector3d::Constant(-6), Vector3d::Constant(6), 0.2);
  Cleaning cleaning;
  clean(solid, cleaning);
  CHECK(cleaning.pieces_removed == 1);
  CHECK(cleaning.voids_filled == 1);
  CHECK(cleaning.dust_removed_mm3 == Approx(4.0 / 3 * 3.1416 * 0.125).epsilon(0.15));
  CHECK(cleaning.voids_filled_mm3 == Approx(4.0 / 3 * 3.1416).epsilon(0.05));
  CHECK(levelset::volume_mm3(solid) == Approx(4.0 / 3 * 3.1416 * 64).epsilon(0.01));
  CHECK(levelset::sample(solid, {4.5, 0, 0}) == Approx(0.5).margin(0.06));
  CHECK(levelset::sample(solid, {0.8, 0, 0}) == Approx(-0.6).margin(0.02));
}

TEST_CASE("what can't be designed is refused with a reason") {
  const levelset::LevelSet block = boxLevelSet(4, 0.3),
                           thin = levelset::fromMesh(box({-5, -5, -0.3}, {5, 5, 0.3}), 0.15);
  const Lattice lattice({Kind::Network, 3.0, 0.35});
  nlohmann::json results;
  CHECK_THROWS_WITH(design({thin, {}, {}, 0.2}, lattice, results), Catch::Contains("thick enough"));
  levelset::LevelSet framed = boxLevelSet(4, 0.3), other = boxLevelSet(4, 0.3);
  framed.setMeta("frame_id", "one");
  other.setMeta("frame_id", "two");
  CHECK_THROWS_AS(requireDesignable(framed, &other), core::Error);
  framed.setMeta("slice_gap_mm", "5");
  CHECK_THROWS_WITH(requireDesignable(framed, nullptr), Catch::Contains("too far apart"));
  CHECK_THROWS_WITH(requireMemory(1e6, lattice, 0.005, true), Catch::Contains("--voxel-mm"));
  CHECK_THROWS_WITH(design({block, {&block}, {}, 0.2}, lattice, results), Catch::Contains("thick enough"));
}
