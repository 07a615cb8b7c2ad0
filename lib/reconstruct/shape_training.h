#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "reconstruct/shape_model.h"

namespace osteo::reconstruct {

/// One bone to learn from. Bones of one group (a person) are left out together in cross-validation.
struct TrainingShape {
  std::string name, group;
  mesh::TriangleMesh mesh;
};

struct ShapeTrainingOptions {
  bool free_size = true;      ///< similarity instead of rigid alignment
  int components = 120;       ///< at most
  double smooth_mm = 1;       ///< amplitude of the smooth kernel beside the samples' own covariance
  double smooth_reach = 0.1;  ///< its length as a share of the bone's diagonal
  double noise_mm = 1;        ///< of a seen point about the model's surface when a bone is fitted
  std::uint64_t seed = 0;
};

/// The vertices of every shape in the template's order, in the shapes' own frames.
struct Correspondence {
  mesh::TriangleMesh reference;                        ///< mean shape
  std::vector<std::vector<Eigen::Vector3d>> vertices;  ///< shape × vertex, aligned with the reference
  std::vector<double> residual_mm;                     ///< per shape: RMS distance of its surface to the fitted one
  std::vector<bool> reflected;                         ///< of the other body side
};

/// Brings the first shape's vertices onto all others: best pose, then a Gaussian-process deformation of falling noise
/// (Lüthi et al., IEEE TPAMI 40, 2018), twice: from the first shape and from the mean of that round.
Correspondence correspond(const std::vector<TrainingShape>& shapes, const ShapeTrainingOptions& options);

/// Mean and principal components of the chosen shapes, widened by a smooth kernel of `smooth_mm` for what few samples
/// can't show.
ShapeModel modelOf(const Correspondence& all, const std::vector<std::size_t>& chosen,
                   const ShapeTrainingOptions& options);

/// The whole training: correspondence, model, cross-validation over groups. The record holds compactness,
/// generalisation, specificity (Styner et al., IPMI 2003), the errors and coverage of partial bones completed by models
/// that have not seen their group. Throws DataError for fewer than two shapes or shapes that are no closed surfaces.
ShapeModel trainShape(const std::vector<TrainingShape>& shapes, const ShapeTrainingOptions& options,
                      nlohmann::json& record);

}  // namespace osteo::reconstruct
