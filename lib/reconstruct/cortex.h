#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "levelset/level_set.h"
#include "mesh/io.h"
#include "reconstruct/surface.h"

namespace osteo::reconstruct {

/// What the cortex is measured on: a surface without cavities, its mesh, and labels and CT on one grid.
struct CortexScene {
  const levelset::LevelSet& bone;
  const mesh::TriangleMesh& surface;
  const image::LabelVolume& labels;
  const image::CtVolume& ct;
};

struct CortexOptions {
  double cortical_hu = 0;  ///< density of dense cortex; 0: measured where the cortex is thick
  double most_mm = 10;     ///< thicker cortices are not looked for
};

/// Per vertex of the surface; where nothing could be measured the values are those of the surroundings.
struct Cortex {
  std::vector<float> thickness_mm;
  std::vector<float> standard_error_mm;  ///< from the fit's residual; 0 where not resolved
  std::vector<float> outer_shift_mm;     ///< of the fitted outer edge, outward of the surface
  std::vector<char> resolved;
};

/// Why the cortex was not measured at a vertex.
enum class CortexFlaw { None, Blocked, Metal, NoCortex, NoInnerEdge, Misfit, Count };

struct CortexReport {
  double cortical_hu = 0;
  std::string cortical_source;  ///< measured, given or assumed
  double blur_sigma_mm = 0;     ///< along the normals, sampling included; the median
  std::int64_t thick_profiles = 0;
  std::vector<std::int64_t> vertices;                                                      ///< by CortexFlaw
  double median_mm = 0, p5_mm = 0, p95_mm = 0, standard_error_mm = 0, outer_shift_mm = 0;  ///< of the resolved
};

/// Thickness of the cortex by two blurred edges along each vertex's normal, the cortical density and the blur held
/// fixed for the whole bone (Treece et al., Med Image Anal 2010; CBM v2: Treece, Poole, Gee 2012): thicknesses below
/// the blur come out right where the half-maximum width is that of the blur. Throws DataError when no vertex can be
/// measured.
Cortex measureCortex(const CortexScene& scene, const CortexOptions& options, CortexReport& report);

/// The space inside the cortex, strictly inside the bone; pieces below `dust_mm3` are left out. Throws DataError when
/// nothing is left.
levelset::LevelSet innerSurface(const levelset::LevelSet& bone, const mesh::TriangleMesh& surface, const Cortex& cortex,
                                double dust_mm3);

/// The same from labels that tell cortical from cancellous bone: what lies in the bone and is not labelled cortical.
/// Throws DataError for labels that don't.
levelset::LevelSet innerSurface(const levelset::LevelSet& bone, const image::LabelVolume& labels,
                                const SurfaceOptions& options);

/// As properties of a PLY's vertices.
std::vector<mesh::VertexField> fields(const Cortex& cortex);

nlohmann::json describe(const CortexReport& report);

}  // namespace osteo::reconstruct
