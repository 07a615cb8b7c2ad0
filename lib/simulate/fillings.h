#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "levelset/level_set.h"
#include "simulate/materials.h"
#include "simulate/voxel_model.h"

namespace osteo::simulate {

/// A model before meshing: what fills the voxels, and how the stored values become stiffness.
struct Body {
  Filling filling;
  std::vector<Filler> fillers;             ///< by Filling::material − 1
  std::map<int, std::string> label_names;  ///< of a label model
  std::optional<levelset::LevelSet> level_set = {};
  double estimated_bytes = 0;
};

/// Elements as small as this share of material are left out.
constexpr double kMinFraction = 0.1;

/// Whether a model keeps the whole grid of its file, as a cell that repeats must, or the box of what is filled: empty
/// space costs nothing beyond the reading.
enum class Extent { Grid, Filled };

/// The model of a label volume; `report` takes numbers for the record. Throws DataError for labels without a material.
/// Materials with a density law take their moduli from `hu`, a CT on the same grid.
Body fromLabels(const std::string& path, const Materials& materials, Extent extent, nlohmann::json& report,
                const std::string& hu = "");

/// The model of a HU volume through the density law of the material assigned to it. Throws DataError, Config.
Body fromHu(const std::string& path, const Materials& materials, Extent extent, nlohmann::json& report);

/// The materials for a volume that holds QCT density in g/cm³ instead of HU.
Materials asDensity(Materials materials);

/// The model of a level set: elements of element_mm (0: the grid's voxel, coarsened until the model has at most ~1.5
/// million) weighted by the fraction that lies inside. A lattice (metadata of design-scaffold) with fewer than 5
/// elements through its walls is homogenised by the law of its type. Throws DataError where walls are too thin and no
/// law is known.
Body fromLevelSet(const std::string& path, const Materials& materials, double element_mm, nlohmann::json& report);

/// A level set on the elements of a frame of any spacing: material 1 is solid, 2 the lattice whose law is given.
struct LevelSetFilling {
  Filling filling;
  std::optional<LatticeLaw> lattice = {};
};
LevelSetFilling fillFrame(const levelset::LevelSet& level_set, const std::string& path, const Materials& materials,
                          const image::Frame& frame, nlohmann::json& report);

/// Local volume fraction of a lattice on its elements: solid shares averaged over a window of one cell within the
/// closed envelope; parts thicker than the lattice's walls keep their own fraction. Sets value and material: 1 + index
/// of `solid` or of `lattice` in the fillers.
void homogenise(Filling& filling, double cell_mm, double wall_mm, std::uint16_t solid, std::uint16_t lattice);

}  // namespace osteo::simulate
