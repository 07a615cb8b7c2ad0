#include <catch2/catch.hpp>
#include <cmath>

#include "projection/parallel_beam.h"

using namespace osteo::projection;

namespace {

std::vector<float> disk(const Grid2& grid, double radius_mm, double x_mm) {
  std::vector<float> out;
  for (int j = 0; j < grid.size[1]; ++j) {
    for (int i = 0; i < grid.size[0]; ++i) {
      int inside = 0;
      for (int s = 0; s < 64; ++s) {
        const double x = (i - (grid.size[0] - 1) / 2.0 + (s % 8 - 3.5) / 8) * grid.spacing_mm[0] - x_mm;
        const double y = (j - (grid.size[1] - 1) / 2.0 + (s / 8 - 3.5) / 8) * grid.spacing_mm[1];
        inside += x * x + y * y < radius_mm * radius_mm ? 1 : 0;
      }
      out.push_back(static_cast<float>(inside / 64.0));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("the projection of a disk is its chord") {
  const Grid2 grid{{80, 64}, {1.0, 1.25}};
  const Sinogram sinogram = project(disk(grid, 20, 6), grid, 60);
  for (const int a : {0, 17, 30, 45}) {
    const double shift = 6 * std::cos(M_PI * a / 60);
    for (int d = 0; d < sinogram.detectors; ++d) {
      const double t = (d - (sinogram.detectors - 1) / 2.0) * sinogram.pitch_mm - shift;
      if (std::abs(t) > 17) continue;
      CHECK(sinogram.values[static_cast<std::size_t>(a * sinogram.detectors + d)] ==
            Approx(2 * std::sqrt(400 - t * t)).epsilon(0.03));
    }
  }
}

TEST_CASE("filtered back-projection inverts the projection") {
  const Grid2 grid{{80, 64}, {1.0, 1.25}};
  const std::vector<float> truth = disk(grid, 20, 6);
  const std::vector<float> back = filteredBackProject(project(truth, grid, 180), grid);
  const auto at = [&](int i, int j) { return back[static_cast<std::size_t>(i + 80 * j)]; };
  CHECK(at(46, 32) == Approx(1).margin(0.03));
  CHECK(at(36, 28) == Approx(1).margin(0.03));
  CHECK(at(8, 8) == Approx(0).margin(0.03));
}
