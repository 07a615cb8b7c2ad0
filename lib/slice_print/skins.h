#pragma once
#include <array>

#include "slice_print/hatch.h"

namespace osteo::slice_print {

/// The slices that decide which part of a layer lies just below or above the surface: null pointers don't count (the
/// plate), empty slices do (nothing above the part).
struct Neighbours {
  std::vector<const Rings*> above, below;
};

/// Rows of one zone of a region: down-skin is what some slice below lacks, up-skin what some slice above lacks, core
/// the rest. Pieces of a row shorter than `least_mm` go to the piece that they touch, so that a sloping wall's rim is
/// not cut into crumbs. The zones of a row cover it without overlap.
ScanLines zoneRows(const Rings& region, const Neighbours& neighbours, Zone zone, double least_mm,
                   const LineFrame& frame, double spacing_mm);

}  // namespace osteo::slice_print
