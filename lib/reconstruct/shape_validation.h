#pragma once
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "reconstruct/shape_training.h"

namespace osteo::reconstruct {

/// Compactness, generalisation and specificity of a model (Styner et al., IPMI 2003), in mm where they are distances.
nlohmann::json describeModel(const ShapeModel& model, const Correspondence& all,
                             const std::vector<TrainingShape>& shapes, const ShapeTrainingOptions& options);

/// Completes partial bones (either end's third missing, a ball of a tenth of the length missing) by models that have
/// not seen their group, and tells how the standard deviations must be scaled so that 95 % of the points lie inside the
/// 95 % band. The errors and the coverage (scaled by the other groups) go into the record.
std::vector<Calibration> crossValidate(const Correspondence& all, const std::vector<TrainingShape>& shapes,
                                       const ShapeTrainingOptions& options, nlohmann::json& record);

}  // namespace osteo::reconstruct
