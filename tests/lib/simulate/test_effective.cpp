#include <Eigen/Dense>
#include <nlohmann/json.hpp>

#include "blocks.h"
#include "simulate/effective.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;

namespace {

/// A periodic cell of n³ voxels that is solid where `solid(sx, cx, …)` says so; angles at the voxels' centres.
template <class Solid>
VoxelModel cell(int n, const Solid& solid) {
  auto filling = box({n, n, n});
  filling.is_periodic = true;
  for (int k = 0; k < n; ++k)
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) {
        const double w = 2 * M_PI / n;
        filling.material[i + n * (j + n * k)] = solid((i + 0.5) * w, (j + 0.5) * w, (k + 0.5) * w) ? 1 : 0;
      }
  return buildModel(filling, law(1));
}

double gyroid(double x, double y, double z) {
  return std::sin(x) * std::cos(y) + std::sin(y) * std::cos(z) + std::sin(z) * std::cos(x);
}

}  // namespace

TEST_CASE("periodic stiffness of the published cells") {
  struct Truth {
    VoxelModel model;
    double fraction, c11, c12, c44;
  };
  const Truth truths[] = {
      {cell(32, [](double x, double y, double z) { return gyroid(x, y, z) < -0.6; }), 0.309082, .1061898, .0519909,
       .0435024},
      {cell(32, [](double x, double y, double z) { return std::abs(gyroid(x, y, z)) < 0.6; }), 0.381836, .2167249,
       .0912195, .0712970},
      {cell(32, [](double x, double y, double z) { return std::cos(x) + std::cos(y) + std::cos(z) < -0.6; }), 0.329834,
       .1482274, .0169387, .0258409}};
  for (const auto& truth : truths) {
    const Operator K(truth.model);
    const auto effective = effectiveStiffness(K, "periodic", {1e-7, 1000});
    const auto record = describeStiffness(effective, truth.model);
    CHECK(record["volume_fraction"].get<double>() == Approx(truth.fraction).margin(5e-7));
    for (int a = 0; a < 3; ++a) {
      CHECK(effective.tensor_mpa(a, a) == Approx(truth.c11).margin(6e-8));
      CHECK(effective.tensor_mpa(a, (a + 1) % 3) == Approx(truth.c12).margin(6e-8));
      CHECK(effective.tensor_mpa(a + 3, a + 3) == Approx(truth.c44).margin(6e-8));
    }
    CHECK(record["zener_ratio"].get<double>() == Approx(2 * truth.c44 / (truth.c11 - truth.c12)).epsilon(1e-5));
    CHECK(record["bounds"]["holds"] == true);
  }
}

TEST_CASE("laminate, with an even and an odd number of voxels, seen from a turned grid") {
  for (const int n : {8, 7}) {
    auto filling = box({n, n, 6});
    filling.is_periodic = true;
    filling.value.assign(filling.material.size(), 17000);
    for (std::size_t v = filling.value.size() / 2; v < filling.value.size(); ++v) filling.value[v] = 1000;
    // The grid's z runs along LPS x.
    filling.frame.direction << 0, 0, 1, 1, 0, 0, 0, 1, 0;
    const auto model = buildModel(filling, [](std::uint16_t, float v, float) { return isotropic(v, 0.3); });
    const Operator K(model);
    const auto C = effectiveStiffness(K, "periodic", {1e-9, 1000}).tensor_mpa;
    CHECK(C(1, 1) == Approx(10357.142857).epsilon(1e-8));
    CHECK(C(1, 2) == Approx(3434.065934).epsilon(1e-8));
    CHECK(C(0, 1) == Approx(1089.743590).epsilon(1e-8));
    CHECK(C(0, 0) == Approx(2542.735043).epsilon(1e-8));
    CHECK(C(5, 5) == Approx(726.495726).epsilon(1e-8));
    CHECK(C(3, 3) == Approx(3461.538462).epsilon(1e-8));
  }
}

TEST_CASE("mixed conditions: exact for a full block, and a missing side is refused") {
  auto filling = box({5, 6, 7});
  const auto model = buildModel(filling, law(1000));
  const Operator K(model);
  const auto effective = effectiveStiffness(K, "mixed", {1e-10, 1000});
  const Elastic solid = isotropic(1000, 0.3);
  CHECK(effective.tensor_mpa(0, 0) == Approx(solid.c11).epsilon(1e-8));
  CHECK(effective.tensor_mpa(1, 2) == Approx(solid.c12).epsilon(1e-8));
  CHECK(effective.tensor_mpa(4, 4) == Approx(solid.c44).epsilon(1e-8));
  CHECK(effective.asymmetry < 1e-8);
  for (int v = 0; v < 5 * 6; ++v) filling.material[v] = 0;
  const auto cut = buildModel(filling, law(1000));
  const Operator L(cut);
  CHECK_THROWS_AS(effectiveStiffness(L, "mixed", {}), core::Error);
}

TEST_CASE("the fields of a periodic cell carry its stiffness, for any mean strain") {
  const auto model = cell(16, [](double x, double y, double z) { return gyroid(x, y, z) < -0.6; });
  const Operator K(model);
  const SolveOptions options{1e-7};
  const Matrix6d C = effectiveStiffness(K, "periodic", options).tensor_mpa;
  Vector6d strain;
  strain << 0.3, -0.2, 0.1, 0.25, -0.15, 0.05;
  const auto fields = periodicFields(K, {strain, unitStrains()[4]}, options);
  const double volume = double(model.frame.voxelCount());
  CHECK(dot(K, fields[0], reactions(K, fields[0])) / volume == Approx(strain.dot(C * strain)).epsilon(1e-5));
  CHECK(dot(K, fields[1], reactions(K, fields[1])) / volume == Approx(C(4, 4)).epsilon(1e-5));
}
