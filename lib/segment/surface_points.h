#pragma once
#include "image/volume.h"
#include "mesh/triangle_mesh.h"

namespace osteo::segment {

/// The structured point cloud of the labelled surface: one point for every voxel of bone or metal that has background
/// or a defect beside it, moved along the grey gradient to where the CT passes half way between its inner and outer
/// level (within 1.5 voxels), with outward normal, label and the HU of the voxel. Where the grey values show no edge
/// the point stays on the voxel's face.
mesh::PointCloud surfacePoints(const image::CtVolume& ct, const image::LabelVolume& labels);

}  // namespace osteo::segment
