#pragma once
#include "image/volume.h"

namespace osteo::segment {

/// Removes contrast-filled vessels and organs from a mask of dense voxels: cores that are as uniform as noise lets them
/// be, of at least 100 mm³, from which HU fall straight to soft tissue on most sides; from cancellous bone they rise to
/// a cortex first. Cores are found 1.5 voxels below the mask's surface, so tubes of less than four voxels stay. Returns
/// what was removed in mm³.
double dropVessels(image::LabelVolume& mask, const image::CtVolume& ct, double soft_hu, double noise_hu);

}  // namespace osteo::segment
