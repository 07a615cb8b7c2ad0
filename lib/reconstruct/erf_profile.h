#pragma once
#include <array>
#include <vector>

namespace osteo::reconstruct {

/// Grey values along a line into the bone, at the depths first_mm + i · step_mm below the surface.
struct Profile {
  double first_mm = 0, step_mm = 1;
  std::vector<double> hu = {};
  double last_mm() const { return first_mm + step_mm * (static_cast<double>(hu.size()) - 1); }
};

/// A layer between two media under a Gaussian blur: two error functions (Treece et al., Med Image Anal 2010, eq. 1).
struct ErfLayer {
  enum : std::size_t { Outer, Thickness, Outside, Inside, Cortical, Sigma, Count };
  std::array<double, Count> p{};      ///< outer edge's depth and thickness in mm, three levels in HU, sigma in mm
  std::array<double, Count> error{};  ///< standard errors for independent residuals; 0 for what was prescribed
  double rms_hu = 0;                  ///< of the residual
  double operator()(double depth_mm) const;
  double inner_mm() const { return p[Outer] + p[Thickness]; }
};

/// What a fit leaves free; cortical level and sigma are taken from the start otherwise.
struct FitFreedom {
  bool cortical = false, sigma = false;
};

/// Least squares by Levenberg–Marquardt; from several starts with the cortical level and sigma of `start` unless that
/// has a thickness. The profile needs at least eight values.
ErfLayer fitErfLayer(const Profile& profile, const ErfLayer& start, FitFreedom freedom);

}  // namespace osteo::reconstruct
