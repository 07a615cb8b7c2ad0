#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "core/random.h"
#include "learn/regrid.h"
#include "learn/sliding_window.h"

using namespace osteo;
using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

float valueAt(int i, int j, int k) { return std::sin(0.1F * i) + 0.01F * static_cast<float>(j * k) - 300; }

/// Runs a network over a field of valueAt(); what it gives, channel after channel over the whole volume.
std::vector<float> slid(const learn::Window& window, const learn::TileFunction& tile) {
  const Vector3i& size = window.size;
  const std::size_t plane = static_cast<std::size_t>(size[0] * size[1]),
                    all = plane * static_cast<std::size_t>(size[2]);
  std::vector<float> out(all * static_cast<std::size_t>(window.channels));
  int asked = 0, given = 0;
  learn::slide(
      window,
      [&](int z, float* slice) {
        REQUIRE(z == asked++);
        for (int j = 0; j < size[1]; ++j)
          for (int i = 0; i < size[0]; ++i) *slice++ = valueAt(i, j, z);
      },
      tile,
      [&](int z, const std::vector<float>& slice) {
        REQUIRE(z == given++);
        for (std::size_t c = 0; c < static_cast<std::size_t>(window.channels); ++c)
          std::copy_n(slice.begin() + static_cast<std::ptrdiff_t>(c * plane), plane,
                      out.begin() + static_cast<std::ptrdiff_t>(c * all + plane * static_cast<std::size_t>(z)));
      });
  CHECK(given == size[2]);
  return out;
}

void identity(const std::vector<float>& tile, std::vector<float>& out) { out = tile; }

}  // namespace

TEST_CASE("patches start evenly") {
  CHECK(learn::windowStarts(110, 64) == std::vector<int>{0, 23, 46});
  CHECK(learn::windowStarts(64, 64) == std::vector<int>{0});
  CHECK(learn::windowStarts(20, 64) == std::vector<int>{0});
  CHECK(learn::windowStarts(65, 64) == std::vector<int>{0, 1});
  CHECK(learn::windowStarts(128, 64, 1) == std::vector<int>{0, 64});
}

TEST_CASE("a patch counts most in its middle, an eighth of it from there by exp(-1/2)") {
  const std::vector<float> w = learn::windowWeights(65);
  CHECK(w[32] == 1);
  CHECK(w[0] == w[64]);
  CHECK(learn::windowWeights(17)[8 + 2] == Approx(std::exp(-0.5 * (2 / 2.125) * (2 / 2.125))));
}

TEST_CASE("a network that returns its input gives the volume back") {
  for (const Vector3i& size : {Vector3i(37, 20, 53), Vector3i(16, 16, 16), Vector3i(9, 40, 5), Vector3i(1, 1, 1)}) {
    const learn::Window window{size, {16, 16, 16}, 1};
    const std::vector<float> out = slid(window, identity);
    double worst = 0;
    std::size_t v = 0;
    for (int k = 0; k < size[2]; ++k)
      for (int j = 0; j < size[1]; ++j)
        for (int i = 0; i < size[0]; ++i) worst = std::max<double>(worst, std::abs(out[v++] / valueAt(i, j, k) - 1));
    CHECK(worst < 1e-5);
  }
}

TEST_CASE("channels stay apart, and the bytes are the same for any number of threads") {
  const learn::Window window{{30, 25, 40}, {16, 8, 16}, 2};
  const auto edges = [](const std::vector<float>& tile, std::vector<float>& out) {  // depends on the place in the tile
    for (std::size_t v = 0; v < tile.size(); ++v) {
      out[v] = tile[v] * static_cast<float>(core::Random(1, v).uniform(0));
      out[tile.size() + v] = 7;
    }
  };
  const int threads = core::threads();
  core::setThreads(1);
  const std::vector<float> one = slid(window, edges);
  core::setThreads(3);
  const std::vector<float> three = slid(window, edges);
  core::setThreads(threads);
  CHECK(one == three);
  for (std::size_t v = one.size() / 2; v < one.size(); ++v) REQUIRE(one[v] == Approx(7));
}

TEST_CASE("only a slab is held") {
  const learn::Window high{{358, 358, 800}, {64, 64, 64}, 4}, low{{358, 358, 80}, {64, 64, 64}, 4};
  CHECK(learn::slideBytes(high) == learn::slideBytes(low));
  CHECK(learn::slideBytes(high) < 3.5e8);
}

TEST_CASE("grids change and come back: linear fields stay linear, outer faces agree") {
  image::Frame frame;
  frame.size = {20, 24, 30};
  frame.spacing_mm = {1.5, 1, 0.5};
  frame.origin_mm = {3, -4, 5};
  image::CtVolume volume(frame);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v)
    volume.voxels[static_cast<std::size_t>(v)] = static_cast<float>(frame.centre(v).dot(Vector3d(2, -1, 3)));
  const image::Frame fine = learn::regridded(frame, Vector3d::Ones());
  CHECK(fine.size == Vector3i(30, 24, 15));
  const Vector3d faces = frame.origin_mm - 0.5 * frame.spacing_mm;
  CHECK((fine.origin_mm - 0.5 * fine.spacing_mm - faces).norm() < 1e-12);
  const image::CtVolume moved = learn::regrid(volume, fine);
  double worst = 0;
  for (int k = 2; k < 13; ++k)
    for (int j = 2; j < 22; ++j)
      for (int i = 2; i < 28; ++i)
        worst = std::max(worst, std::abs(moved.at(i, j, k) - fine.toWorld(Vector3d(i, j, k)).dot(Vector3d(2, -1, 3))));
  CHECK(worst < 1e-3);
  const image::Frame same = learn::regridded(frame, {1.5, 1.03, 0.5});
  CHECK(same.sameGrid(frame));
  CHECK(learn::regrid(volume, same).voxels == volume.voxels);
}

TEST_CASE("noise is averaged on the way to a coarser grid") {
  image::Frame frame;
  frame.size = {64, 64, 64};
  frame.spacing_mm = Vector3d::Constant(0.5);
  image::CtVolume volume(frame);
  const core::Random random(4, 2);
  for (std::size_t v = 0; v < volume.voxels.size(); ++v) volume.voxels[v] = static_cast<float>(random.normal(v));
  const image::CtVolume coarse = learn::regrid(volume, learn::regridded(frame, Vector3d::Ones()));
  double sum = 0;
  for (int k = 1; k < 31; ++k)  // the border's voxels are repeated
    for (int j = 1; j < 31; ++j)
      for (int i = 1; i < 31; ++i) sum += coarse.at(i, j, k) * coarse.at(i, j, k);
  // Weights 1/8 3/8 3/8 1/8 on each axis: variance (5/16)^3.
  CHECK(sum / (30 * 30 * 30) == Approx(std::pow(5.0 / 16, 3)).epsilon(0.05));
}
