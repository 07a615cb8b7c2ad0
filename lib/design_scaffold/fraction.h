#pragma once
#include "design_scaffold/envelope.h"
#include "design_scaffold/infill.h"

namespace osteo::design_scaffold {

/// How the surface of the infill has to be moved, in mm, for the core (the envelope without its skin) to hold its
/// wanted share of solid: a body isn't made of whole cells. Counted on points `voxel_mm` apart or, in large bodies, on
/// some million points; at most half a voxel either way.
double surfaceShift_mm(const Envelope& envelope, const Infill& infill, double voxel_mm);

}  // namespace osteo::design_scaffold
