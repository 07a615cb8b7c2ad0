// The kernel once more, compiled for plain x86-64 (SSE2), against the one that the machine picks at run time.
#include "blocks.h"
#include "core/random.h"

#define applyBricks applyBricksBaseline
#define brickStiffness brickStiffnessBaseline
#define diagonalBlock diagonalBlockBaseline
#define centreStrain centreStrainBaseline
#define OSTEO_NO_DISPATCH
#include "../../../lib/simulate/brick.cpp"
#undef applyBricks

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;

namespace {

template <class T>
void compare(const VoxelModel& model) {
  const std::int64_t stride = (model.nodes + kPadding + 7) / 8 * 8;
  std::vector<T> u(static_cast<std::size_t>(3 * stride), T(0)), wide(u.size(), T(0)), plain(u.size(), T(0));
  const core::Random random(5);
  for (std::size_t n = 0; n < u.size(); ++n) u[n] = static_cast<T>(random.uniform(static_cast<std::int64_t>(n)) - 0.5);
  const auto runs = static_cast<std::int64_t>(model.runs.size());
  applyBricks(model, 0, runs, u.data(), wide.data(), stride);
  applyBricksBaseline(model, 0, runs, u.data(), plain.data(), stride);
  std::size_t different = 0;
  for (std::size_t n = 0; n < u.size(); ++n) different += wide[n] != plain[n];
  CHECK(different == 0);
}

}  // namespace

TEST_CASE("the kernel has the same bits with and without AVX2, for every kind of stiffness") {
  const core::Random random(9);
  for (const Eigen::Vector3d& spacing : {Eigen::Vector3d(1, 1, 1), Eigen::Vector3d(0.7, 1.1, 0.4)}) {
    auto filling = box({37, 9, 8}, spacing);
    for (std::size_t v = 0; v < filling.material.size(); ++v) {
      const double r = random.uniform(static_cast<std::int64_t>(v));
      filling.material[v] = r < 0.25 ? 0 : r < 0.6 ? 1 : 2;
      filling.value.push_back(static_cast<float>(0.3 + r));
    }
    for (const int kind : {0, 1, 2}) {
      const auto model = buildModel(filling, [&](std::uint16_t m, float v, float) {
        if (kind == 0 || m == 0) return double(v) * isotropic(17, 0.3);
        return kind == 1 ? cubic(3, 1, 2.5) : Elastic{3.1, 0.9, 1.7, 2.6, 4.2, 0.7, 1.1, 1.3, 0.8};
      });
      compare<float>(model);
      compare<double>(model);
    }
  }
}
