#pragma once
#include "image/volume.h"

namespace osteo::image {

/// Unsigned Euclidean distance in mm from every voxel centre to the nearest nonzero voxel centre (0 on the mask itself,
/// +infinity everywhere when the mask is empty). Exact for anisotropic voxels: the separable lower envelope of
/// parabolas of Felzenszwalb & Huttenlocher, Theory of Computing 8 (2012), 415-428. Same bytes for any thread count.
CtVolume distanceMm(const LabelVolume& mask_nonzero);

}  // namespace osteo::image
