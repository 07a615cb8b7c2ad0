#pragma once
#include <nlohmann/json_fwd.hpp>

#include "design_scaffold/solid.h"
#include "mesh/triangle_mesh.h"

namespace osteo::design_scaffold {

/// The given voxel, or for 0 the house's: the smaller of a sixteenth of the cell and a quarter of the wall. Throws
/// Usage for voxels above half a wall, which would lose it.
double checkedVoxel_mm(const Infill& infill, double voxel_mm);

/// Peak memory of a design, in bytes, from the defect's volume; a mesh takes most of it.
double estimatedBytes(double defect_mm3, const Infill& infill, double voxel_mm, bool want_mesh);

/// Throws Memory when the design needs more than this machine has, naming a voxel that fits.
void requireMemory(double defect_mm3, const Infill& infill, double voxel_mm, bool want_mesh);

/// Throws DataError unless a scaffold may be designed on what these level sets came from: equal frames, and no CT whose
/// slices lie more than 3 mm apart (metadata slice_gap_mm).
void requireDesignable(const levelset::LevelSet& defect, const levelset::LevelSet* host);

/// What a design starts from.
struct Task {
  levelset::LevelSet defect;
  Surroundings around = {};
  Fit fit = {};
  double voxel_mm = 0;    ///< of the result
  bool want_mesh = true;  ///< else the level set alone
  /// The infill's surface is moved so that the piece as a whole holds its share of solid; a design by elements, whose
  /// cells each hold their own, stays as it is.
  bool holds_share = true;
};

/// A finished scaffold: the level set with its metadata for later stages, the closed mesh where it is wanted, and the
/// body that was filled.
struct Design {
  levelset::LevelSet solid;
  mesh::TriangleMesh mesh;
  Envelope envelope;
  Infill infill;  ///< with its surface moved
};

/// Envelope, infill and skin as one printable piece. Where the task says so, the surface of a lattice is moved by a
/// small fraction of a voxel so that this very piece, and not only the unclipped lattice, has the wanted volume
/// fraction between skin and border. Shape and fit go to `results`. Throws DataError when nothing printable remains or
/// too much would be filled.
Design design(const Task& task, const Infill& infill, nlohmann::json& results);

}  // namespace osteo::design_scaffold
