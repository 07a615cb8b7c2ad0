#pragma once
#include "segment/segment.h"

namespace osteo::segment {

/// Puts other labels of the same grid in the place of the result's, with volumes and parts to match; what the classical
/// path found on its way (thresholds, bones, table) stays. Throws DataError for labels without bone.
void relabel(Result& result, image::LabelVolume labels);

}  // namespace osteo::segment
