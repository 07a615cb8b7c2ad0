#pragma once
#include <string>

#include "image/volume.h"

namespace osteo::image {

struct Box;

/// What a volume file's header says.
struct VolumeInfo {
  Frame frame;
  std::string component;  ///< "int16", "uint8", "float32", …
  int dimension = 3;
  int channels = 1;
  std::map<std::string, std::string> keys;  ///< custom NRRD keys
};

/// Reads the header of .nrrd or .nii/.nii.gz. Throws NoInput, DataError.
VolumeInfo readInfo(const std::string& path);

/// Reads a scalar 3-D volume (.nrrd, .nii, .nii.gz) as float, in LPS. Refuses (65) 2-D images, several channels, NaN or
/// infinite voxels, sheared or non-orthonormal directions (names the file and the angle), truncated or empty files.
CtVolume readVolume(const std::string& path);

/// The same for the voxels of a box inside the volume, on a frame of their own: only these are held as floats.
CtVolume readVolume(const std::string& path, const Box& part);

/// Reads a label volume with its segment names; voxels must be unsigned or non-negative integers.
Segmentation readSegmentation(const std::string& path);

/// Writes int16 (rounded and clamped) when every value is within its range and `as_float` is false, else float32.
void writeVolume(const CtVolume& volume, const std::string& path, bool as_float = false);
/// Several channels per voxel (x fastest within voxel: channel fastest), float32, as a NRRD vector image.
void writeChannels(const Frame& frame, const std::vector<float>& values, int channels, const std::string& path);
/// Writes .seg.nrrd (uint8, or uint16 when needed) with Slicer's segment keys.
void writeSegmentation(const Segmentation& segmentation, const std::string& path);

}  // namespace osteo::image
