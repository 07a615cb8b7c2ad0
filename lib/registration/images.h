#pragma once
#include <optional>
#include <vector>

#include "registration/image_metric.h"
#include "registration/transform.h"

namespace osteo::registration {

enum class Model { Rigid, Similarity, BSpline };

struct ImageOptions {
  Model model = Model::Rigid;
  Metric metric = Metric::Mattes;
  std::optional<Eigen::Affine3d> start = {};  ///< fixed to moving; else several are tried
  const image::LabelVolume* fixed_mask = nullptr;
  double lattice_mm = 40;         ///< distance of the B-spline's control points
  double smoothness = 0.02;       ///< weight of the displacements' bending
  std::int64_t samples = 100000;  ///< places compared at the finest level
  std::uint64_t seed = 0;
};

/// How two images lie on one another.
struct ImageFit {
  Transform transform;          ///< fixed to moving
  double similarity = 0;        ///< mutual information in nats, or the squared difference over the fixed variance
  double start_similarity = 0;  ///< the same before, at the start that was chosen
  double overlap = 0;           ///< share of the samples that fall into the moving image
  double correlation = 0;       ///< of the grey values, -1 to 1
  double smallest_jacobian = 1, largest_jacobian = 1;
  double largest_displacement_mm = 0;  ///< of the B-spline beside the rigid motion
  int levels = 0;
};

/// Registers two images, coarse to fine: rigid (then similarity, then B-spline after Rueckert et al. 1999) by L-BFGS on
/// fixed samples. The same for any thread count, which ITK's own metric is not: it adds threads' parts in the order in
/// which they come. Throws DataError when a mask is empty or the images don't overlap.
ImageFit fitImages(const image::CtVolume& fixed, const image::CtVolume& moving, const ImageOptions& options = {});

}  // namespace osteo::registration
