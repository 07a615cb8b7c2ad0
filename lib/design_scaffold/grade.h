#pragma once
#include <string>

#include "design_scaffold/infill.h"
#include "levelset/level_set.h"

namespace osteo::design_scaffold {

/// A scalar field over a body, on its own grid: a volume (.nrrd, .nii), the float grid of a .vdb (simulate's
/// fields), or a level set, which becomes the distance to its surface in mm, positive outside, sampled around the body.
/// Throws DataError for values that aren't finite, another frame, or a field that misses the body.
image::CtVolume readGradingField(const std::string& path, const levelset::LevelSet& body);

/// Sets low and high to the 2nd and 98th percentile of the field within the body. Throws DataError when they are equal.
void useOwnRange(Grading& grading, const levelset::LevelSet& body);

/// What changes when nobody says: the volume fraction, from 0.6 to 1.4 times the wanted one, between 0.1 and 0.9.
std::array<double, 2> usualGrading(double volume_fraction);

/// How a lattice is to change over a body; what is absent stays as it is.
struct Variation {
  std::string field = {};                                     ///< file that grades it; empty: none does
  std::optional<std::array<double, 2>> range = {};            ///< of the field; default: its own over the body
  std::optional<std::array<double, 2>> volume_fraction = {};  ///< at both ends of the range
  std::optional<std::array<double, 2>> cell_mm = {};
  std::optional<LatticeType> towards = {};
  bool conformal = false;  ///< cells follow the outer surface (conforming.h)
};

/// The lattice, or one that changes. A field alone grades the volume fraction. Throws as what it is made of does.
Infill infillFor(const LatticeSpec& spec, const Variation& variation, const levelset::LevelSet& body,
                 const levelset::LevelSet* host);

/// The graded infill over a body's box.
Infill gradedInfill(const LatticeSpec& spec, Grading grading, const levelset::LevelSet& body,
                    std::shared_ptr<const Conforming> directions = nullptr);

/// Checks what the grading asks for. Throws Config for volume fractions that no lattice has, cells that differ by more
/// than a factor of 4, or nothing that changes.
void requireGradable(const Grading& grading);

}  // namespace osteo::design_scaffold
