#pragma once
#include <array>

#include "picture/canvas.h"
#include "registration/geometry.h"
#include "registration/transform.h"

namespace osteo::registration {

/// Fixed and moving under two transforms, before and after: images as slices in a checkerboard, shapes from two sides.
picture::Canvas draw(const Geometry& fixed, const Geometry& moving, const std::array<Transform, 2>& stages);

}  // namespace osteo::registration
