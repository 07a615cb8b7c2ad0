#pragma once
#include "image/volume.h"

namespace osteo::image {

/// Trilinear values of `volume` at the voxel centres of `target`; `outside` (HU) beyond the volume's outermost voxel
/// centres, where up to half a voxel is taken as the nearest border voxel. The caller checks the frame ids.
CtVolume resampleLinear(const CtVolume& volume, const Frame& target, float outside);
/// Nearest voxel, 0 outside.
LabelVolume resampleNearest(const LabelVolume& labels, const Frame& target);

/// A box of voxels: [low, low + size).
struct Box {
  Eigen::Vector3i low = Eigen::Vector3i::Zero();
  Eigen::Vector3i size = Eigen::Vector3i::Zero();
  bool empty() const { return size.minCoeff() <= 0; }
  /// The box grown by `voxels` on all sides (it may leave the volume).
  Box grown(const Eigen::Vector3i& voxels) const { return {low - voxels, size + 2 * voxels}; }
  /// What of it lies inside the frame.
  Box within(const Frame& frame) const;
};

/// Smallest box around the nonzero voxels; empty when there are none.
Box boundingBox(const LabelVolume& mask);
/// The part of a volume inside the box, on a frame of its own; what the box has outside the volume becomes `fill`.
template <class T>
Volume<T> crop(const Volume<T>& volume, const Box& box, T fill);
/// Writes `part` back into `volume` at part's box; what lies outside the volume is dropped.
template <class T>
void paste(const Volume<T>& part, const Box& box, Volume<T>& volume);

extern template CtVolume crop(const CtVolume&, const Box&, float);
extern template LabelVolume crop(const LabelVolume&, const Box&, std::uint16_t);
extern template void paste(const CtVolume&, const Box&, CtVolume&);
extern template void paste(const LabelVolume&, const Box&, LabelVolume&);

}  // namespace osteo::image
