#include <catch2/catch.hpp>

#include "core/parallel.h"
#include "shapes.h"
#include "slice_print/islands.h"
#include "slice_print/members.h"
#include "slice_print/region.h"
#include "slice_print/supports.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

Ring rectangle(double x, double y, double w, double h) { return {{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}; }

/// A stem of 4 × 10 mm in the middle and a beam of 20 × 10 × 2 mm across its top, 12 mm high.
mesh::TriangleMesh teeBeam() {
  mesh::TriangleMesh mesh = shapes::box({8, 0, 0}, {12, 10, 10});
  shapes::addBox(mesh, {0, 0, 10}, {20, 10, 12});
  return mesh;
}

Settings settingsWith(SupportKind kind) {
  Settings settings{.layer_mm = 0.1};
  settings.supports.kind = kind;
  settings.supports.clearance_mm = 0.2;
  return settings;
}

double overlap_mm2(const Rings& a, const Rings& b) { return area_mm2(a) - area_mm2(subtracted(a, b)); }

}  // namespace

TEST_CASE("Regions are united and taken from each other") {
  const Rings two = {rectangle(0, 0, 4, 4), rectangle(2, 2, 4, 4)};
  CHECK(area_mm2(united(two)) == Approx(28));
  CHECK(united(two).size() == 1);
  CHECK(area_mm2(subtracted({rectangle(0, 0, 4, 4)}, {rectangle(2, 2, 4, 4)})) == Approx(12));
  CHECK(area_mm2(subtracted({rectangle(0, 0, 4, 4)}, {rectangle(0, 0, 4, 4)})) == Approx(0).margin(1e-4));
  const Rings hollow = subtracted({rectangle(0, 0, 4, 4)}, {rectangle(1, 1, 2, 2)});
  CHECK(hollow.size() == 2);
  CHECK(area_mm2(hollow) == Approx(12));
}

TEST_CASE("Islands are regions over nothing, whatever holes they have") {
  const Rings below = {shapes::circle(2, {0, 0}, 100)};
  const Rings slice = {shapes::circle(3, {0, 0}, 100), shapes::circle(1, {10, 0}, 100),
                       shapes::circle(0.5, {10, 0}, 100, true), rectangle(-10, 5, 1e-2, 1e-2)};
  const auto found = islands(slice, below, 0.05);
  REQUIRE(found.size() == 2);
  CHECK(found[0].area_mm2 == Approx(M_PI * 0.75).epsilon(0.01));
  CHECK(found[0].outline.size() == 2);
  CHECK((found[0].inside - Point(10, 0)).norm() < 1);
  CHECK((found[0].inside - Point(10, 0)).norm() > 0.5);
  CHECK(found[1].area_mm2 == Approx(1e-4));
  CHECK(islands(slice, slice, 0.05).empty());
  CHECK(islands({shapes::circle(1, {0, 0}, 50)}, {shapes::circle(5, {0, 0}, 50), shapes::circle(4, {0, 0}, 50, true)},
                0.05)
            .size() == 1);
}

TEST_CASE("Columns see a part's solid stretches and their undersides") {
  const Columns columns(teeBeam(), 0.5);
  CHECK(columns.nx() == 40);
  CHECK(columns.ny() == 20);
  REQUIRE(columns.solids(3, 3).size() == 1);
  CHECK(columns.solids(3, 3)[0].low == Approx(10));
  CHECK(columns.solids(3, 3)[0].high == Approx(12));
  CHECK(columns.solids(3, 3)[0].cosine == Approx(1));
  REQUIRE(columns.solids(20, 3).size() == 1);  // stem and beam touch
  CHECK(columns.solids(20, 3)[0].high == Approx(12));
  CHECK(columns.solids(-1, 0).empty());
  CHECK(columns.isFree({3, 3}, 1, 0, 9.9));
  CHECK_FALSE(columns.isFree({3, 3}, 1, 0, 10.1));
  CHECK_FALSE(columns.isFree({7.5, 3}, 1, 0, 1));
  CHECK(columns.floorBelow({3, 3}, 5) == 0);
  CHECK(columns.floorBelow({3, 3}, 20) == Approx(12));
  double volume = 0;
  const Columns fine(shapes::sphere(5, {5, 5, 5}, 100, 200), 0.1);
  for (int j = 0; j < fine.ny(); ++j) {
    for (int i = 0; i < fine.nx(); ++i) {
      REQUIRE(fine.solids(i, j).size() <= 1);
      for (const Stretch& solid : fine.solids(i, j)) volume += (solid.high - solid.low) * 0.01;
    }
  }
  CHECK(volume == Approx(4 * M_PI / 3 * 125).epsilon(2e-3));
}

TEST_CASE("A sphere's overhanging cap: 184.03 mm² at 45°") {
  const Columns columns(shapes::sphere(10, {10, 10, 10}, 400, 800), 0.1);
  const Demand demand = demandOf(columns, {}, {.overhang_deg = 45, .spacing_mm = 0.5});
  CHECK(demand.area_mm2 == Approx(184.0302).epsilon(0.01));
  for (const Gap& gap : demand.gaps)
    REQUIRE((columns.at(gap.i, gap.j) - Point(10, 10)).norm() < 10 / std::sqrt(2.) + 0.1);
  CHECK(demandOf(columns, {}, {.overhang_deg = 45, .spacing_mm = 0.5, .least_mm2 = 200}).gaps.empty());
}

TEST_CASE("A T-beam is supported under its arms only") {
  const Part part = Part::ofMesh(teeBeam(), {0, 0, 1});
  for (const SupportKind kind : {SupportKind::Block, SupportKind::Tree, SupportKind::Struts}) {
    Settings settings = settingsWith(kind);
    const Supports supports(part, {}, settings.supports);
    CHECK(supports.supportedArea_mm2() == Approx(160));
    CHECK(supports.onPart() == 0);
    CHECK(supports.contacts() > 100);
    const Rings stem = {rectangle(8, 0, 4, 10)}, beam = {rectangle(0, 0, 20, 10)};
    for (const double z : {0.05, 3.05, 6.55, 9.95}) {
      const SupportSection section = supports.at(z, stem);
      REQUIRE(area_mm2(section.region) > 1);
      CHECK(overlap_mm2(section.region, stem) < 1e-3);
      for (const Ring& ring : section.region) {
        for (const Point& p : ring) {
          REQUIRE((p.x() < 8.01 || p.x() > 11.99));
          REQUIRE(p.x() > -0.5);
          REQUIRE(p.x() < 20.5);
        }
      }
    }
    CHECK(supports.at(10.05, beam).region.empty());
  }
}

TEST_CASE("Block supports: walls stop at the gap, teeth narrow, windows open") {
  const Part part = Part::ofMesh(teeBeam(), {0, 0, 1});
  const Rings stem = {rectangle(8, 0, 4, 10)};
  SupportSettings settings = settingsWith(SupportKind::Block).supports;
  const auto length = [&](const Supports& supports, double z) {
    double sum = 0;
    for (const Segment& wall : supports.at(z, stem).walls) sum += (wall.b - wall.a).norm();
    return sum;
  };
  const Supports solid(part, {}, settings);
  // Each arm of 8 × 10 mm: ten walls of 8 mm less the clearance, eight of 10 mm.
  CHECK(length(solid, 4) == Approx(2 * (10 * 7.8 + 8 * 10)));
  // At the contact each of the 80 nodes of an arm has 0.4 mm of either wall.
  CHECK(length(solid, 9.999) == Approx(2 * 80 * 2 * 0.4).epsilon(0.01));
  CHECK(length(solid, 9.6) < length(solid, 4));
  settings.gap_mm = 0.3;
  CHECK(Supports(part, {}, settings).at(9.75, stem).region.empty());
  CHECK_FALSE(Supports(part, {}, settings).at(9.65, stem).region.empty());
  settings.perforation_percent = 30;
  CHECK(length(Supports(part, {}, settings), 4.5) == Approx(length(solid, 4) * 0.4).epsilon(0.1));
  CHECK(length(Supports(part, {}, settings), 5.0) == Approx(length(solid, 4)));
}

TEST_CASE("Branches of a tree meet: fewer and thicker at the plate, leaning no more than they may") {
  const Columns columns(teeBeam(), 0.2);
  const Demand demand = demandOf(columns, {}, {});
  std::int64_t on_part = 0;
  const MemberShape shape;
  const auto members = tree(demand.contacts, columns, shape, on_part);
  CHECK(on_part == 0);
  const auto crossing = [&](double z) {
    std::vector<Member> some;
    for (const Member& m : members) {
      if (m.bottom.z() <= z && z < m.top.z()) some.push_back(m);
    }
    return some;
  };
  CHECK(crossing(9.9).size() == 160);
  CHECK(crossing(0.1).size() < 40);
  CHECK(crossing(0.1).size() >= 2);
  std::size_t steep = 0;
  for (const Member& m : members) {
    const Eigen::Vector3d d = m.top - m.bottom;
    const double lean = d.head<2>().norm() - d.z() * std::tan(40 * M_PI / 180);
    REQUIRE(lean <= (m.top_radius_mm + m.bottom_radius_mm) / 2);  // stems that grow together move into their middle
    steep += lean < 1e-9;
  }
  CHECK(static_cast<double>(steep) > 0.8 * static_cast<double>(members.size()));
  CHECK(crossing(0.1)[0].bottom_radius_mm > shape.width_mm / 2);
}

TEST_CASE("A tree goes round a plate below it where it can; struts stand on it") {
  mesh::TriangleMesh mesh = shapes::box({0, 0, 20}, {10, 2, 22});
  shapes::addBox(mesh, {0, 0, 0}, {2, 2, 20});    // a column that holds the beam
  shapes::addBox(mesh, {7.5, 0, 8}, {10, 2, 9});  // a shelf under its end
  shapes::addBox(mesh, {9.5, 2, 0}, {10, 3, 9});
  const Part part = Part::ofMesh(mesh, {0, 0, 1});
  SupportSettings settings = settingsWith(SupportKind::Struts).supports;
  const Supports standing(part, {}, settings);
  CHECK(standing.onPart() > 0);
  settings.rule.from_plate = true;
  CHECK(Supports(part, {}, settings).onPart() == 0);
  settings.rule.from_plate = false;
  settings.kind = SupportKind::Tree;
  CHECK(Supports(part, {}, settings).onPart() < standing.onPart());
}

TEST_CASE("An island gets a support, and is counted without one") {
  // A stalactite: a slab on two legs, a cone of 70° hanging from it.
  mesh::TriangleMesh mesh = shapes::box({0, 0, 0}, {1, 6, 8});
  shapes::addBox(mesh, {9, 0, 0}, {10, 6, 8});
  shapes::addBox(mesh, {0, 0, 8}, {10, 6, 9});
  const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
  constexpr std::uint32_t kSides = 40;
  mesh.vertices.emplace_back(5.03, 3.02, 3.98);
  mesh.vertices.emplace_back(5.03, 3.02, 8.2);
  for (std::uint32_t k = 0; k < kSides; ++k)
    mesh.vertices.emplace_back(5.03 + 1.5 * std::cos(2 * M_PI * k / kSides),
                               3.02 + 1.5 * std::sin(2 * M_PI * k / kSides), 8.2);
  for (std::uint32_t k = 0; k < kSides; ++k) {
    const std::uint32_t a = base + 2 + k, b = base + 2 + (k + 1) % kSides;
    mesh.triangles.push_back({base, b, a});
    mesh.triangles.push_back({base + 1, a, b});
  }
  const Part part = Part::ofMesh(mesh, {0, 0, 1});
  Settings settings = settingsWith(SupportKind::None);
  Layer kept;
  const Totals bare = run(part, settings, shapes::discard(), -1, kept);
  CHECK(bare.islands == 1);
  CHECK(bare.unsupported_islands == 1);
  CHECK(bare.support_volume_mm3 == 0);
  for (const SupportKind kind : {SupportKind::Block, SupportKind::Tree, SupportKind::Struts}) {
    settings.supports = settingsWith(kind).supports;
    settings.supports.rule.least_mm2 = 1000;  // the slab holds itself, the island does not
    const Totals held = run(part, settings, shapes::discard(), 10, kept);
    CHECK(held.islands == 1);
    CHECK(held.unsupported_islands == 0);
    CHECK(held.support_contacts == 1);
    CHECK(held.support_volume_mm3 == Approx(M_PI * 0.16 * 4).epsilon(0.2));
    CHECK(kept.support.size() == 1);
    REQUIRE_FALSE(kept.runs.empty());
    CHECK(kept.runs.back().zone == Zone::Support);
    CHECK(held.zone_length_mm[3] > 0);
  }
}

TEST_CASE("Supports are the same for any number of threads and sum up over layers") {
  const Part part = Part::ofMesh(shapes::sphere(5, {0, 0, 0}, 60, 120), {0, 0, 1});
  std::vector<double> volumes;
  const int threads = core::threads();
  for (const int n : {1, 3}) {
    core::setThreads(n);
    Settings settings = settingsWith(SupportKind::Tree);
    Layer kept;
    const Totals totals = run(part, settings, shapes::discard(), -1, kept);
    volumes.push_back(totals.support_volume_mm3);
    CHECK(totals.islands == 0);
    CHECK(totals.supports_on_part == 0);
    CHECK(totals.supported_area_mm2 == Approx(M_PI * 2 * 25 * (1 - std::sqrt(0.5))).epsilon(0.05));
  }
  core::setThreads(threads);
  CHECK(volumes[0] == volumes[1]);
  CHECK(volumes[0] > 1);
}
