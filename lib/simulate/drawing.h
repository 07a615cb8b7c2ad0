#pragma once
#include <optional>
#include <string>

#include "picture/canvas.h"
#include "simulate/study.h"

namespace osteo::simulate {

/// The model's surface moved by `warp` times its displacement, coloured by von Mises stress up to its 98th percentile,
/// from the front and from behind; the shape before the load shines through. Without a factor the largest displacement
/// becomes 5 % of the box's diagonal; the caption tells it.
picture::Canvas drawDeformed(const Study& study, const Study::Solved& solved, const std::string& case_name,
                             std::optional<double> warp);

}  // namespace osteo::simulate
