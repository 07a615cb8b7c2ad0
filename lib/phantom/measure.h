#pragma once
#include <string>
#include <vector>

#include "phantom/anatomy.h"

namespace osteo::phantom {

/// Volume and surface of a body, with the change under a refinement of the quadrature as the error's estimate.
struct Measured {
  std::string key;
  double volume_mm3 = 0, area_mm2 = 0;
  double volume_error = 0, area_error = 0;  ///< relative
};

/// Integrates all bodies of an anatomy. Volume = sum over a grid of products of smeared steps S(f), area of face j =
/// sum of d(f_j) |grad f_j| prod_{i != j} S(f_i); the smearing kernel is a Gaussian times Hermite polynomials with
/// eight vanishing moments, so that both the smearing error and the grid's aliasing fall off faster than any use of the
/// result needs (Tornberg and Engquist, J Comput Phys 200, 462, 2004; kernels after Beale and Majda 1985).
std::vector<Measured> measure(const Anatomy& anatomy);

/// Exact values, for anatomies that have them.
double ellipsoidArea_mm2(const Eigen::Vector3d& semi_axes_mm);

}  // namespace osteo::phantom
