#pragma once
#include "learn/segmentation.h"

namespace osteo::learn {

/// Why a network called one place what it called it.
struct Explanation {
  image::Frame frame;  ///< of the patch, on the network's grid
  /// Two channels a voxel, channel fastest: integrated gradients (their sum is value − baseline) and Grad-CAM (≥ 0).
  std::vector<float> channels;
  std::string structure;           ///< "defect" or "cortical"
  double value = 0, baseline = 0;  ///< mean logit of the structure's voxels in the patch; defect: envelope less host
  double sum = 0;                  ///< of the integrated gradients
  int steps = 0;
};

/// Explains the defect where there is one, else the cortex, in one patch about the middle of the structure's largest
/// part. The baseline is the same patch with everything denser than soft tissue (40 HU) at 40 HU. Throws DataError when
/// the network labelled neither, or for a TorchScript.
Explanation explainLabels(const SegmentationModel& model, const image::CtVolume& ct, const image::LabelVolume& labels);

}  // namespace osteo::learn
