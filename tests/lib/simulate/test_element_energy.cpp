#include "blocks.h"
#include "core/random.h"
#include "simulate/element_energy.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;

TEST_CASE("the energies of an element add up to those of its brick, whatever its sides") {
  const Eigen::Vector3d sides(0.7, 1.1, 1.6);
  const auto model = buildModel(box({3, 2, 2}, sides), law(1));
  const Operator K(model);
  Field u = K.zeros();
  const core::Random random(7);
  for (std::int64_t n = 0; n < K.nodes(); ++n)
    for (int c = 0; c < 3; ++c) u[c * K.stride() + n] = random.uniform(3 * n + c) - 0.5;
  const auto energies = cubicEnergies(K, u);
  const std::array<double, 3> entries = {3.1, 1.2, 0.7};
  const auto k = brickStiffness(cubic(entries[0], entries[1], entries[2]), sides);
  forEachElement(model, [&](std::int64_t e, int, int, int, const auto& nodes) {
    Eigen::Matrix<double, 24, 1> at;
    for (int a = 0; a < 8; ++a)
      for (int c = 0; c < 3; ++c) at[3 * a + c] = u[c * K.stride() + nodes[a]];
    double sum = 0;
    for (std::size_t q = 0; q < 3; ++q) sum += entries[q] * energies[e][q];
    CHECK(sum == Approx(at.dot(k * at)).epsilon(1e-12));
  });
}

TEST_CASE("a stiffness that is set anew is what the next solve sees") {
  auto filling = box({4, 3, 3});
  auto model = buildModel(filling, law(100));
  const auto reaction = [&] {
    const Operator K(model);
    std::vector<FixedDof> fixed;
    for (int c = 0; c < 3; ++c)
      fix(K, c, fixed, [&](const Eigen::Vector3d& p) {
        return p[0] < 1e-9 ? 0 : p[0] > 4 - 1e-9 ? -0.04 * (c == 0) : NAN;
      });
    Field u;
    solve(K, {}, fixed, {1e-9}, u);
    return dot(K, u, reactions(K, u));
  };
  const double before = reaction();
  const auto n = static_cast<std::size_t>(model.elements);
  setStiffness(model, isotropic(100, 0.3), std::vector<double>(n, 2.0));
  CHECK(reaction() == Approx(2 * before).epsilon(1e-6));
  const Elastic e = isotropic(100, 0.3);
  setStiffness(model, std::vector<std::array<double, 3>>(n, {e.c11, e.c12, e.c44}));
  CHECK(reaction() == Approx(before).epsilon(1e-5));
  CHECK_THROWS_AS(setStiffness(model, e, {1.0}), core::Error);
}
