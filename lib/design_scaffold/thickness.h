#pragma once
#include "design_scaffold/solid.h"

namespace osteo::design_scaffold {

/// Diameters of the largest spheres that hold each voxel of a phase and lie in it; mm.
struct Diameters {
  double mean_mm = 0, p05_mm = 0, p50_mm = 0, p95_mm = 0, max_mm = 0;
};

struct Thickness {
  Diameters wall, pore;
  std::int64_t voxels = 0;  ///< samples of the window that was measured
};

/// Local thickness (Hildebrand & Rüegsegger, J Microsc 185, 1997) of walls and pores in the lattice core: on the
/// solid's own voxels, spheres wholly within the core alone, so that the cut surface makes no small pores. Measured on
/// the whole body where it has at most kWindow samples, else on a cube around its middle.
Thickness measureThickness(const levelset::LevelSet& solid, const Envelope& envelope);

constexpr std::int64_t kWindow = 4'000'000;

/// The same of an endless lattice, from one period.
Thickness measureThickness(const Lattice& lattice);

/// Volume of voxels that are inside of both, in mm³, on the solid's voxels.
double overlap_mm3(const levelset::LevelSet& solid, const levelset::LevelSet& host);

}  // namespace osteo::design_scaffold
