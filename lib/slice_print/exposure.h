#pragma once
#include "slice_print/job.h"
#include "slice_print/skins.h"
#include "slice_print/supports.h"

namespace osteo::slice_print {

/// What a layer's exposure needs to know beside its slice.
struct Surroundings {
  Point centre = Point::Zero();  ///< of the part, around which hatches turn
  Neighbours neighbours;         ///< that decide on skins; none without skins
  SupportSection supports;
};

/// How often rules for short vectors and sharp corners applied.
struct Exceptions {
  std::int64_t dropped_vectors = 0, merged_vectors = 0, rounded_corners = 0;
};

/// Lays contours from the outline inwards, then hatches by zone (core, up-skin, down-skin, supports) in scan order, and
/// sums their lengths.
Exceptions expose(Layer& layer, const Settings& settings, const Surroundings& surroundings);

/// The numbers of layers, contours and hatches by their options.
std::vector<NamedNumber> exposureNumbers(Settings& settings);

}  // namespace osteo::slice_print
