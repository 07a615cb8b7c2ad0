#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "core/random.h"
#include "image/distance.h"
#include "image/filters.h"
#include "image/metrics.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "shapes.h"

using namespace osteo;
using namespace osteo::image;
using namespace osteo::image::shapes;

TEST_CASE("two cubes one voxel apart have the known overlap") {
  const Frame grid = frame(16, 16, 16, {2, 1, 1});
  const LabelVolume a = box(grid, {2, 3, 3}, {10, 10, 10}), b = box(grid, {3, 3, 3}, {10, 10, 10});
  const Overlap same = overlap(a, b);
  CHECK(same.dice == Approx(0.9).epsilon(1e-12));
  CHECK(same.iou == Approx(9.0 / 11).epsilon(1e-12));
  CHECK(same.volume_similarity == 1);
  const SurfaceDistance distance = surfaceDistance(a, b);
  CHECK(distance.max_mm == Approx(2));  // one voxel of 2 mm
  CHECK(distance.mean_mm > 0.3);
  CHECK(distance.mean_mm < 0.9);
  CHECK(std::isinf(surfaceDistance(a, LabelVolume(grid)).hd95_mm));
  CHECK(surfaceDistance(a, a).max_mm == 0);
}

TEST_CASE("the 95th percentile is of the pooled distances") {
  // Two plates of 20 × 20 voxels, 3 mm apart: every distance is 3 but for a spike of one column.
  const Frame grid = frame(20, 20, 20);
  const LabelVolume a = box(grid, {0, 0, 2}, {20, 20, 1});
  LabelVolume b = box(grid, {0, 0, 5}, {20, 20, 1});
  for (int k = 5; k < 19; ++k) b.at(10, 10, k) = 1;
  const SurfaceDistance distance = surfaceDistance(a, b);
  CHECK(distance.hd95_mm == Approx(3));
  CHECK(distance.max_mm == Approx(16));
}

TEST_CASE("distances are exact for anisotropic voxels and the same for any thread count") {
  const Frame grid = frame(23, 19, 17, {0.7, 1.1, 2.3});
  LabelVolume mask(grid);
  const core::Random random(7);
  std::vector<Eigen::Vector3i> seeds;
  for (int n = 0; n < 25; ++n) {
    const auto pick = [&](int axis) { return static_cast<int>(random.uniform(3 * n + axis) * grid.size[axis]); };
    seeds.emplace_back(pick(0), pick(1), pick(2));
    mask.at(seeds.back()[0], seeds.back()[1], seeds.back()[2]) = 3;
  }
  const CtVolume distance = distanceMm(mask);
  double worst = 0;
  for (int k = 0; k < grid.size[2]; ++k)
    for (int j = 0; j < grid.size[1]; ++j)
      for (int i = 0; i < grid.size[0]; ++i) {
        double nearest = 1e9;
        for (const auto& seed : seeds)
          nearest =
              std::min(nearest, (seed - Eigen::Vector3i(i, j, k)).cast<double>().cwiseProduct(grid.spacing_mm).norm());
        worst = std::max(worst, std::abs(nearest - distance.at(i, j, k)));
      }
  CHECK(worst < 1e-5);
  core::setThreads(1);
  const auto single = distanceMm(mask).voxels;
  core::setThreads(2);
  CHECK(distanceMm(mask).voxels == single);
  CHECK(std::isinf(distanceMm(LabelVolume(grid)).voxels[5]));
}

TEST_CASE("parts are numbered by size, faces and corners apart") {
  const Frame grid = frame(12, 12, 12);
  LabelVolume mask = box(grid, {1, 1, 1}, {2, 2, 2});
  for (const auto& [low, size] : {std::pair{Eigen::Vector3i(3, 3, 3), Eigen::Vector3i(3, 3, 3)},
                                  {Eigen::Vector3i(8, 8, 8), Eigen::Vector3i(1, 1, 4)}}) {
    const LabelVolume more = box(grid, low, size);
    for (std::size_t i = 0; i < mask.voxels.size(); ++i) mask.voxels[i] |= more.voxels[i];
  }
  const Components faces = components(mask, Connectivity::Faces);
  CHECK(faces.voxels == std::vector<std::int64_t>{27, 8, 4});
  CHECK(faces.ids.at(4, 4, 4) == 1);
  CHECK(faces.ids.at(1, 1, 1) == 2);
  CHECK(faces.ids.at(8, 8, 10) == 3);
  CHECK(faces.ids.at(0, 0, 0) == 0);
  CHECK(components(mask, Connectivity::Corners).voxels == std::vector<std::int64_t>{35, 4});
  CHECK(count(largestComponent(mask, Connectivity::Faces)) == 27);
  CHECK(count(dropSmall(mask, 8, Connectivity::Faces)) == 35);
  CHECK(components(LabelVolume(grid), Connectivity::Faces).voxels.empty());
}

TEST_CASE("a spiral is one part") {
  // U shapes force the two-pass labelling to join provisional ids.
  LabelVolume mask(frame(9, 9, 1));
  const char* rows[9] = {"111111111", "000000001", "111111101", "100000101", "101110101",
                         "101010101", "101000101", "101111101", "100000001"};
  for (int j = 0; j < 9; ++j)
    for (int i = 0; i < 9; ++i) mask.at(i, j, 0) = rows[j][i] == '1';
  CHECK(components(mask, Connectivity::Faces).voxels.size() == 2);
  mask.at(0, 1, 0) = 1;
  CHECK(components(mask, Connectivity::Faces).voxels.size() == 1);
}

TEST_CASE("cavities are filled and tunnels are not") {
  const Frame grid = frame(14, 14, 14);
  LabelVolume shell = box(grid, {2, 2, 2}, {9, 9, 9});
  for (int k = 4; k < 9; ++k)
    for (int j = 4; j < 9; ++j)
      for (int i = 4; i < 9; ++i) shell.at(i, j, k) = 0;
  CHECK(count(fillHoles(shell)) == 729);
  for (int k = 2; k < 5; ++k) shell.at(5, 5, k) = 0;
  CHECK(fillHoles(shell).voxels == shell.voxels);
}

TEST_CASE("dilation and erosion move a ball's surface by the radius") {
  const Frame grid = frame(60, 50, 40, {0.8, 1.0, 1.25});
  const Eigen::Vector3d centre(24, 25, 25);
  const double volume = grid.voxelVolume_mm3();
  const auto sphere = [](double r) { return 4.18879020 * r * r * r; };
  const LabelVolume ball12 = ball(grid, centre, 12);
  CHECK(count(dilate(ball12, 5)) * volume == Approx(sphere(17)).epsilon(0.05));
  CHECK(count(erode(ball12, 5)) * volume == Approx(sphere(7)).epsilon(0.12));
  // Lattice sets: opening shrinks, closing grows, both do nothing the second time.
  const LabelVolume opened = open(ball12, 3), closed = close(ball12, 3);
  for (std::size_t i = 0; i < opened.voxels.size(); ++i)
    REQUIRE((opened.voxels[i] <= ball12.voxels[i] && ball12.voxels[i] <= closed.voxels[i]));
  CHECK(open(opened, 3).voxels == opened.voxels);
  CHECK(close(closed, 3).voxels == closed.voxels);
}

TEST_CASE("closing bridges a gap below twice its radius, also at the border") {
  const Frame grid = frame(30, 10, 10);
  LabelVolume two = box(grid, {0, 0, 0}, {10, 10, 10});
  const LabelVolume right = box(grid, {14, 0, 0}, {10, 10, 10});
  for (std::size_t i = 0; i < two.voxels.size(); ++i) two.voxels[i] |= right.voxels[i];
  const LabelVolume closed = close(two, 3.0);
  CHECK(closed.at(12, 5, 5) == 1);
  CHECK(closed.at(26, 5, 5) == 0);  // nothing grows out of a flat end
  CHECK(close(two, 1.0).voxels == two.voxels);
  CHECK(count(open(two, 20)) == 0);
}

TEST_CASE("median removes impulses and a Gaussian keeps the mean and the moments") {
  CtVolume volume(frame(21, 21, 21, {1, 2, 0.5}));
  volume.at(10, 10, 10) = 1000;
  CHECK(median(volume).voxels == std::vector<float>(volume.voxels.size(), 0.0f));
  const CtVolume blurred = gaussian(volume, 1.0);
  double sum = 0, second[3] = {};
  for (int k = 0; k < 21; ++k)
    for (int j = 0; j < 21; ++j)
      for (int i = 0; i < 21; ++i) {
        const double v = blurred.at(i, j, k);
        sum += v;
        second[0] += v * (i - 10) * (i - 10);
        second[2] += v * (k - 10) * (k - 10) * 0.25;
      }
  CHECK(sum == Approx(1000).epsilon(1e-5));
  CHECK(std::sqrt(second[0] / sum) == Approx(1.0).epsilon(0.002));
  CHECK(std::sqrt(second[2] / sum) == Approx(1.0).epsilon(0.002));
}

TEST_CASE("resampling a linear ramp is exact, also onto an oblique grid") {
  CtVolume ramp(frame(30, 28, 26, {0.9, 1.1, 1.4}));
  ramp.frame.origin_mm = {-10, -12, 3};
  const Eigen::Vector3d slope(3, -2, 5);
  for (int k = 0; k < 26; ++k)
    for (int j = 0; j < 28; ++j)
      for (int i = 0; i < 30; ++i)
        ramp.at(i, j, k) = static_cast<float>(slope.dot(ramp.frame.toWorld({double(i), double(j), double(k)})));
  Frame target = obliqueFrame(12, 12, 10);
  target.origin_mm = {0, -4, 10};
  const CtVolume out = resampleLinear(ramp, target, -1000);
  double worst = 0;
  for (int k = 0; k < 10; ++k)
    for (int j = 0; j < 12; ++j)
      for (int i = 0; i < 12; ++i)
        worst =
            std::max(worst, std::abs(out.at(i, j, k) - slope.dot(target.toWorld({double(i), double(j), double(k)}))));
  CHECK(worst < 1e-3);
  target.origin_mm = {500, 0, 0};
  CHECK(resampleLinear(ramp, target, -1000).voxels.front() == -1000);
  CHECK(resampleLinear(ramp, ramp.frame, -1000).voxels.back() == Approx(ramp.voxels.back()));
}

TEST_CASE("labels keep their values on a finer grid") {
  LabelVolume labels(frame(4, 4, 4, {2, 2, 2}));
  labels.at(1, 2, 3) = 12;
  Frame fine = frame(8, 8, 8);
  fine.origin_mm = {-0.5, -0.5, -0.5};
  const LabelVolume out = resampleNearest(labels, fine);
  CHECK(count(out) == 8);
  CHECK(out.at(2, 4, 6) == 12);
  CHECK(out.at(3, 5, 7) == 12);
}

TEST_CASE("a crop may leave the volume and goes back where it came from") {
  LabelVolume labels(obliqueFrame(6, 5, 4));
  for (std::size_t i = 0; i < labels.voxels.size(); ++i) labels.voxels[i] = static_cast<std::uint16_t>(i);
  const Box box{{-1, 2, 1}, {5, 6, 2}};
  const LabelVolume part = crop<std::uint16_t>(labels, box, 9999);
  CHECK(part.at(0, 0, 0) == 9999);
  CHECK(part.at(1, 0, 0) == labels.at(0, 2, 1));
  CHECK((part.frame.toWorld({1, 0, 0}) - labels.frame.toWorld({0, 2, 1})).norm() < 1e-12);
  LabelVolume back(labels.frame);
  paste(part, box, back);
  CHECK(back.at(3, 4, 2) == labels.at(3, 4, 2));
  CHECK(back.at(4, 4, 2) == 0);
  const Box found = boundingBox(shapes::box(frame(9, 9, 9), {2, 3, 4}, {3, 2, 1}));
  CHECK(found.low == Eigen::Vector3i(2, 3, 4));
  CHECK(found.size == Eigen::Vector3i(3, 2, 1));
}
