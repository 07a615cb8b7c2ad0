#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "design_scaffold/density_field.h"
#include "design_scaffold/implant_grid.h"
#include "design_scaffold/optimality_criteria.h"
#include "design_scaffold/topology.h"
#include "image/io.h"

using namespace osteo;
using namespace osteo::design_scaffold;

namespace {

/// A full box of unit cubes times h with its lower corner at the origin.
std::unique_ptr<simulate::VoxelModel> box(const Eigen::Vector3i& size, double h = 1) {
  simulate::Filling filling;
  filling.frame.size = size;
  filling.frame.spacing_mm.setConstant(h);
  filling.frame.origin_mm.setConstant(0.5 * h);
  filling.material.assign(static_cast<std::size_t>(filling.frame.voxelCount()), 1);
  return std::make_unique<simulate::VoxelModel>(
      simulate::buildModel(filling, [](std::uint16_t, float, float) { return simulate::isotropic(1, 0.3); }));
}

Shares all(const simulate::VoxelModel& model) {
  const auto n = static_cast<std::size_t>(model.elements);
  return {std::vector<double>(n, 1.0), std::vector<double>(n, 0.0)};
}

/// A beam clamped at x = 0 with a force on the edge x = nx, z = 0.
template <class Load>
std::unique_ptr<DensityModel> cantilever(const Eigen::Vector3i& size, double h, const Load& load, double tolerance) {
  auto model = box(size, h);
  const simulate::Operator K(*model);
  DesignCase c;
  simulate::forEachNode(*model, [&](std::int64_t n, int i, int, int) {
    for (int axis = 0; i == 0 && axis < 3; ++axis) c.conditions.fixed.push_back({axis * K.stride() + n, 0});
  });
  c.conditions.force = K.zeros();
  for (int j = 0; j <= size[1]; ++j) c.conditions.force[2 * K.stride() + model->nodeAt(size[0], j, 0)] = load(j);
  simulate::SolveOptions options;
  options.tolerance = tolerance;
  options.stop = simulate::StopBy::Energy;
  const Shares shares = all(*model);
  return std::make_unique<DensityModel>(std::move(model), simpLaw(simulate::isotropic(1, 0.3), 3, 1e-9), shares,
                                        std::vector<DesignCase>{c}, options);
}

/// A change of the value of f against what its derivative promises, along a random direction.
template <class F>
void checkDerivative(const std::vector<double>& x, const std::vector<double>& derivative, const F& f,
                     double tolerance) {
  const core::Random random(3);
  const double step = 1e-6;
  std::vector<double> a = x, b = x;
  double promised = 0;
  for (std::size_t n = 0; n < x.size(); ++n) {
    const double by = random.uniform(n) - 0.5;
    a[n] += step * by, b[n] -= step * by;
    promised += derivative[n] * by;
  }
  CHECK((f(a) - f(b)) / (2 * step) == Approx(promised).epsilon(tolerance));
}

std::vector<double> uneven(std::size_t n, double low = 0.1, double high = 0.9) {
  const core::Random random(11);
  std::vector<double> x(n);
  for (std::size_t e = 0; e < n; ++e) x[e] = low + (high - low) * random.uniform(e);
  return x;
}

double weightedSum(const std::vector<double>& values) {
  double sum = 0;
  for (std::size_t n = 0; n < values.size(); ++n) sum += (1 + 0.1 * static_cast<double>(n % 7)) * values[n];
  return sum;
}
std::vector<double> weights(std::size_t n) {
  std::vector<double> out(n);
  for (std::size_t e = 0; e < n; ++e) out[e] = 1 + 0.1 * static_cast<double>(e % 7);
  return out;
}

}  // namespace

TEST_CASE("SIMP follows the published compliances of the 24×12×12 cantilever") {
  const auto model = cantilever(
      {24, 12, 12}, 1, [](int j) { return -std::sin(std::numbers::pi * j / 12); }, 1e-5);
  Topology topology(*model, {.radius_elements = std::sqrt(3.0), .border = Border::Mirrored}, 0.12);
  std::vector<double> compliance;
  for (int it = 0; it < 10; ++it) compliance.push_back(topology.advance(0.12).compliance_n_mm);
  CHECK(compliance[0] == Approx(1.196685e5).epsilon(1e-3));
  CHECK(compliance[4] == Approx(3.529736e4).epsilon(1e-3));
  CHECK(compliance[9] == Approx(1.160928e4).epsilon(1e-3));
  CHECK(topology.volumeFraction() == Approx(0.12).epsilon(1e-3));
}

TEST_CASE("bench: a hundred designs of the 24×12×12 cantilever", "[.][bench]") {
  const auto model = cantilever(
      {24, 12, 12}, 1, [](int j) { return -std::sin(std::numbers::pi * j / 12); }, 1e-5);
  Topology topology(*model, {.radius_elements = std::sqrt(3.0), .border = Border::Mirrored}, 0.12);
  for (int it = 1; it <= 100; ++it) {
    const double compliance = topology.advance(0.12).compliance_n_mm;
    for (const auto& [at, truth] : {std::pair{1, 1.196685e5}, {5, 3.529736e4}, {10, 1.160928e4}, {100, 2.7616e3}})
      if (at == it)
        WARN("SIMP 24x12x12, design " << it << ": compliance over the published one " << compliance / truth);
  }
}

TEST_CASE("bench: a hundred designs of the 64×32×32 cantilever, with output", "[.][bench]") {
  const std::string file = (std::filesystem::temp_directory_path() / "osteo_bench_topology.nrrd").string();
  const auto start = std::chrono::steady_clock::now();
  const auto model = cantilever(
      {64, 32, 32}, 1.0 / 32, [](int j) { return j == 0 || j == 32 ? -0.0005 : -0.001; }, 1e-3);
  const bool by_asymptotes = GENERATE(false, true);
  Topology topology(*model, {.radius_elements = 0.08 * 32, .by_asymptotes = by_asymptotes}, 0.12);
  double first = 0, last = 0;
  for (int it = 0; it < 100; ++it) {
    last = topology.advance(0.12).compliance_n_mm;
    if (it == 0) first = last;
    if (it % 20 == 19)
      image::writeVolume(densityField(model->model(), topology.densities(), model->shares()), file, true);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::filesystem::remove(file);
  WARN("100 designs of 64x32x32 by " << (by_asymptotes ? "moving asymptotes" : "optimality criteria")
                                     << " with filter, update and output: " << seconds << " s; compliance at first "
                                     << first << ", of design 100 " << last);
}

TEST_CASE("a filter keeps what is even, and its transpose is its derivative") {
  auto model = box({5, 4, 3});
  for (const Border border : {Border::Mirrored, Border::Nothing}) {
    const ElementGrid grid(*model);
    const DensityFilter filter(grid, 2.2, border);
    for (const double d : filter.apply(std::vector<double>(60, 0.3))) CHECK(d == Approx(0.3));
    checkDerivative(
        uneven(60), filter.transposed(weights(60)),
        [&](const std::vector<double>& x) { return weightedSum(filter.apply(x)); }, 1e-8);
  }
}

TEST_CASE("no checkerboard outlives the filter") {
  auto model = box({8, 8, 8});
  const ElementGrid grid(*model);
  std::vector<double> board(512);
  for (std::size_t e = 0; e < 512; ++e) board[e] = grid.place[e].sum() % 2;
  const auto filtered = DensityFilter(grid, 2.5, Border::Mirrored).apply(board);
  const auto [low, high] = std::minmax_element(filtered.begin(), filtered.end());
  CHECK(*high - *low < 0.1);
}

TEST_CASE("the step keeps 0 and 1, and sharpens between them") {
  for (const double threshold : {0.25, 0.5, 0.75}) {
    const Heaviside step{16, threshold};
    CHECK(step(0) == Approx(0).margin(1e-12));
    CHECK(step(1) == Approx(1));
    CHECK(step(threshold - 0.2) < 0.01);
    CHECK(step(threshold + 0.2) > 0.99);
    CHECK((step(0.4 + 1e-6) - step(0.4 - 1e-6)) / 2e-6 == Approx(step.derivative(0.4)).epsilon(1e-5));
  }
}

TEST_CASE("what hangs over is not printed, what leans by 45 degrees is") {
  auto model = box({9, 3, 9});
  const ElementGrid grid(*model);
  const OverhangFilter filter(grid, 2, true);
  std::vector<double> table(243, 0.0), ramp(243, 0.0);  // a column with a slab on it; a wall that leans over
  for (std::size_t e = 0; e < 243; ++e) {
    const auto& p = grid.place[e];
    if (p[0] == 4 || p[2] == 6) table[e] = 1;
    if (p[0] == p[2]) ramp[e] = 1;
  }
  const auto printed = filter.apply(table);
  CHECK(printed[grid.at({4, 1, 8})] > 0.95);
  CHECK(printed[grid.at({3, 1, 6})] > 0.95);  // next to the column's top
  CHECK(printed[grid.at({1, 1, 6})] < 0.05);  // the slab's end hangs in the air
  CHECK(overhangingShare(grid, table, 2, true) > 0.1);
  CHECK(overhangingShare(grid, printed, 2, true) == 0);
  const auto leaning = filter.apply(ramp);
  for (int k = 0; k < 9; ++k) CHECK(leaning[grid.at({k, 1, k})] > 0.9);
  // Seen from the other side, the slab lies below the column's head: it rests on supports from outside.
  CHECK(OverhangFilter(grid, 2, false).apply(ramp)[grid.at({0, 1, 0})] > 0.9);
}

TEST_CASE("the derivative of the overhang filter") {
  auto model = box({4, 4, 4});
  const ElementGrid grid(*model);
  for (const bool up : {true, false}) {
    const OverhangFilter filter(grid, 0, up);
    const auto x = uneven(64, 0.3, 0.8);
    checkDerivative(
        x, filter.transposed(x, weights(64)),
        [&](const std::vector<double>& d) { return weightedSum(filter.apply(d)); }, 1e-5);
  }
}

TEST_CASE("optimality criteria meet the volume and keep to the move") {
  const std::vector<double> x(100, 0.5), volume(100, 0.01);
  std::vector<double> objective(100);
  for (std::size_t n = 0; n < 100; ++n) objective[n] = -1 - static_cast<double>(n);
  const auto next = nextDesign(x, {objective, volume, 0.45, 0, 1, 0.2});
  CHECK(std::accumulate(next.begin(), next.end(), 0.0) / 100 == Approx(0.45).epsilon(2e-3));
  CHECK(std::is_sorted(next.begin(), next.end()));
  for (const double v : next) CHECK((v >= 0.3 - 1e-12 && v <= 0.7 + 1e-12));
  // A volume that the move can't reach: as near as it can.
  for (const double v : nextDesign(x, {objective, volume, 0.1, 0, 1, 0.2})) CHECK(v == Approx(0.3).margin(0.01));
  for (const double v : nextDesign(x, {objective, volume, 0.9, 0, 1, 0.2})) CHECK(v == Approx(0.7).margin(0.01));
}

TEST_CASE("the compliance's derivative, with skin and cut elements") {
  auto model = box({5, 3, 3});
  Shares shares = all(*model);
  shares.body[3] = 0.4, shares.solid[7] = 1, shares.solid[8] = 0.5;
  const simulate::Operator K(*model);
  DesignCase loaded, moved;
  loaded.weight = 0.5;
  simulate::forEachNode(*model, [&](std::int64_t n, int i, int, int) {
    for (int axis = 0; axis < 3; ++axis) {
      if (i == 0) loaded.conditions.fixed.push_back({axis * K.stride() + n, 0});
      if (i == 0 || i == 5) moved.conditions.fixed.push_back({axis * K.stride() + n, i == 5 && axis == 0 ? 0.1 : 0});
    }
  });
  loaded.conditions.force = K.zeros();
  loaded.conditions.force[2 * K.stride() + model->nodeAt(5, 1, 1)] = 1;
  simulate::SolveOptions options;
  options.tolerance = 1e-12;
  DensityModel both(std::move(model), simpLaw(simulate::isotropic(10, 0.3), 3, 1e-3), shares, {loaded, moved}, options);
  const auto value = [&](const std::vector<double>& density) {
    both.solve(density);
    std::vector<double> unused;
    return both.compliance(unused);
  };
  const auto x = uneven(45);
  std::vector<double> derivative;
  both.solve(x);
  both.compliance(derivative);
  // Stiffnesses are kept as floats: a larger step than elsewhere.
  const core::Random random(5);
  std::vector<double> a = x, b = x;
  double promised = 0;
  for (std::size_t n = 0; n < 45; ++n) {
    const double by = random.uniform(n) - 0.5;
    a[n] += 1e-3 * by, b[n] -= 1e-3 * by;
    promised += derivative[n] * by;
  }
  CHECK((value(a) - value(b)) / 2e-3 == Approx(promised).epsilon(2e-3));
}

TEST_CASE("projected designs are solid or empty, survive erosion in one piece and print without overhang") {
  const auto model = cantilever(
      {16, 8, 8}, 1, [](int) { return -1.0; }, 1e-4);
  Topology topology(
      *model, {.radius_elements = 2, .is_projected = true, .margin = 0.2, .overhang = BuildDirection{2, true}}, 0.3);
  for (int it = 0; it < 35; ++it) {
    topology.sharpen(std::min(32.0, std::exp2(it / 5)));
    topology.advance(0.3);
  }
  const auto density = topology.densities();
  double grey = 0;
  for (const double d : density) grey += 4 * d * (1 - d) / static_cast<double>(density.size());
  CHECK(grey < 0.15);
  CHECK(topology.volumeFraction() == Approx(0.3).margin(0.03));
  CHECK(overhangingShare(topology.grid(), density, 2, true) < 0.02);
  const auto eroded = topology.densities(Topology::Made::Eroded);
  const double kept = topology.volumeFraction(eroded);
  CHECK((kept > 0.1 && kept < topology.volumeFraction()));
  // The eroded design still carries the load from the tip to the wall: across a gap it would be softer by many orders.
  model->solve(eroded);
  model->solve(density);
  const double nominal = model->works_n_mm()[0];
  model->solve(eroded);
  CHECK(model->works_n_mm()[0] < 10 * nominal);
  topology.settle(0.28);
  CHECK(topology.volumeFraction() == Approx(0.28).margin(0.002));
}

TEST_CASE("a case of a design that neither loads the body nor moves it, or does both, is refused") {
  const auto refused = [](double force, double move) {
    auto mesh = box({2, 2, 2});
    const simulate::Operator K(*mesh);
    DesignCase c;
    simulate::forEachNode(*mesh, [&](std::int64_t n, int i, int, int) {
      for (int axis = 0; i == 0 && axis < 3; ++axis) c.conditions.fixed.push_back({axis * K.stride() + n, move});
    });
    c.conditions.force = K.zeros();
    c.conditions.force[0] = force;
    const Shares shares = all(*mesh);
    try {
      DensityModel(std::move(mesh), simpLaw(simulate::isotropic(1, 0.3), 3, 1e-9), shares, {c}, {});
    } catch (const core::Error& error) {
      CHECK(error.code() == core::Exit::Config);
      return true;
    }
    return false;
  };
  CHECK(refused(0, 0));
  CHECK(refused(1, 1));
  CHECK_FALSE(refused(1, 0));
  CHECK_FALSE(refused(0, 1));
}

TEST_CASE("memory is asked for before a design is laid out on a fine grid") {
  const levelset::LevelSet ball =
      levelset::fromFunction([](const Eigen::Vector3d& p) { return p.norm() - 5; }, {-6, -6, -6}, {6, 6, 6}, 0.4);
  const Envelope envelope = makeEnvelope(ball, {}, {});
  CHECK(implantGrid(envelope, 1).model->elements > 300);
  try {
    implantGrid(envelope, 5e-5);  // 10^16 voxels
    FAIL("nothing was thrown");
  } catch (const core::Error& error) {
    CHECK(error.code() == core::Exit::Memory);
  }
}
