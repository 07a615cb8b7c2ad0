#include <Eigen/Dense>
#include <Eigen/Geometry>

#include "blocks.h"
#include "core/parallel.h"
#include "core/random.h"
#include "simulate/materials.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;

namespace {
const double kFree = std::nan("");
const SolveOptions kTight{1e-11, 20000};

/// The 24×24 stiffness of one brick by plain 2×2×2 Gauss quadrature.
Eigen::Matrix<double, 24, 24> gaussStiffness(const Elastic& e, const Eigen::Vector3d& h) {
  Eigen::Matrix<double, 24, 24> K = Eigen::Matrix<double, 24, 24>::Zero();
  Eigen::Matrix<double, 6, 6> D = Eigen::Matrix<double, 6, 6>::Zero();
  D << e.c11, e.c12, e.c13, 0, 0, 0, e.c12, e.c22, e.c23, 0, 0, 0, e.c13, e.c23, e.c33, 0, 0, 0, 0, 0, 0, e.c44, 0, 0,
      0, 0, 0, 0, e.c55, 0, 0, 0, 0, 0, 0, e.c66;
  for (int q = 0; q < 8; ++q) {
    Eigen::Matrix<double, 6, 24> B = Eigen::Matrix<double, 6, 24>::Zero();
    for (int a = 0; a < 8; ++a) {
      Eigen::Vector3d s, f, d;
      for (int c = 0; c < 3; ++c) {
        s[c] = (a >> c & 1) ? 1 : -1;
        f[c] = 1 + s[c] * ((q >> c & 1) ? 1 : -1) / std::sqrt(3.0);
      }
      for (int c = 0; c < 3; ++c) d[c] = s[c] * f[(c + 1) % 3] * f[(c + 2) % 3] / 8 * 2 / h[c];
      B(0, 3 * a) = B(5, 3 * a + 1) = B(4, 3 * a + 2) = d[0];
      B(1, 3 * a + 1) = B(5, 3 * a) = B(3, 3 * a + 2) = d[1];
      B(2, 3 * a + 2) = B(4, 3 * a) = B(3, 3 * a + 1) = d[2];
    }
    K += B.transpose() * D * B * h.prod() / 8;
  }
  return K;
}
}  // namespace

TEST_CASE("one brick equals its Gauss-integrated stiffness, also anisotropic and orthotropic") {
  const Eigen::Vector3d h(0.7, 1.3, 2.1);
  const Elastic e{3.1, 0.9, 1.7, 2.6, 4.2, 0.7, 1.1, 1.3, 0.8};
  const auto model = buildModel(box({1, 1, 1}, h), [&](std::uint16_t, float, float) { return e; });
  const Operator K(model);
  const auto expected = gaussStiffness(e, h);
  Field u = K.zeros(), y = K.zeros();
  for (int column = 0; column < 24; ++column) {
    std::fill(u.begin(), u.end(), 0.0);
    u[column % 3 * K.stride() + column / 3] = 1;
    K.apply(u, y);
    for (int row = 0; row < 24; ++row)
      CHECK(y[row % 3 * K.stride() + row / 3] == Approx(expected(row, column)).margin(1e-14));
  }
  const auto blocks = K.diagonalBlocks();
  for (int a = 0; a < 8; ++a)
    for (int c = 0; c < 6; ++c) {
      constexpr int kRow[6] = {0, 1, 2, 1, 0, 0}, kColumn[6] = {0, 1, 2, 2, 2, 1};
      CHECK(blocks[c * K.stride() + a] == Approx(expected(3 * a + kRow[c], 3 * a + kColumn[c])).margin(1e-14));
    }
}

TEST_CASE("bricks of different orthotropic or cubic stiffness each keep their own") {
  const Eigen::Vector3d h(0.7, 1.3, 2.1);
  const Elastic ortho{3.1, 0.9, 1.7, 2.6, 4.2, 0.7, 1.1, 1.3, 0.8};
  for (const Elastic& other : {isotropic(5, 0.2), cubic(4, 1, 2.5)})
    for (const Elastic& first : {ortho, cubic(3, 1.2, 0.4)}) {
      auto filling = box({2, 1, 1}, h);
      filling.material[1] = 2;
      const auto model = buildModel(filling, [&](std::uint16_t m, float, float) { return m ? other : first; });
      const Operator K(model);
      CHECK(model.stiffness.entry.size() == (first.isCubic() ? 3 : 9));
      for (int side = 0; side < 2; ++side) {
        const auto expected = gaussStiffness(side ? other : first, h);
        // Nodes of one end belong to one brick: their rows and columns are its own.
        for (int a = side; a < 8; a += 2)
          for (int c = 0; c < 3; ++c) {
            Field u = K.zeros(), y = K.zeros();
            u[c * K.stride() + model.nodeAt(2 * side, a >> 1 & 1, a >> 2)] = 1;
            K.apply(u, y);
            for (int b = side; b < 8; b += 2)
              for (int d = 0; d < 3; ++d)
                CHECK(y[d * K.stride() + model.nodeAt(2 * side, b >> 1 & 1, b >> 2)] ==
                      Approx(expected(3 * b + d, 3 * a + c)).epsilon(1e-6).margin(1e-7));
          }
      }
    }
}

TEST_CASE("an orthotropic block has its engineering constants, on any order of axes") {
  const Orthotropic bone{{12000, 13400, 20000}, {0.235, 0.222, 0.376}, {6230, 5610, 4530}};
  Eigen::Matrix3d turned;
  turned << 0, 0, -1, 1, 0, 0, 0, -1, 0;  // x = −k, y = i, z = −j
  for (const Eigen::Matrix3d& direction : {Eigen::Matrix3d(Eigen::Matrix3d::Identity()), turned}) {
    auto filling = box({4, 4, 4});
    filling.frame.direction = direction;
    const auto model =
        buildModel(filling, [&](std::uint16_t, float, float) { return onGrid(bone.stiffness(), direction); });
    const Operator K(model);
    for (int axis = 0; axis < 3; ++axis) {
      int grid = 0;
      while (std::abs(direction(axis, grid)) < 0.5) ++grid;
      std::vector<FixedDof> fixed;
      forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
        const int at[3] = {i, j, k};
        if (at[grid] == 0 || at[grid] == 4) fixed.push_back({grid * K.stride() + n, at[grid] * 0.0025});
      });
      pinRigidMotions(K, fixed);
      Field u;
      solve(K, {}, fixed, {1e-10, 1000}, u);
      const Field f = reactions(K, u);
      double force = 0;
      for (const auto& d : fixed)
        if (d.value_mm > 0) force += f[d.dof];
      CHECK(force == Approx(0.0025 * 16 * bone.moduli_mpa[axis]).epsilon(1e-6));
    }
  }
  CHECK_THROWS_AS(onGrid(bone.stiffness(), Eigen::AngleAxisd(0.2, Eigen::Vector3d::UnitZ()).toRotationMatrix()),
                  core::Error);
}

TEST_CASE("patch test: a random symmetric strain is reproduced exactly") {
  // An irregular body: two boxes joined by a face, anisotropic voxels.
  auto filling = box({7, 6, 9}, {0.8, 1.1, 0.5});
  for (int k = 4; k < 9; ++k)
    for (int j = 0; j < 6; ++j)
      for (int i = 0; i < 4; ++i) filling.material[i + 7 * (j + 6 * k)] = 0;
  const auto model = buildModel(filling, law(17000, 0.31));
  const Operator K(model);
  const core::Random random(7);
  Eigen::Matrix3d strain;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c <= r; ++c) strain(r, c) = strain(c, r) = 0.01 * random.normal(3 * r + c);
  std::vector<std::uint8_t> is_boundary(model.nodes, 0);
  for (const auto& face : exposedFaces(model))
    for (auto n : face.nodes) is_boundary[n] = 1;
  std::vector<FixedDof> fixed;
  Field exact = K.zeros();
  forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
    for (int c = 0; c < 3; ++c) {
      const auto dof = c * K.stride() + n;
      exact[dof] = (strain * model.nodePoint(i, j, k))[c];
      if (is_boundary[n]) fixed.push_back({dof, exact[dof]});
    }
  });
  REQUIRE(fixed.size() < static_cast<std::size_t>(3 * model.nodes));
  Field u;
  solve(K, K.zeros(), fixed, kTight, u);
  double worst = 0;
  for (std::size_t n = 0; n < u.size(); ++n) worst = std::max(worst, std::abs(u[n] - exact[n]));
  CHECK(worst < 1e-10);
  Vector6d voigt;
  voigt << strain(0, 0), strain(1, 1), strain(2, 2), 2 * strain(1, 2), 2 * strain(0, 2), 2 * strain(0, 1);
  forEachElement(model, [&](std::int64_t, int, int, int, const auto& nodes) {
    CHECK((centreStrain(u.data(), K.stride(), nodes, model.frame.spacing_mm) - voigt).norm() < 1e-10);
  });
}

TEST_CASE("a cube under strain: uniaxial, ends fixed, confined") {
  const auto model = buildModel(box({6, 6, 6}), law(6829));
  const Operator K(model);
  const auto bottom = [&](double v) { return [=](const Eigen::Vector3d& p) { return p[2] < 0.01 ? v : kFree; }; };
  const auto ends = [&](const Eigen::Vector3d& p) { return p[2] < 0.01 || p[2] > 5.99 ? 0 : kFree; };
  const auto sides = [&](int c) {
    return [=](const Eigen::Vector3d& p) { return p[c] < 0.01 || p[c] > 5.99 ? 0 : kFree; };
  };
  const auto force = [&](std::vector<FixedDof> others, bool pin) {
    std::vector<FixedDof> top, all = std::move(others);
    fix(K, 2, top, [](const Eigen::Vector3d& p) { return p[2] > 5.99 ? -0.06 : kFree; });
    fix(K, 2, all, bottom(0));
    all.insert(all.end(), top.begin(), top.end());
    if (pin) pinRigidMotions(K, all);
    CHECK(freeRigidMotions(K, all).empty());
    Field u;
    solve(K, K.zeros(), all, kTight, u);
    return sumOver(reactions(K, u), top);
  };
  CHECK(force({}, true) == Approx(-2458.44).epsilon(1e-9));
  std::vector<FixedDof> held;
  for (int c = 0; c < 2; ++c) fix(K, c, held, ends);
  CHECK(force(held, false) == Approx(-2651.537786).epsilon(1e-9));
  held.clear();
  for (int c = 0; c < 2; ++c) fix(K, c, held, sides(c));
  CHECK(force(held, false) == Approx(-3309.438462).epsilon(1e-9));
}

TEST_CASE("cantilever of the figures, converging to Timoshenko") {
  // 100 long (x), 10 deep (z), one cube wide; force 20·h N with half weights on the top and bottom tip nodes.
  const std::pair<int, double> expected[] = {
      {2, 0.35363466}, {4, 0.38873413}, {5, 0.39348765}, {10, 0.40008396}, {20, 0.40181044}};  // tip, mm
  for (const auto& [n, tip] : expected) {
    const double h = 10.0 / n;
    const auto model = buildModel(box({10 * n, 1, n}, Eigen::Vector3d::Constant(h)), law(2e5));
    const Operator K(model);
    std::vector<FixedDof> fixed;
    for (int c : {0, 2}) fix(K, c, fixed, [](const Eigen::Vector3d& p) { return p[0] < 1e-9 ? 0 : kFree; });
    fixed.push_back({K.stride() + model.nodeAt(0, 0, 0), 0});
    Field force = K.zeros(), u;
    double weights = 0, mean = 0;
    for (int k = 0; k <= n; ++k)
      for (int j = 0; j <= 1; ++j) weights += k == 0 || k == n ? 0.5 : 1;
    for (int k = 0; k <= n; ++k)
      for (int j = 0; j <= 1; ++j)
        force[2 * K.stride() + model.nodeAt(10 * n, j, k)] = 20 * h * (k == 0 || k == n ? 0.5 : 1) / weights;
    solve(K, force, fixed, {1e-8, 50000}, u);
    for (int k = 0; k <= n; ++k)
      for (int j = 0; j <= 1; ++j) mean += u[2 * K.stride() + model.nodeAt(10 * n, j, k)] / (2 * (n + 1));
    CHECK(mean == Approx(tip).epsilon(1e-6));
    // Timoshenko: F L³/3EI + F L/κGA per unit width, κ = 5/6.
    const double exact = 20 * 1e6 / (3 * 2e5 * 1000.0 / 12) + 20 * 100 / (5.0 / 6 * 2e5 / 2.6 * 10);
    if (n >= 5) CHECK(mean == Approx(exact).epsilon(n == 5 ? 0.025 : n == 10 ? 0.01 : 0.004));
  }
}

TEST_CASE("torsion and bending of a square bar") {
  const auto model = buildModel(box({8, 8, 48}), law(1000));
  const Operator K(model);
  const auto run = [&](auto&& value, auto&& moment) {
    std::vector<FixedDof> fixed, top;
    for (int c = 0; c < 3; ++c) {
      fix(K, c, fixed, [&](const Eigen::Vector3d& p) {
        return p[2] < 0.01 ? value(c, p, -1) : p[2] > 47.99 ? value(c, p, 1) : kFree;
      });
    }
    Field u;
    solve(K, K.zeros(), fixed, kTight, u);
    const Field f = reactions(K, u);
    double sum = 0;
    for (int j = 0; j <= 8; ++j)
      for (int i = 0; i <= 8; ++i) {
        const auto n = model.nodeAt(i, j, 48);
        sum += moment(i - 4.0, j - 4.0, Eigen::Vector3d(f[n], f[K.stride() + n], f[2 * K.stride() + n]));
      }
    return sum;
  };
  const double theta = 0.01;
  const double torque = run(
      [&](int c, const Eigen::Vector3d& p, int side) {
        if (side < 0 || c == 2) return 0.0;
        return c == 0 ? -theta * (p[1] - 4) : theta * (p[0] - 4);
      },
      [](double x, double y, const Eigen::Vector3d& f) { return x * f[1] - y * f[0]; });
  CHECK(torque / theta == Approx(4705.739618).epsilon(1e-8));
  const double bending = run(
      [&](int c, const Eigen::Vector3d& p, int side) { return c == 2 ? side * std::tan(theta / 2) * (p[0] - 4) : 0.0; },
      [](double x, double, const Eigen::Vector3d& f) { return x * f[2]; });
  CHECK(bending / (2 * std::tan(theta / 2)) == Approx(7236.726741).epsilon(1e-8));
}

TEST_CASE("the same bytes for any thread count, and energy balance") {
  auto filling = box({23, 19, 21});
  for (std::size_t v = 0; v < filling.material.size(); ++v)
    if (core::Random(3).uniform(v) < 0.35) filling.material[v] = 0;
  const auto model = buildModel(filling, law(1000));
  CHECK(model.dropped_elements > 0);
  const Operator K(model);
  std::vector<FixedDof> fixed;
  for (int c = 0; c < 3; ++c) fix(K, c, fixed, [](const Eigen::Vector3d& p) { return p[2] < 0.01 ? 0.02 : kFree; });
  Field force = K.zeros(), u1, u2;
  for (std::int64_t n = K.nodes() - 40; n < K.nodes(); ++n) force[K.stride() + n] = 1;
  const int threads = core::threads();
  core::setThreads(1);
  solve(K, force, fixed, {}, u1);
  core::setThreads(2);
  solve(K, force, fixed, {}, u2);
  core::setThreads(threads);
  CHECK(u1 == u2);
  const Field f = reactions(K, u1);
  double external = dot(K, force, u1);
  for (const auto& d : fixed) external += (f[d.dof] - force[d.dof]) * u1[d.dof];
  CHECK(external == Approx(dot(K, u1, f)).epsilon(1e-8));
}

TEST_CASE("rigid motions that are left free are named; too few iterations are an error") {
  const auto model = buildModel(box({3, 3, 3}), law(1));
  const Operator K(model);
  std::vector<FixedDof> fixed;
  fix(K, 2, fixed, [](const Eigen::Vector3d& p) { return p[2] < 0.01 ? 0 : kFree; });
  CHECK(freeRigidMotions(K, fixed) ==
        std::vector<std::string>{"translation along x", "translation along y", "rotation about z"});
  pinRigidMotions(K, fixed);
  CHECK(freeRigidMotions(K, fixed).empty());
  Field force = K.zeros(), u;
  force[2 * K.stride() + K.nodes() - 1] = 1;
  CHECK_THROWS_AS(solve(K, force, fixed, {1e-12, 3}, u), core::Error);
}

TEST_CASE("the float kernel and the double kernel agree, in every path") {
  auto filling = box({150, 5, 4}, {0.7, 0.7, 0.7});  // longer than a chunk, and no multiple of a pack
  for (std::size_t v = 0; v < filling.material.size(); ++v)
    if (core::Random(5).uniform(v) < 0.2) filling.material[v] = 0;
  filling.value.assign(filling.material.size(), 0);
  for (std::size_t v = 0; v < filling.value.size(); ++v)
    filling.value[v] = static_cast<float>(0.2 + core::Random(6).uniform(v));
  const auto check = [](const VoxelModel& model, bool is_uniform) {
    REQUIRE(model.stiffness.isUniform() == is_uniform);
    const Operator K(model);
    Field u = K.zeros(), y = K.zeros();
    FloatField uf(u.size(), 0.0F), yf(u.size(), 0.0F);
    for (std::int64_t n = 0; n < K.nodes(); ++n)
      for (int c = 0; c < 3; ++c) {
        uf[c * K.stride() + n] = static_cast<float>(core::Random(7).normal(3 * n + c));
        u[c * K.stride() + n] = uf[c * K.stride() + n];
      }
    K.apply(u, y);
    K.apply(uf, yf);
    // Against the 24×24 matrices, element by element.
    Field expected = K.zeros();
    forEachElement(model, [&](std::int64_t e, int, int, int, const auto& nodes) {
      const auto k = brickStiffness(model.elastic(e), model.frame.spacing_mm);
      for (int r = 0; r < 24; ++r)
        for (int c = 0; c < 24; ++c)
          expected[r % 3 * K.stride() + nodes[r / 3]] += k(r, c) * u[c % 3 * K.stride() + nodes[c / 3]];
    });
    double scale = 0, worst = 0, worst_float = 0;
    for (std::size_t n = 0; n < y.size(); ++n) {
      scale = std::max(scale, std::abs(expected[n]));
      worst = std::max(worst, std::abs(y[n] - expected[n]));
      worst_float = std::max(worst_float, std::abs(double(yf[n]) - expected[n]));
    }
    CHECK(worst < 1e-13 * scale);
    CHECK(worst_float < 2e-6 * scale);
  };
  check(buildModel(filling, law(1000)), true);
  check(buildModel(filling, [](std::uint16_t, float v, float) { return isotropic(1000 * v, 0.2 + 0.1 * v); }), false);
  filling.frame.spacing_mm = {0.7, 0.9, 1.3};
  check(buildModel(filling, law(1000)), true);
  check(buildModel(filling, [](std::uint16_t, float v, float) { return isotropic(1000 * v, 0.2 + 0.1 * v); }), false);
}

TEST_CASE("iterations hardly grow with the grid; a sequence starts warm; superposition holds") {
  const auto gyroid = [](int n) {
    auto filling = box({n, n, n});
    for (int k = 0; k < n; ++k)
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i) {
          const double w = 4 * M_PI / n, x = (i + 0.5) * w, y = (j + 0.5) * w, z = (k + 0.5) * w;
          const double g = std::sin(x) * std::cos(y) + std::sin(y) * std::cos(z) + std::sin(z) * std::cos(x);
          filling.material[i + n * (j + n * k)] = g < -0.3;
        }
    return buildModel(filling, law(1000));
  };
  std::vector<int> iterations;
  for (const int n : {24, 48, 72}) {
    const auto model = gyroid(n);
    const Operator K(model);
    std::vector<FixedDof> fixed;
    for (int c = 0; c < 3; ++c)
      fix(K, c, fixed, [&](const Eigen::Vector3d& p) {
        return p[2] < 0.01 ? 0.0 : p[2] > n - 0.01 ? (c == 2 ? -0.01 * n : 0.0) : kFree;
      });
    Solver solver(K, fixed);
    Field u;
    iterations.push_back(solver.solve(K.zeros(), fixed, {}, u).iterations);
    if (n != 48) continue;
    CHECK(solver.solve(K.zeros(), fixed, {}, u).iterations == 0);  // the answer as a first guess
    // Twice the push, and a side force on top: sums of the single answers.
    Field push, pull, both, force = K.zeros();
    for (std::int64_t m = K.nodes() / 2; m < K.nodes() / 2 + 500; ++m) force[K.stride() + m] = 0.1;
    auto doubled = fixed, still = fixed;
    for (auto& f : doubled) f.value_mm *= 2;
    for (auto& f : still) f.value_mm = 0;
    solver.solve(K.zeros(), fixed, {1e-10, 1000}, push);
    solver.solve(force, still, {1e-10, 1000}, pull);
    solver.solve(force, doubled, {1e-10, 1000}, both);
    double worst = 0, largest = 0;
    for (std::size_t m = 0; m < both.size(); ++m) {
      worst = std::max(worst, std::abs(both[m] - 2 * push[m] - pull[m]));
      largest = std::max(largest, std::abs(both[m]));
    }
    CHECK(worst < 1e-8 * largest);
  }
  CHECK(iterations[0] < 25);
  CHECK(iterations[2] <= 1.5 * iterations[0]);
}

TEST_CASE("problems in a block have the same bits as one by one, and stop each for itself") {
  auto filling = box({20, 20, 24});
  for (std::size_t v = 0; v < filling.material.size(); ++v)
    if (v % 7 == 3 || v % 11 == 5) filling.material[v] = 0;
  const auto model = buildModel(filling, law(1000));
  const Operator K(model);
  std::vector<FixedDof> fixed;
  for (int c = 0; c < 3; ++c)
    fix(K, c, fixed, [](const Eigen::Vector3d& p) { return p[2] < 0.01 || p[2] > 23.99 ? 0 : std::nan(""); });
  std::vector<Field> forces(4), block(4), single(4);
  std::vector<std::vector<FixedDof>> held(4, fixed);
  for (auto& d : held[0])
    if (model.nodes - d.dof % K.stride() < 500) d.value_mm = 0.1;
  for (int f = 1; f < 4; ++f) forces[f] = K.zeros(), forces[f][(f - 1) * K.stride() + model.nodes / 2 + 7 * f] = f;
  held[3] = fixed, forces[3].clear();  // nothing acts: no step
  std::vector<Solver::Problem> problems;
  for (int f = 0; f < 4; ++f) problems.push_back({&forces[f], &held[f], &block[f]});
  Solver solver(K, fixed);
  const auto reports = solver.solve(problems, {1e-8, 500});
  for (int f = 0; f < 4; ++f) {
    const auto report = solver.solve(forces[f], held[f], {1e-8, 500}, single[f]);
    CHECK(report.iterations == reports[f].iterations);
    CHECK(report.residual == reports[f].residual);
    CHECK(single[f] == block[f]);
  }
  CHECK(reports[3].iterations == 0);
  CHECK(reports[0].iterations > 3);
}
