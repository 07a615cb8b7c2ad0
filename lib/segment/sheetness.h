#pragma once
#include <vector>

#include "image/volume.h"

namespace osteo::segment {

/// What a plate is told by.
struct Sheets {
  std::vector<double> sigma_mm = {0.75, 1.5};  ///< of the Gaussians; a plate answers most to half its thickness
  double contrast_hu = 60;                     ///< second derivative, times sigma², of which noise is half as strong
};

/// How much of a bright plate each voxel of `where` (nonzero) looks like, 0 to 255, 0 elsewhere: the largest answer of
/// exp(-2 (l2 / l3)²) (1 - exp(-s² / 2)) over the scales, |l1| <= |l2| <= |l3| the eigenvalues of the Hessian and s =
/// sigma² |l3| over the contrast (after Descoteaux et al., MICCAI 2005, with an absolute scale in place of the image's
/// maximum). Worked by blocks, so that memory is one byte a voxel; equal bytes for any thread count.
image::Volume<std::uint8_t> sheetness(const image::CtVolume& ct, const image::LabelVolume& where, const Sheets& how);

}  // namespace osteo::segment
