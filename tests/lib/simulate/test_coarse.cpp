#include <nlohmann/json.hpp>

#include "blocks.h"
#include "simulate/coarse.h"
#include "simulate/prediction.h"
#include "simulate/study.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;
using Eigen::Vector3d;
using Eigen::Vector3i;
using nlohmann::json;

namespace {

std::vector<Filler> oneFiller(double modulus) {
  Filler filler;
  filler.material.name = "stuff";
  filler.material.modulus_mpa = modulus;
  return {filler};
}

/// Thin struts along x, y and z that cross every `pitch` voxels.
Filling grid(int n, int pitch, int wide) {
  Filling filling = box(Vector3i::Constant(n));
  std::size_t v = 0;
  for (int k = 0; k < n; ++k)
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i, ++v)
        filling.material[v] = int(i % pitch < wide) + int(j % pitch < wide) + int(k % pitch < wide) >= 2;
  return filling;
}

struct Both {
  json record;
  double expected_error, full;
};

/// A standard test predicted and solved.
Both predicted(const Filling& filling, const StandardTest& test) {
  const auto fillers = oneFiller(1000);
  const auto model = buildModel(filling, law(1000));
  const Operator K(model);
  const Scene scene{model, {}, {}, &fillers};
  const LoadCase load_case = loadCaseOf(test, modelBox(model));
  Both out;
  out.expected_error = predict({scene, K, load_case}, {1e-8, 2000}, test, out.record);
  Field u;
  const auto conditions = place(scene, K, load_case);
  solve(K, conditions.force, conditions.fixed, {1e-9, 5000}, u);
  out.full = dot(K, u, reactions(K, u));
  return out;
}

StandardTest strained(const std::string& kind, int axis = 2) {
  StandardTest test;
  test.kind = kind, test.axis = axis, test.shear_axis = (axis + 1) % 3, test.strain = -0.01;
  return test;
}

}  // namespace

TEST_CASE("a coarse model keeps the box, the volume and each material's place") {
  Filling filling = box({13, 9, 17}, {0.5, 1, 0.25});
  filling.frame.origin_mm = {3, -4, 5};
  filling.value.assign(filling.material.size(), 1.0F);
  for (std::size_t v = 0; v < filling.value.size(); v += 3) filling.value[v] = 0.25F;
  const auto fine = buildModel(filling, law(1000));
  const auto coarse = coarsen(fine, oneFiller(1000), 4, 2);
  CHECK(coarse.model.frame.size == Vector3i(3, 2, 4));
  CHECK((modelBox(coarse.model).min_mm - modelBox(fine).min_mm).norm() < 1e-12);
  CHECK((modelBox(coarse.model).max_mm - modelBox(fine).max_mm).norm() < 1e-12);
  double before = 0, after = 0;
  for (const float v : fine.value) before += double(v) * fine.frame.voxelVolume_mm3();
  for (const float v : coarse.model.value) after += double(v) * coarse.model.frame.voxelVolume_mm3();
  CHECK(after == Approx(before).epsilon(1e-6));
}

TEST_CASE("a share f of a solid weighs f^n; a mean of two solids lies between a row and a bundle of them") {
  Filling half = box({4, 4, 4});
  for (std::size_t v = 0; v < 32; ++v) half.material[v] = 0;
  half.material[0] = 1;  // so that the box stays
  half.material[16] = 1;
  const auto share = 34.0 / 64;
  const auto solid = isotropic(1000, 0.3);
  for (const double n : {1.0, 2.0, 2.5})
    CHECK(coarsen(buildModel(half, law(1000)), oneFiller(1000), 4, n).model.elastic(0).c11 / solid.c11 ==
          Approx(std::pow(share, n)).epsilon(1e-6));
  Filling two = box({4, 4, 4});
  for (std::size_t v = 0; v < 32; ++v) two.material[v] = 2;
  const auto model =
      buildModel(two, [](std::uint16_t m, float, float) { return isotropic(m == 0 ? 1000 : 4000, 0.3); });
  const auto fillers = std::vector<Filler>{oneFiller(1000)[0], oneFiller(4000)[0]};
  CHECK(coarsen(model, fillers, 4, 1).model.elastic(0).c11 / solid.c11 == Approx(2.5).epsilon(1e-6));
  CHECK(coarsen(model, fillers, 4, 2).model.elastic(0).c11 / solid.c11 == Approx(2.25).epsilon(1e-6));  // ((1 + 2)/2)²
}

TEST_CASE("a linear field stays linear on the fine nodes, and forces keep resultant and moment") {
  const auto fine = buildModel(box({10, 7, 9}), law(1000));
  const Operator K(fine);
  const auto coarse = coarsen(fine, oneFiller(1000), 4, 2);
  const Operator C(coarse.model);
  const auto linear = [](const Vector3d& p) { return 1 + 2 * p[0] - 3 * p[1] + 0.5 * p[2]; };
  Field u = C.zeros();
  forEachNode(coarse.model,
              [&](std::int64_t n, int i, int j, int k) { u[n] = linear(coarse.model.nodePoint(i, j, k)); });
  const Field v = prolong(coarse, C, u, K);
  Field force = K.zeros();
  double work = 0, sum = 0;
  forEachNode(fine, [&](std::int64_t n, int i, int j, int k) {
    const double expected = linear(fine.nodePoint(i, j, k));
    CHECK(v[n] == Approx(expected).epsilon(1e-9).margin(1e-9));
    force[n] = std::sin(double(n));
    work += force[n] * expected, sum += force[n];
  });
  const Field on_coarse = restrictForces(coarse, C, force, K);
  CHECK(dot(C, on_coarse, u) == Approx(work).epsilon(1e-9));
  double coarse_sum = 0;
  for (std::int64_t n = 0; n < C.nodes(); ++n) coarse_sum += on_coarse[n];
  CHECK(coarse_sum == Approx(sum).epsilon(1e-9));
}

TEST_CASE("solid blocks are predicted exactly, whether their voxels divide by the coarse element or not") {
  for (const Vector3i& size : {Vector3i(16, 24, 32), Vector3i(13, 18, 27), Vector3i(5, 6, 7)})
    for (const int axis : {0, 1, 2}) {
      const auto both = predicted(box(size, {0.5, 1, 0.75}), strained("uniaxial", axis));
      CHECK(both.record["external_work_n_mm"].get<double>() == Approx(both.full).epsilon(1e-6));
      CHECK(both.expected_error < 0.02);
      const Vector3d mm = size.cast<double>().cwiseProduct(Vector3d(0.5, 1, 0.75));
      const double stiffness = 1000 * mm.prod() / mm[axis] / mm[axis];
      CHECK(both.record["test"]["stiffness_n_per_mm"].get<double>() == Approx(stiffness).epsilon(1e-6));
      CHECK(both.record["p98_von_mises_mpa"].get<double>() == Approx(10).epsilon(1e-4));
    }
}

TEST_CASE("bounds hold, errors stay within the expected ones, and struts are told from massive bodies") {
  for (const char* kind : {"axial", "shear", "confined"}) {
    const auto massive = predicted(box({32, 28, 40}), strained(kind));
    const auto struts = predicted(grid(34, 8, 2), strained(kind));
    for (const auto* both : {&massive, &struts}) {
      const double bound = both->record["bounds"]["external_work_n_mm"]["upper"];
      CHECK(bound >= both->full * (1 - 1e-9));
      CHECK(std::abs(both->record["external_work_n_mm"].get<double>() / both->full - 1) <= both->expected_error);
    }
    CHECK(massive.expected_error < 0.05);  // --method auto stays
    CHECK(struts.expected_error > 0.2);    // and goes on
  }
}

TEST_CASE("under a load the bound is a least work, and the load keeps its resultant where no coarse face lies") {
  const auto fillers = oneFiller(1000);
  const auto model = buildModel(box({20, 20, 40}), law(1000));
  const Operator K(model);
  const Scene scene{model, {}, {}, &fillers};
  Region low, patch;
  low.side = "z-", patch.side = "z+";
  patch.box = Region::Box{{0, 0, 39}, {2.1, 3.1, 41}};  // half a coarse element
  LoadCase load_case{"press", "", {{"low", low, {0.0, 0.0, 0.0}}}, {}, false};
  load_case.loads.push_back({"press", patch, Vector3d(1, 2, -10)});
  json record;
  predict({scene, K, load_case}, {1e-8, 2000}, {}, record);
  const auto conditions = place(scene, K, load_case);
  Field u;
  solve(K, conditions.force, conditions.fixed, {1e-9, 5000}, u);
  CHECK(record["bounds"]["external_work_n_mm"]["lower"].get<double>() <= dot(K, u, reactions(K, u)) * (1 + 1e-9));
  CHECK(record["loads"]["press"]["force_n"][2].get<double>() == Approx(-10).epsilon(1e-9));
  CHECK(record["constraints"]["low"]["reaction_force_n"][1].get<double>() == Approx(-2).epsilon(1e-5));
}

TEST_CASE("a constraint that no coarse node meets is refused") {
  const auto fillers = oneFiller(1000);
  const auto model = buildModel(box({16, 16, 16}), law(1000));
  const Operator K(model);
  const Scene scene{model, {}, {}, &fillers};
  Region low, high;
  low.sphere = Region::Sphere{{2, 2, 2}, 0.5}, high.side = "z+";
  LoadCase load_case{"pull", "", {{"low", low, {0.0, 0.0, 0.0}}, {"high", high, {0.0, 0.0, 0.1}}}, {}, false};
  json record;
  CHECK_THROWS_AS(predict({scene, K, load_case}, {1e-8, 2000}, {}, record), core::Error);
}
