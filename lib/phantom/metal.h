#pragma once
#include <cstdint>

#include "image/volume.h"

namespace osteo::phantom {

/// Adds what metal does to a fan-free (parallel-beam) CT, slice by slice: rays through metal are projected with a
/// three-line spectrum (60, 80, 100 keV), the scanner's water correction and counted photons, compared with the ideal
/// monochromatic rays, and the difference is reconstructed and added. Beam hardening and photon starvation alone make
/// the streaks (De Man et al., IEEE Trans Nucl Sci 46, 691, 1999).
void addMetalStreaks(image::CtVolume& ct, const image::CtVolume& metal_fraction, std::uint64_t seed);

}  // namespace osteo::phantom
