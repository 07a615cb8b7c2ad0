#include <Eigen/Geometry>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "blocks.h"
#include "folder.h"
#include "simulate/conditions.h"
#include "simulate/remote.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;
using Eigen::Vector3d;
using nlohmann::json;

namespace {

Region side(const std::string& name) {
  Region region;
  region.side = name;
  return region;
}

/// A beam along x, 40 × 8 × 8 mm, elements of 1 mm, its left end held.
struct Beam {
  VoxelModel model = buildModel(box({40, 8, 8}), law(1000, 0));  // no Poisson effect, which the held ends would hinder
  Operator K{model};
  std::vector<Filler> fillers = {Filler{}};
  Scene scene{model, {}, {}, &fillers};
  Field u;
  Conditions conditions;

  void solve(const LoadCase& load_case) {
    conditions = place(scene, K, load_case);
    Solver solver(K, conditions.fixed);
    u.clear();
    solveCase(K, solver, conditions, {1e-9, 500}, u);
  }
  LoadCase held() const {
    LoadCase c{"c", "", {}, {}, false};
    c.constraints.push_back({"wall", side("x-"), {0.0, 0.0, 0.0}});
    return c;
  }
  LoadCase heldWith(const Remote& remote) const {
    LoadCase c = held();
    c.constraints.push_back({"tip", side("x+")});
    c.constraints.back().remote = remote;
    return c;
  }
  const Remote& tip() const { return *conditions.constraints[1].remote; }
  /// Sum and moment about the origin of all loads, LPS.
  Vector6d loads() const {
    Vector6d sum = Vector6d::Zero();
    forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
      Vector3d f;
      for (int c = 0; c < 3; ++c) f[c] = conditions.force[c * K.stride() + n];
      sum.head<3>() += f;
      sum.tail<3>() += model.nodePoint(i, j, k).cross(f);
    });
    return sum;
  }
};

constexpr double kInertia = 8.0 * 8 * 8 * 8 / 12;

}  // namespace

TEST_CASE("a beam bent by a force at a remote point follows beam theory") {
  Beam beam;
  Remote remote;
  remote.point_mm = {40, 4, 4};
  remote.force_n = {0, 0, -10};
  beam.solve(beam.heldWith(remote));
  const double euler = 10 * std::pow(40, 3) / (3 * 1000 * kInertia), shear = 10 * 40 / (5.0 / 6 * 500.0 * 64);
  CHECK(-*beam.tip().displacement_mm[2] == Approx(euler + shear).epsilon(0.012));
  CHECK(*beam.tip().rotation_rad[1] == Approx(10 * 40.0 * 40 / (2 * 1000 * kInertia)).epsilon(0.012));
  CHECK(std::abs(*beam.tip().displacement_mm[1]) < 1e-9);
  // What the body feels there is what was put on it, and a linear solid stores half the work.
  Field f = reactions(beam.K, beam.u);
  const Vector6d at = resultantAt(beam.K, f, beam.conditions.constraints[1]);
  CHECK(at[2] == Approx(-10).epsilon(1e-6));
  CHECK(at.tail<3>().norm() < 1e-4);
  CHECK(dot(beam.K, f, beam.u) == Approx(10 * -*beam.tip().displacement_mm[2]).epsilon(1e-6));
}

TEST_CASE("a force at a distance is the force and its moment; a pure moment turns the end") {
  Beam beam;
  Remote near, far;
  far.point_mm = {70, -5, 12};
  far.force_n = {2, 3, -10};
  near.point_mm = {40, 4, 4};
  near.force_n = far.force_n;
  near.moment_n_mm = (far.point_mm - near.point_mm).cross(far.force_n);
  beam.solve(beam.heldWith(far));
  const Field u = beam.u;
  beam.solve(beam.heldWith(near));
  double difference = 0, largest = 0;
  for (std::size_t n = 0; n < u.size(); ++n)
    difference = std::max(difference, std::abs(u[n] - beam.u[n])), largest = std::max(largest, std::abs(u[n]));
  CHECK(difference < 1e-6 * largest);
  Remote turn;
  turn.point_mm = {40, 4, 4};
  turn.moment_n_mm = {0, 100, 0};
  beam.solve(beam.heldWith(turn));
  CHECK(*beam.tip().rotation_rad[1] == Approx(100 * 40 / (1000 * kInertia)).epsilon(0.012));
}

TEST_CASE("a remote point that is held in part carries no moment where it is free to turn") {
  Beam beam;
  Remote hinge;
  hinge.point_mm = {40, 4, 4};
  hinge.displacement_mm = {std::nullopt, 0.0, -0.2};
  hinge.rotation_rad = {0.0, std::nullopt, std::nullopt};
  beam.solve(beam.heldWith(hinge));
  const Vector6d at = resultantAt(beam.K, reactions(beam.K, beam.u), beam.conditions.constraints[1]);
  CHECK(std::abs(at[4]) < 1e-5 * std::abs(at[2]) * 40);
  CHECK(std::abs(at[0]) < 1e-5 * std::abs(at[2]));
  const double flexibility = std::pow(40, 3) / (3 * 1000 * kInertia) + 40 / (5.0 / 6 * 500.0 * 64);
  CHECK(-at[2] == Approx(0.2 / flexibility).epsilon(0.012));

  LoadCase loose{"loose", "", {}, {}, false};
  loose.constraints.push_back({"a", side("x-")});
  loose.constraints.back().remote = hinge;
  CHECK_THROWS_AS(place(beam.scene, beam.K, loose), core::Error);
  LoadCase shared = beam.heldWith(hinge);
  shared.constraints[1].region = side("x-");
  CHECK_THROWS_AS(place(beam.scene, beam.K, shared), core::Error);
}

TEST_CASE("forces at a point, moments, muscles and weight have their resultants") {
  Beam beam;
  LoadCase c = beam.held();
  Load push{"push", side("x+"), Vector3d(1, -2, 5)};
  push.at_mm = Vector3d(60, 0, 9);
  c.loads = {push};
  beam.conditions = place(beam.scene, beam.K, c);
  Vector6d sum = beam.loads();
  CHECK((sum.head<3>() - Vector3d(1, -2, 5)).norm() < 1e-12);
  CHECK((sum.tail<3>() - Vector3d(60, 0, 9).cross(Vector3d(1, -2, 5))).norm() < 1e-10);

  Load twist{"twist", side("x+")};
  twist.moment_n_mm = Vector3d(30, 4, -7);
  c.loads = {twist};
  beam.conditions = place(beam.scene, beam.K, c);
  sum = beam.loads();
  CHECK(sum.head<3>().norm() < 1e-12);
  CHECK((sum.tail<3>() - *twist.moment_n_mm).norm() < 1e-10);

  Load muscle{"muscle", side("z+")};
  muscle.pull_n = 50, muscle.toward_mm = Vector3d(20, 4, 108);
  c.loads = {muscle};
  beam.conditions = place(beam.scene, beam.K, c);
  CHECK((beam.loads().head<3>() - Vector3d(0, 0, 50)).norm() < 1e-10);

  Load weight{"weight", {}};
  weight.acceleration_m_s2 = Vector3d(0, 0, -9.81);
  c.loads = {weight};
  CHECK_THROWS_AS(place(beam.scene, beam.K, c), core::Error);  // no density
  beam.fillers[0].material.density_g_cm3 = 2;
  beam.solve(c);
  const double newtons = 2e-6 * 40 * 8 * 8 * 9.81;
  CHECK(beam.loads()[2] == Approx(-newtons).epsilon(1e-12));
  CHECK(beam.conditions.loads[0].mass_kg == Approx(2e-6 * 40 * 8 * 8));
  const auto tip = beam.model.nodeAt(40, 4, 4);
  const double sag = newtons * std::pow(40, 3) / (8 * 1000 * kInertia) + newtons * 40 / 2 / (5.0 / 6 * 500.0 * 64);
  CHECK(-beam.u[2 * beam.K.stride() + tip] == Approx(sag).epsilon(0.012));
}

TEST_CASE("uneven surfaces: what is seen from a side, and what faces a direction") {
  auto filling = box({12, 12, 12});
  for (int k = 0; k < 12; ++k)
    for (int j = 0; j < 12; ++j)
      for (int i = 0; i < 12; ++i)
        if ((Vector3d(i, j, k) - Vector3d::Constant(5.5)).norm() > 6) filling.material[i + 12 * (j + 12 * k)] = 0;
  const auto model = buildModel(filling, law(1));
  const Scene scene{model, {}, {}};
  Region region;
  region.visible = Region::Visible{"z+"};
  const auto seen = select(scene, region, "r");
  double area = 0;
  for (const Face* face : selectFaces(scene, seen)) {
    CHECK(faceNormal(model, *face) == Vector3d::UnitZ());
    area += faceArea(model, *face);
  }
  int columns = 0;
  for (int j = 0; j < 12; ++j)
    for (int i = 0; i < 12; ++i)
      for (int k = 0, found = 0; k < 12 && !found; ++k) columns += found = filling.material[i + 12 * (j + 12 * k)];
  CHECK(area == Approx(columns));
  region.visible->depth_mm = 0;
  CHECK(select(scene, region, "r").count() < seen.count() / 2);

  region = {};
  region.facing = {Vector3d(1, 1, 0).normalized(), 30};
  std::int64_t wrong = 0, right = 0;
  const auto facing = select(scene, region, "r");
  forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
    const Vector3d p = model.nodePoint(i, j, k) - Vector3d::Constant(6);
    const double angle = std::acos(p.normalized().dot(region.facing->direction)) * 180 / M_PI;
    if (facing.nodes[n]) angle < 45 ? ++right : ++wrong;
  });
  CHECK(right > 20);
  CHECK(wrong == 0);
}

TEST_CASE("landmarks, body weights and directions become positions and newtons; what is missing is named") {
  const Folder folder;
  const json document = json::parse(R"({"body_weight_n": 700, "cases": [{"name": "a",
    "constraints": [{"region": {"side": "z-"}, "displacement_mm": [0, 0, 0]}],
    "loads": [{"region": {"sphere": {"centre_mm": "head", "radius_mm": 3}},
               "force": {"body_weights": 2.38, "direction": {"from": "head", "to": "foot"}}},
              {"region": {"side": "z+"}, "force": {"magnitude_n": 10, "toward": "foot"}}]}]})");
  const auto path = folder.write("loads.json", document);
  try {
    readLoads(path);
    FAIL("landmarks are missing");
  } catch (const core::Error& e) {
    CHECK(e.code() == core::Exit::DataError);
    CHECK(std::string(e.what()).find("foot, head") != std::string::npos);
  }
  const auto points = folder.write("p.json", {{"landmarks", {{"head", {1, 2, 30}}, {"foot", {1, 2, -70}}}}});
  auto cases = readLoads(path, {points, 0});
  CHECK((*cases[0].loads[0].force_n - Vector3d(0, 0, -2.38 * 700)).norm() < 1e-9);
  CHECK(cases[0].loads[0].region.sphere->centre_mm == Vector3d(1, 2, 30));
  CHECK(*cases[0].loads[1].pull_n == 10);
  cases = readLoads(path, {points, 1000});
  CHECK(cases[0].loads[0].force_n->norm() == Approx(2380));
  CHECK_THROWS_AS(readLoads(path, {folder.write("bad.json", {{"landmarks", {{"head", {1, 2}}}}}), 0}), core::Error);
}

TEST_CASE("every preset is understood, its landmarks given") {
  const Folder folder;
  int presets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(OSTEO_SOURCE_DIR "/configs/simulate")) {
    const std::string preset = entry.path().string();
    json landmarks = json::object();
    try {
      readLoads(preset);
    } catch (const core::Error& e) {
      REQUIRE(e.code() == core::Exit::DataError);  // landmarks are wanted: make some up
      std::istringstream names(e.complaint().expected);
      for (std::string name; names >> name;) {
        if (name.back() == ',') name.pop_back();
        const double x = 10.0 * double(landmarks.size());
        landmarks[name] = {x, x * x / 50, 100 - 3 * x};
      }
      INFO(preset);
      CHECK(!readLoads(preset, {folder.write("points.json", {{"landmarks", landmarks}}), 0}).empty());
    }
    ++presets;
  }
  CHECK(presets >= 10);
}

TEST_CASE("loads add up, scale and mirror") {
  Beam beam;
  const auto push = [&](const Vector3d& force, const char* where = "z+") {
    LoadCase c = beam.held();
    c.loads.push_back({"push", side(where), force});
    beam.solve(c);
    return beam.u;
  };
  const Field a = push({0, 0, -3}), b = push({1, 4, 0}), both = push({1, 4, -3}), tenfold = push({0, 0, -30});
  double worst = 0, scaled = 0, largest = 0;
  for (std::size_t n = 0; n < a.size(); ++n) {
    worst = std::max(worst, std::abs(a[n] + b[n] - both[n]));
    scaled = std::max(scaled, std::abs(10 * a[n] - tenfold[n]));
    largest = std::max(largest, std::abs(both[n]));
  }
  CHECK(worst < 1e-7 * largest);
  CHECK(scaled < 1e-7 * largest);
  // The beam is its own mirror image in y = 4 mm.
  const Field left = push({0, 2, 1}, "y-"), right = push({0, -2, 1}, "y+");
  double mirrored = 0;
  forEachNode(beam.model, [&](std::int64_t n, int i, int j, int k) {
    const auto m = beam.model.nodeAt(i, 8 - j, k);
    for (int c = 0; c < 3; ++c)
      mirrored = std::max(mirrored,
                          std::abs(left[c * beam.K.stride() + n] - (c == 1 ? -1 : 1) * right[c * beam.K.stride() + m]));
  });
  CHECK(mirrored < 1e-7 * largest);
  // Twice as stiff everywhere: half the displacement. The same in half the size: twice the displacement.
  const auto compare = [&](const VoxelModel& model, double factor) {
    const Operator K(model);
    const Scene scene{model, {}, {}};
    LoadCase c = beam.held();
    c.loads.push_back({"push", side("z+"), Vector3d(0, 0, -3)});
    const auto conditions = place(scene, K, c);
    Field u;
    solve(K, conditions.force, conditions.fixed, {1e-9, 500}, u);
    double difference = 0;
    for (std::size_t n = 0; n < a.size(); ++n) difference = std::max(difference, std::abs(factor * a[n] - u[n]));
    CHECK(difference < 1e-7 * largest);
  };
  compare(buildModel(box({40, 8, 8}), law(2000, 0)), 0.5);
  compare(buildModel(box({40, 8, 8}, Vector3d::Constant(0.5)), law(1000, 0)), 2);
}

TEST_CASE("a solve that stops by energy knows its error within a factor of four") {
  auto filling = box({24, 24, 24});
  for (int k = 0; k < 24; ++k)
    for (int j = 0; j < 24; ++j)
      for (int i = 0; i < 24; ++i) {
        const double w = 2 * M_PI / 12, x = w * (i + 0.5), y = w * (j + 0.5), z = w * (k + 0.5);
        const double g = std::sin(x) * std::cos(y) + std::sin(y) * std::cos(z) + std::sin(z) * std::cos(x);
        if (g > -0.2) filling.material[i + 24 * (j + 24 * k)] = 0;
      }
  const auto model = buildModel(filling, law(1000));
  const Operator K(model);
  std::vector<FixedDof> fixed;
  for (int c = 0; c < 3; ++c)
    fix(K, c, fixed, [&](const Vector3d& p) {
      return p[2] < 0.01 ? 0 : p[2] > 23.99 ? (c == 2 ? -0.1 : 0) : std::nan("");
    });
  Solver solver(K, fixed);
  const auto energyAt = [&](const SolveOptions& options, SolveReport& report) {
    Field u;
    report = solver.solve({}, fixed, options, u);
    return dot(K, reactions(K, u), u);
  };
  SolveReport report;
  const double exact = energyAt({1e-11, 500}, report);
  const int all = report.iterations;
  for (const double tolerance : {1e-2, 1e-4, 1e-6}) {
    const double error = energyAt({tolerance, 500, StopBy::Energy}, report) / exact - 1;
    CHECK(error < 4 * tolerance);
    CHECK(error > -1e-9);  // from above, as the displacement is prescribed
    CHECK(error < 4 * report.energy_error);
    CHECK(report.iterations < all);
  }
}

TEST_CASE("a contrast of a billion converges to springs in a row and side by side") {
  for (const double soft : {1e-9, 1e-6, 1e9}) {
    auto filling = box({8, 8, 16});
    for (int k = 8; k < 16; ++k)
      for (int v = 0; v < 64; ++v) filling.material[v + 64 * k] = 2;
    const auto model =
        buildModel(filling, [&](std::uint16_t m, float, float) { return isotropic(m ? 1000 * soft : 1000, 0.0); });
    const Operator K(model);
    std::vector<FixedDof> fixed;
    fix(K, 2, fixed, [](const Vector3d& p) { return p[2] < 0.01 ? 0 : p[2] > 15.99 ? 0.16 : std::nan(""); });
    const std::size_t moved = fixed.size();
    pinRigidMotions(K, fixed);
    Field u;
    solve(K, {}, fixed, {1e-9, 2000}, u);
    const Field f = reactions(K, u);
    double force = 0;
    for (std::size_t d = 0; d < moved; ++d)
      if (fixed[d].value_mm > 0) force += f[fixed[d].dof];
    CHECK(force == Approx(0.16 * 64 / (8 / 1000.0 + 8 / (1000 * soft))).epsilon(1e-4));  // rounding at 1e12 MPa
  }
}
