#pragma once
#include "image/volume.h"

/// A scan of 200 mm about the origin, on voxels of 1 mm.
inline osteo::image::Frame wideView() {
  osteo::image::Frame frame;
  frame.size = {200, 200, 200};
  frame.origin_mm = Eigen::Vector3d::Constant(-100);
  return frame;
}
