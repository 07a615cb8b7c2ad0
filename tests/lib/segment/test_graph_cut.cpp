#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"
#include "segment/graph_cut.h"

using namespace osteo;

namespace {

image::Frame box(int nx, int ny, int nz) {
  image::Frame frame;
  frame.size = {nx, ny, nz};
  return frame;
}

/// Random costs that depend on the voxels alone.
segment::CutCosts randomCosts(int seed, int gain, int link) {
  const auto draw = [random = core::Random(static_cast<std::uint64_t>(seed))](std::int64_t key) {
    return random.normal(static_cast<std::uint64_t>(key));
  };
  return {[=](std::int64_t v) { return static_cast<int>(gain * draw(v)); },
          [=](std::int64_t a, std::int64_t b) {
            return static_cast<int>(std::abs(link * draw(1000 + 61 * (a + b) + std::abs(a - b))));
          }};
}

/// What labels cost: each undecided voxel outside pays its gain where that is above nought, each inside pays what is
/// below; borders where the labels differ, unless both were decided.
std::int64_t costOf(const image::LabelVolume& trimap, const std::vector<std::uint16_t>& labels,
                    const segment::CutCosts& costs) {
  std::int64_t sum = 0;
  for (std::int64_t v = 0; v < trimap.frame.voxelCount(); ++v) {
    const auto at = static_cast<std::size_t>(v);
    const bool open = trimap.voxels[at] == segment::kUndecided;
    if (open) sum += labels[at] ? std::max(0, -costs.inside(v)) : std::max(0, costs.inside(v));
    image::forFaceNeighbours(trimap.frame, v, [&](std::int64_t w) {
      const auto to = static_cast<std::size_t>(w);
      if (w < v || (!open && trimap.voxels[to] != segment::kUndecided) || labels[at] == labels[to]) return;
      sum += costs.border(v, w);
    });
  }
  return sum;
}

}  // namespace

TEST_CASE("a cut costs as little as the best of all labellings") {
  for (int seed = 0; seed < 20; ++seed) {
    image::LabelVolume trimap(box(3, 3, 2), segment::kUndecided);
    std::vector<std::size_t> open;
    for (std::size_t v = 0; v < trimap.voxels.size(); ++v) {
      if (v % 5 == 2) trimap.voxels[v] = (v / 5 + static_cast<std::size_t>(seed)) % 2;
      if (trimap.voxels[v] == segment::kUndecided) open.push_back(v);
    }
    const segment::CutCosts costs = randomCosts(seed, 20, 5 + seed);
    auto labels = trimap.voxels;
    std::int64_t best = 1 << 30;
    for (unsigned bits = 0; bits < 1u << open.size(); ++bits) {
      for (std::size_t n = 0; n < open.size(); ++n) labels[open[n]] = bits >> n & 1;
      best = std::min(best, costOf(trimap, labels, costs));
    }
    image::LabelVolume cut = trimap;
    const std::int64_t said = segment::cutUndecided(cut, costs);
    CHECK(costOf(trimap, cut.voxels, costs) == best);
    CHECK(said == best);
  }
}

TEST_CASE("what a large cut costs is the flow through it, and no voxel gains by turning") {
  for (int seed = 0; seed < 3; ++seed) {
    const image::LabelVolume trimap(box(24, 20, 18), segment::kUndecided);
    const segment::CutCosts costs = randomCosts(seed, 60, 40);
    image::LabelVolume cut = trimap;
    const std::int64_t said = segment::cutUndecided(cut, costs);
    const std::int64_t paid = costOf(trimap, cut.voxels, costs);
    CHECK(said == paid);  // a flow is no more than any cut: equality proves both best
    CHECK(paid > 0);
  }
}

TEST_CASE("a film spans a tube at its waist, and decided voxels stay") {
  image::LabelVolume trimap(box(15, 15, 31)), bore(trimap.frame);
  for (int k = 0; k < 31; ++k) {
    for (int j = 0; j < 15; ++j) {
      for (int i = 0; i < 15; ++i) {
        if (std::hypot(i - 7, j - 7) > 2 + std::abs(k - 15) / 4.0) continue;
        bore.at(i, j, k) = 1;
        trimap.at(i, j, k) = k == 0 ? 1 : k == 30 ? 0 : segment::kUndecided;
      }
    }
  }
  const auto isBore = [&](std::int64_t v) { return bore.voxels[static_cast<std::size_t>(v)] != 0; };
  const segment::CutCosts costs{[](std::int64_t) { return 0; },
                                [&](std::int64_t a, std::int64_t b) {
                                  return !isBore(a) || !isBore(b) ? 0 : std::abs(b - a) == 225 ? 3 : 5;
                                }};
  CHECK(segment::cutUndecided(trimap, costs) == 3 * 13);  // the waist holds 13 voxels
  CHECK(trimap.at(7, 7, 10) == 1);
  CHECK(trimap.at(7, 7, 20) == 0);
  CHECK(trimap.at(7, 7, 0) == 1);
  CHECK(trimap.at(7, 7, 30) == 0);
  CHECK(trimap.at(0, 0, 10) == 0);
}
