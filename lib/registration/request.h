#pragma once
#include <nlohmann/json.hpp>
#include <optional>

#include "registration/geometry.h"
#include "registration/images.h"

namespace osteo::registration {

enum class Method { Auto, Paired, Surface, Drift };

/// What is asked of one registration; lengths in mm.
struct Request {
  Model model = Model::Rigid;
  Method method = Method::Auto;  ///< Auto: paired for named points, surface where there is a mesh, drift for clouds
  ImageOptions images;
  std::optional<Eigen::Affine3d> start = {};  ///< fixed to moving
  double overlap = 1;                         ///< share of the moving surface or points that has a partner
  double max_residual_mm = 5;                 ///< above it the registration has failed
  std::optional<double> fiducial_error_mm = {};
};

/// A transform with what the record says of it.
struct Outcome {
  Transform transform;  ///< fixed to moving
  nlohmann::json results;
};

/// Registers two images, or two of meshes and points in any mix. What went wrong beyond doubt (no overlap, a residual
/// above the limit, degenerate points) is thrown as DataError; what is doubtful (two placements fit alike, a mirror
/// image fits better, folds) is warned of. Throws Usage for kinds and methods that don't go together.
Outcome registerPair(const Geometry& fixed, const Geometry& moving, const Request& request);

/// The moving image on the fixed image's grid, trilinear; the moving image's smallest value beyond its border.
image::CtVolume resampleOnto(const image::CtVolume& fixed, const image::CtVolume& moving, const Transform& transform);

/// The moving mesh or points in the fixed frame.
Geometry moveOnto(const Geometry& fixed, Geometry moving, const Transform& transform);

}  // namespace osteo::registration
