#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "design_scaffold/contour.h"
#include "design_scaffold/seating.h"
#include "image/io.h"
#include "levelset/grid.h"
#include "mesh/measures.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using Eigen::Vector3d;

namespace {

using Function = std::function<double(const Vector3d&)>;

double slab(const Vector3d& p, double low, double high) { return std::max(low - p.z(), p.z() - high); }
double block(const Vector3d& p, double half, double low, double high) {
  return std::max({std::abs(p.x()) - half, std::abs(p.y()) - half, slab(p, low, high)});
}
levelset::LevelSet made(const Function& f, double half, double low, double high, double voxel = 0.4) {
  return levelset::redistance(
      levelset::fromFunction(f, Vector3d(-half, -half, low), Vector3d(half, half, high), voxel));
}

/// A block with a hole, and what fills it. The hole's walls lean outwards by `lean` mm per mm downwards; `floor`: the
/// block goes on below.
struct Hole {
  double lean = 0, tilt = 0;
  bool floor = false;
  double wall(const Vector3d& p) const {
    return (std::hypot(p.x() - tilt * p.z(), p.y()) - (10 - lean * p.z())) / std::sqrt(1 + lean * lean);
  }
  double plug(const Vector3d& p) const { return std::max(wall(p), slab(p, -8, 0)); }
  double bone(const Vector3d& p) const {
    return std::max(block(p, 25, floor ? -16 : -8, 0), -std::max(wall(p), floor ? -8 - p.z() : -1e9));
  }
  levelset::LevelSet defect() const {
    return made([this](const Vector3d& p) { return plug(p); }, 18, -10, 2);
  }
  levelset::LevelSet host(double voxel = 0.4) const {
    return made([this](const Vector3d& p) { return bone(p); }, 27, -18, 2, voxel);
  }
};

Insertion searched(const Hole& hole, double clearance = 0.3) {
  const levelset::LevelSet defect = hole.defect(), host = hole.host();
  return findInsertion({defect, host, clearance, {}});
}

/// Draws points of the finished surface out in steps of 0.1 mm and asks the bone.
double leastOnTheWay(const levelset::LevelSet& solid, const Vector3d& way_in, const Function& bone) {
  double least = 1e9;
  const mesh::TriangleMesh surface = levelset::toMesh(solid);
  for (std::size_t n = 0; n < surface.vertices.size(); n += 7)
    for (double t = 0; t < 30; t += 0.1) least = std::min(least, bone(surface.vertices[n] - t * way_in));
  return least;
}

}  // namespace

TEST_CASE("a straight plug goes in along its axis, and nothing is trimmed") {
  for (const double tilt : {0.0, 0.4}) {
    const Insertion found = searched({.tilt = tilt});
    const Vector3d axis = Vector3d(tilt, 0, 1).normalized();
    CHECK(std::abs(found.direction.dot(axis)) > std::cos(1.5 * std::numbers::pi / 180));
    CHECK(found.blockedShare() < 0.01);
    CHECK(found.cone_deg >= 0.5);
    CHECK(found.cone_deg < 5);  // 0.2 mm to spare over 8 mm
    CHECK(found.body_mm3 == Approx(std::numbers::pi * 9.7 * 9.7 * 8).epsilon(0.03));
  }
}

TEST_CASE("without a clearance the way in is found all the same") {
  const Insertion found = searched({}, 0);
  CHECK(std::abs(found.direction.z()) > std::cos(2 * std::numbers::pi / 180));
  CHECK(found.blockedShare() < 0.05);
}

TEST_CASE("a conical plug goes in from its wide side, with play") {
  const Insertion found = searched({.lean = 0.3});
  CHECK(found.direction.z() > 0.98);
  CHECK(found.blockedShare() < 0.002);
  CHECK(found.cone_deg >= 10);
  CHECK(found.cone_deg <= 20);  // walls lean by 16.7 degrees
}

TEST_CASE("an undercut is trimmed by what stands behind the opening, and the rest draws out") {
  const Hole hole{.lean = 0.3, .floor = true};
  const levelset::LevelSet defect = hole.defect(), host = hole.host(0.2);
  nlohmann::json results;
  const Fit fit{.clearance_mm = 0.3, .skin_mm = 0};
  const Seating seating{.direction = Vector3d(0, 0, -2), .most_trimmed_percent = 40};
  const Seated seated = seat(defect, &host, fit, seating, results);
  REQUIRE(seated.insertion);
  CHECK(seated.insertion->direction == Vector3d(0, 0, -1));
  // At rest the wall stands 0.3 mm off the hole's, measured across it; on the way 0.1 mm off its edge.
  const double off = 0.3 * std::sqrt(1 + 0.09), pi = std::numbers::pi;
  const auto cone = [&](double a, double b, double height) { return pi * height * (a * a + a * b + b * b) / 3; };
  const double whole = cone(10 - off, 12.31 - off, 7.7), narrow = 9.9, where = (narrow - (10 - off)) / 0.3;
  const double left = cone(10 - off, narrow, where) + pi * narrow * narrow * (7.7 - where);
  CHECK(seated.insertion->blocked_mm3 ==
        Approx(whole - left).epsilon(0.15));  // the opening's edge is rounded by its voxels
  // A slanted way, which spares one side, may bar less, never more.
  CHECK(findInsertion({defect, host, 0.3, {}}).blocked_mm3 < 1.01 * seated.insertion->blocked_mm3);
  CHECK(results["insertion"]["trimmed_mm3"] == seated.insertion->blocked_mm3);
  const Design design_made =
      design({defect, seated.around(&host), fit, 0.25, false}, Lattice({Kind::Network, 3.0, 0.4}), results);
  checkSeated(design_made, host, seated, results);
  const double least = leastOnTheWay(design_made.solid, seated.insertion->direction,
                                     [&](const Vector3d& p) { return levelset::sample(host, p); });
  CHECK(least > 0.02);
  CHECK(results["insertion"]["least_gap_mm"].get<double>() == Approx(least).margin(0.1));
  CHECK(results["overlap_mm3"] == 0);
  // More than is allowed is refused, with the place.
  CHECK_THROWS_WITH(seat(defect, &host, fit, {.most_trimmed_percent = 5}, results),
                    Catch::Contains("can't be pushed in") && Catch::Contains("LPS"));
}

TEST_CASE("a closed cavity has no way in, whichever way is wanted") {
  const auto cavity = made([](const Vector3d& p) { return p.norm() - 6; }, 8, -8, 8);
  const auto bone = made([](const Vector3d& p) { return std::max(p.norm() - 14, 6 - p.norm()); }, 16, -16, 16);
  nlohmann::json results;
  CHECK_THROWS_WITH(seat(cavity, &bone, {}, {}, results), Catch::Contains("no straight way is free"));
  CHECK_THROWS_AS(seat(cavity, &bone, {}, {.direction = Vector3d(0, 0, 5)}, results), core::Error);
  CHECK_THROWS_WITH(seat(cavity, &bone, {}, {.direction = Vector3d(0, 0, 0)}, results), Catch::Contains("no length"));
  CHECK_NOTHROW(seat(cavity, &bone, {}, {.insertion = false}, results));
}

TEST_CASE("an arch over the opening bars the straight way out, and a slanted one is found") {
  const Hole hole{.lean = 0.9, .floor = false};  // opens downwards
  const Function arch = [&](const Vector3d& p) {
    return std::min(hole.bone(p), block(p + Vector3d(0, 0, 60), 6, -2, 2));  // 50 mm below the opening
  };
  const levelset::LevelSet host =
      levelset::redistance(levelset::fromFunction(arch, Vector3d(-27, -27, -64), Vector3d(27, 27, 2), 0.4));
  const levelset::LevelSet defect = hole.defect();
  const Insertion straight = findInsertion({defect, host, 0.3, {}, Vector3d(0, 0, 1)});
  const Insertion found = findInsertion({defect, host, 0.3, {}});
  CHECK(straight.blockedShare() > 0.03);
  CHECK(found.blockedShare() < 0.3 * straight.blockedShare());
  REQUIRE_FALSE(straight.barred_at_mm.empty());
  CHECK(straight.barred_at_mm[0].z() < -50);
}

TEST_CASE("the way in is the same on any number of threads") {
  Insertion one, two;
  core::setThreads(1);
  one = searched({.lean = 0.1, .tilt = 0.2});
  core::setThreads(2);
  two = searched({.lean = 0.1, .tilt = 0.2});
  CHECK(one.direction == two.direction);
  CHECK(one.blocked_mm3 == two.blocked_mm3);
}

TEST_CASE("the implant keeps its distance from a structure, and a conflict names it") {
  const levelset::LevelSet defect = made([](const Vector3d& p) { return block(p, 8, -4, 4); }, 10, -6, 6);
  const Function nerve = [](const Vector3d& p) { return std::hypot(p.x() - 8, p.z()) - 1.5; };
  const levelset::LevelSet canal =
      made([&](const Vector3d& p) { return std::max(nerve(p), std::abs(p.y()) - 9); }, 10, -6, 6);
  nlohmann::json results;
  const Seated seated = seat(defect, nullptr, {}, {.keep_outs = {{"nerve", canal, 2.0}}}, results);
  const Design made_design =
      design({defect, seated.around(nullptr), {}, 0.2, false}, Lattice({Kind::Network, 3.0, 0.4}), results);
  double least = 1e9;
  for (const Vector3d& p : levelset::toMesh(made_design.solid).vertices) least = std::min(least, nerve(p));
  CHECK(least == Approx(2.0).margin(0.08));
  // Half a cylinder of 3.5 mm radius over 16 mm.
  CHECK(results["keep_outs_removed_mm3"].get<double>() ==
        Approx(0.5 * std::numbers::pi * 3.5 * 3.5 * 16).epsilon(0.05));
  const Seated crowded = seat(defect, nullptr, {}, {.keep_outs = {{"nerve", canal, 12.0}}}, results);
  CHECK_THROWS_WITH(
      design({defect, crowded.around(nullptr), {}, 0.2, false}, Lattice({Kind::Network, 3.0, 0.4}), results),
      Catch::Contains("nerve by 12 mm"));
}

TEST_CASE("keep-outs are read from labels by name, and a missing one says which there are") {
  image::Frame frame;
  frame.size = {40, 30, 20};
  frame.spacing_mm = {1, 1, 2};
  frame.origin_mm = {-20, -15, -20};
  image::Segmentation labels{image::LabelVolume(frame), {{10, "orbit"}, {11, "sinus"}, {12, "vessel"}}};
  double labelled_mm3 = 0;
  for (int k = 0; k < 20; ++k)
    for (int j = 0; j < 30; ++j)
      for (int i = 0; i < 40; ++i) {
        const Vector3d p = frame.toWorld({1. * i, 1. * j, 1. * k});
        if ((p - Vector3d(-8, 0, 0)).norm() < 7) labels.labels.at(i, j, k) = 10;
        if ((p - Vector3d(10, 0, 0)).norm() < 5) labels.labels.at(i, j, k) = 11, labelled_mm3 += 2;
      }
  image::writeSegmentation(labels, "keep.seg.nrrd");
  const auto one = readKeepOuts("keep.seg.nrrd", {"sinus"}, 3);
  REQUIRE(one.size() == 1);
  CHECK(one[0].distance_mm == 3);
  CHECK(levelset::volume_mm3(one[0].shape) == Approx(labelled_mm3).epsilon(0.08));
  CHECK(levelset::sample(one[0].shape, {10, 0, 5}) == Approx(0).margin(1.0));
  CHECK(readKeepOuts("keep.seg.nrrd", {}, 1).size() == 2);
  CHECK_THROWS_WITH(readKeepOuts("keep.seg.nrrd", {"vessel"}, 1), Catch::Contains("10 orbit, 11 sinus"));
  std::remove("keep.seg.nrrd");
}

TEST_CASE("regions of the fit keep another gap, or press into the host") {
  const Hole hole{};
  const levelset::LevelSet defect = hole.defect(), host = hole.host();
  core::writeFile("fit.json", R"({"space": "LPS", "regions": [
    {"name": "loose", "clearance_mm": 0.8, "plane": {"through_mm": [0, 0, 0], "normal": [2, 0, 0]}},
    {"name": "tight", "clearance_mm": -0.2, "box": {"min_mm": [-20, 5, -20], "max_mm": [20, 20, 20]}}]})");
  Fit fit{.clearance_mm = 0.3};
  fit.regions = readFitRegions("fit.json", "");
  nlohmann::json results;
  const Seated seated = seat(defect, &host, fit, {.insertion = false}, results);
  const Design made_design =
      design({defect, seated.around(&host), fit, 0.2, false}, Lattice({Kind::Network, 3.0, 0.6}), results);
  const auto reach = [&](const Vector3d& way) {
    double far = 0;
    for (const Vector3d& p : levelset::toMesh(made_design.solid).vertices)
      if (std::abs(p.z() + 4) < 3 && std::abs(std::atan2(p.y(), p.x()) - std::atan2(way.y(), way.x())) < 0.15)
        far = std::max(far, std::hypot(p.x(), p.y()));
    return far;
  };
  CHECK(reach({1, 0, 0}) == Approx(9.2).margin(0.06));
  CHECK(reach({-0.99, -0.1, 0}) == Approx(9.7).margin(0.06));
  CHECK(reach({0, 1, 0}) == Approx(10.2).margin(0.08));
  CHECK(results["overlap_mm3"].get<double>() > 0);
  core::writeFile("fit.json", R"({"regions": [{"name": "nowhere", "clearance_mm": 0.1}]})");
  CHECK_THROWS_AS(readFitRegions("fit.json", ""), core::Error);
  core::writeFile("fit.json", R"({"frame_id": "a", "regions": [
    {"name": "ball", "clearance_mm": 0.1, "sphere": {"centre_mm": [0, 0, 0], "radius_mm": 3}}]})");
  CHECK_THROWS_WITH(readFitRegions("fit.json", "b"), Catch::Contains("frame"));
  std::remove("fit.json");
}

TEST_CASE("the step at the rim is the height by which the outer surfaces miss each other") {
  // A cap of a sphere: curved surfaces that are flush have no step.
  const auto shell = [](const Vector3d& p, double lift) {
    const double r = (p + Vector3d(0, 0, 60)).norm() - lift;
    return std::max(r - 60, 54 - r);
  };
  const auto cut = [](const Vector3d& p) { return std::hypot(p.x(), p.y()) - 14; };
  const levelset::LevelSet host = made(
      [&](const Vector3d& p) {
        return std::max({shell(p, 0), -cut(p), std::hypot(p.x(), p.y()) - 30});
      },
      32, -20, 2);
  // The last is raised by more than its band reaches.
  for (const auto& [lift, voxel] : std::vector<std::pair<double, double>>{{0, 0.4}, {0.5, 0.4}, {-0.8, 0.25}}) {
    const levelset::LevelSet piece =
        made([&, lift = lift](const Vector3d& p) { return std::max(shell(p, lift), cut(p)); }, 16, -12, 2, voxel);
    const Envelope envelope = makeEnvelope(piece, {&host}, {.clearance_mm = 0.3});
    const auto step = contourStep(envelope, Vector3d::UnitZ());
    REQUIRE(step);
    CHECK(step->points > 20);
    CHECK(step->p50_mm == Approx(std::abs(lift)).margin(0.08));
    CHECK(step->p95_mm == Approx(std::abs(lift)).margin(0.1));
    // Made flush, it follows the sphere up to the rim; in the middle it stays.
    const Envelope flush = makeEnvelope(fittedTo(host, piece, 0.3, Vector3d::UnitZ()), {&host}, {.clearance_mm = 0.3});
    CHECK(contourStep(flush, Vector3d::UnitZ())->p95_mm < 0.15);
    CHECK_NOTHROW(levelset::unite(flush.defect, piece));
    double most = 0;
    for (double angle = 0; angle < 6.2; angle += 0.1) {
      const Vector3d rim(13 * std::cos(angle), 13 * std::sin(angle), std::sqrt(60.0 * 60 - 13 * 13) - 60);
      most = std::max(most, std::abs(levelset::sample(flush.defect, rim)));
    }
    CHECK(most < 0.25);
    CHECK(levelset::sample(flush.defect, {0, 0, lift}) == Approx(0).margin(0.02));
  }
}

TEST_CASE("the skin lies on the side from which the implant comes, wherever the host's centre is") {
  const auto plug = [](const Vector3d& p) { return std::max(std::hypot(p.x(), p.y()) - 10, slab(p, -8, 0)); };
  const auto bone = [&](const Vector3d& p) {  // a plate that reaches far to one side
    const double plate = std::max({std::abs(p.x() - 60) - 85, std::abs(p.y()) - 25, slab(p, -8, 0)});
    return std::max(plate, 10 - std::hypot(p.x(), p.y()));
  };
  const levelset::LevelSet defect = made(plug, 14, -10, 2);
  const levelset::LevelSet host =
      levelset::redistance(levelset::fromFunction(bone, Vector3d(-28, -28, -11), Vector3d(148, 28, 3), 0.4));
  Surroundings around{&host};
  around.outward = Vector3d::UnitZ();
  const Envelope envelope = makeEnvelope(defect, around, {.skin_mm = 1});
  for (const double x : {-6.0, 0.0, 6.0}) {
    CHECK(levelset::sample(*envelope.skin, Vector3d(x, 1, -0.4)) < 0);
    CHECK(levelset::sample(*envelope.skin, Vector3d(x, 1, -4)) > 0);
    CHECK(levelset::sample(*envelope.skin, Vector3d(x, 1, -7.6)) > 0);
  }
}
