#pragma once
#include "picture/canvas.h"
#include "slice_print/job.h"

namespace osteo::slice_print {

/// One printed layer as a whole, enlarged where it is hatched, and the part with the layer's plane. `mesh` is the part
/// in the machine frame.
picture::Canvas preview(const Layer& layer, const mesh::TriangleMesh& mesh, const Part& part, const Settings& settings);

}  // namespace osteo::slice_print
