#pragma once
#include <Eigen/Geometry>
#include <string>
#include <vector>

#include "image/volume.h"
#include "learn/weights.h"
#include "registration/rigid.h"

/// A bone of a known kind as a signed distance that depends on a short code (DeepSDF: Park et al., CVPR 2019).
namespace osteo::learn {

/// Weights of `train implicit` (architecture implicit-mlp). Throws NoInput, DataError.
Weights readImplicit(const std::string& folder);

struct ImplicitFitting {
  /// Patient to model: a similarity, right within about 10° and 20 mm; the model lies as its first training mesh did.
  Eigen::Affine3d start = Eigen::Affine3d::Identity();
  /// Tries starts that centre the observed points at several places along the model's longest side instead.
  bool search = false;
  bool move = true;  ///< the similarity is fitted too
  int steps = 300;
  int points = 800;     ///< of the observed ones, evenly
  double prior = 1e-2;  ///< pull towards the mean shape: more for noisier or fewer points
};

/// A bone that was found in observed points.
struct ImplicitShape {
  std::vector<float> code;
  Eigen::Affine3d model_from_patient = Eigen::Affine3d::Identity();
  double residual_mm = 0;  ///< mean |error| of the distance at the observed points
};

/// The most plausible bone through a part of its surface (LPS, mm, outward normals): code and similarity by Adam on the
/// clamped distances at the points and 2 mm off them. Throws DataError for fewer than 20 points, Unavailable without
/// the module.
ImplicitShape fitImplicit(const Weights& weights, const std::vector<registration::OrientedPoint>& points,
                          const ImplicitFitting& how);

/// Signed distance in mm of the found bone at the voxel centres of a frame, clamped to the model's reach
/// (setting clamp_mm); outside the model's box it is the clamp.
image::CtVolume distanceOf(const Weights& weights, const ImplicitShape& shape, const image::Frame& frame);

}  // namespace osteo::learn
