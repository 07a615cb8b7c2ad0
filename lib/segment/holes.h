#pragma once
#include <cstdint>
#include <vector>

#include "image/volume.h"

namespace osteo::segment {

constexpr std::uint8_t kClosedVote = 16, kCutVote = 1;

/// Votes of the slices along the three axes: for an open voxel in a hole of the mask no wider than max_radius_mm (twice
/// its area over its outline) of which at most 5 % lies below -250 HU, kClosedVote where the mask closes the hole, and
/// kCutVote where one side of the image cuts it off with at most 30 % of its outline; with up to 35 %, as through half
/// the height of a vertebral body, only where another axis speaks for it or the mask nearly closes all such holes
/// together (the mouth under its palate is open to the back), which noise keeps it from: noisy scans go without.
std::vector<std::uint8_t> castVotes(const image::LabelVolume& mask, const image::CtVolume& ct, double max_radius_mm,
                                    bool is_noisy = false);

/// Fills marrow spaces of the mask up to max_radius_mm (2 area / outline of a slice's hole, the radius for a disk).
/// Holes are sought in slices along all three axes, because a marrow cavity that leaves the image or opens through a
/// foramen is still closed in most of its slices. What is closed along two axes is filled; along one axis only what the
/// mask nearly closes all around. The spinal canal, the orbit, the cranial cavity and a gap in the vault, closed along
/// one axis at most and open at the ends, stay open; so does air.
void fillMarrow(image::LabelVolume& mask, const image::CtVolume& ct, double max_radius_mm);

}  // namespace osteo::segment
