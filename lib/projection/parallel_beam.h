#pragma once
#include <Eigen/Core>
#include <vector>

namespace osteo::projection {

/// A slice's pixel grid, x fastest, centred on the axis of rotation.
struct Grid2 {
  Eigen::Vector2i size = Eigen::Vector2i::Zero();
  Eigen::Vector2d spacing_mm = Eigen::Vector2d::Ones();
};

/// Line integrals of a slice over half a turn: angle a is pi a / angles, detector d lies at (d - (detectors - 1) / 2)
/// pitch.
struct Sinogram {
  int angles = 0, detectors = 0;
  double pitch_mm = 1;
  std::vector<float> values;  ///< detector fastest
};

/// Line integrals (value × mm) by bilinear sampling at half the smaller spacing; the detector covers the slice's
/// diagonal.
Sinogram project(const std::vector<float>& pixels, const Grid2& grid, int angles);
/// The same, bit for bit, for those rays alone whose value in the other sinogram is at least `least`; the rest is 0.
Sinogram project(const std::vector<float>& pixels, const Grid2& grid, const Sinogram& where, double least);

/// Filtered back-projection with the band-limited ramp (Kak and Slaney 1988, chapter 3); inverts project().
std::vector<float> filteredBackProject(const Sinogram& sinogram, const Grid2& grid);

}  // namespace osteo::projection
