#pragma once
#include "core/parallel.h"
#include "segment/segment.h"

/// The steps of segment(), in their order; masks are 0 and 1 on the frame of the CT.
namespace osteo::segment {

/// Runs body(i, j, k, voxel) for all voxels, slices in parallel.
template <class Body>
void forVoxels(const image::Frame& frame, const Body& body) {
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    auto voxel = static_cast<std::size_t>(k * frame.size[0] * frame.size[1]);
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i, ++voxel) body(i, j, static_cast<int>(k), voxel);
    }
  });
}

/// A grid over the same box whose voxels are whole numbers of the frame's, about `mm` wide.
image::Frame coarseFrame(const image::Frame& frame, double mm);
constexpr double kCoarse_mm = 2;

/// Patient without table and headrest: what is denser than -300 HU, opened by 3 mm, parts of at least 5 % of the
/// largest, on a grid of about 2 mm; 1 within 6 mm of it. removed_mm3 is what else lies above -300 HU.
image::LabelVolume bodyMask(const image::CtVolume& ct, double& removed_mm3);

/// Bone by a threshold that follows the neighbourhood: a voxel is bone when it lies above soft + share (C - soft), C
/// the brightest voxel within 4 mm up to 1500 HU, and not below bone_hu; near dense cortex cartilage and enhanced
/// vessels stay out, while thin bone far from it stays in. What lies further than 10 mm from anything above soft + 140
/// is cartilage. Near metal (may be empty) the threshold rises by up to 150 HU, over 30 mm, against streaks.
struct Levels {
  double soft_hu = 40, bone_hu = 130, noise_hu = 10;
};
image::LabelVolume localThreshold(const image::CtVolume& ct, image::LabelVolume body, const image::LabelVolume& metal,
                                  Levels levels);

/// Keeps parts that hold real bone: at least min_voxels, of which 2 % or 20 mm³ lie above seed_hu.
void keepSeeded(image::LabelVolume& mask, const image::CtVolume& ct, double seed_hu, std::int64_t min_voxels);

/// Peels voxels off the mask's surface that are below half way between soft tissue and the brightest voxel next to
/// them, where the voxel opposite to that one is soft: dense cortex looks thicker than it is by a low threshold.
void peelToHalfway(image::LabelVolume& mask, const image::CtVolume& ct, double soft_hu);

/// Drops parts that look like a table's shell: at least 40 % of their surface lies within 3 mm of air.
void dropShells(image::LabelVolume& mask, const image::CtVolume& ct, double& removed_mm3);

/// Cortical bone inside the whole-bone mask. Dense voxels connected with the surface (Buie et al., Bone 41, 505, 2007)
/// show where cortex is; how thick it is follows from mass, as blur moves it but loses none (as in the cortical mapping
/// of Treece et al., Med Image Anal 2010): a voxel within 3 voxels of others is cortical when fewer of these hold more
/// cortex than it does than all of them hold together, in shares of full cortex (segment/cortex_level.h) above soft
/// tissue on the outer side and cancellous bone on the inner; from a share of 0.6 on it is cortical by itself, and from
/// 0.5 on where it covers cortex.
struct CortexLevels {
  double soft_hu = 40, split_hu = 500;
};
struct Cortex {
  image::LabelVolume mask;
  FullCortex full;
};
Cortex findCortex(const image::LabelVolume& whole, const image::CtVolume& ct, CortexLevels levels);

/// Peels off the bone what covers cortex from outside without being cortex: that is its partial volume. Voxels longer
/// than 1.25 mm, which may hold cortex and marrow, stay when they rise above soft tissue by 35 % of what the cortex
/// does.
void peelOffCortex(image::LabelVolume& whole, const image::LabelVolume& cortical, const image::CtVolume& ct,
                   double soft_hu);

}  // namespace osteo::segment
