#pragma once
#include "slice_print/bead.h"
#include "slice_print/layer.h"

namespace osteo::slice_print {

struct WallSettings {
  double height_mm = 0.2;
  double spacing_mm = 0.4;  ///< of a bead of the usual width
  double least_mm = 0.2;    ///< spacing of the narrowest bead: where a region is narrower, nothing is laid
  bool along_wide = true;   ///< also where the region is wide; else only where no more than two beads fit
};

/// One turn of beads along the walls of a region.
struct Walls {
  std::vector<Bead> beads = {};  ///< closed or open loops (outer perimeters) and thin walls, unordered
  double filled_mm2 = 0;         ///< of the beads as laid out
  double too_narrow_mm2 = 0;     ///< parts of the region narrower than the narrowest bead
  Rings inner = {};              ///< what lies inside the loops, where the region is wide
};

/// Fills a region from its walls inwards by local width: up to 1½ spacings get one bead along the middle, up to 2½ two
/// beads that share the width, both of varying width; wider places get one bead along the wall and leave the rest as
/// `inner` (after the even bead counts of Kuipers, Doubrovski, Wu, Wang, Comput.-Aided Des. 128, 2020, by discs that
/// touch the outline instead of a Voronoi diagram).
Walls layWalls(const Rings& region, const WallSettings& settings);

}  // namespace osteo::slice_print
