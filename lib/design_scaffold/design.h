#pragma once
#include <nlohmann/json_fwd.hpp>

#include "design_scaffold/solid.h"
#include "mesh/triangle_mesh.h"

namespace osteo::design_scaffold {

/// The given voxel, or for 0 the house's: the smaller of a twenty-fourth of the cell and a quarter of the wall. Throws
/// Usage for voxels above half a wall, which would lose it.
double checkedVoxel_mm(const Lattice& lattice, double voxel_mm);

/// Peak memory of a design, in bytes, from the defect's volume.
double estimatedBytes(double defect_mm3, const Lattice& lattice, double voxel_mm);

/// Throws Memory when the design needs more than this machine has, naming a voxel that fits.
void requireMemory(double defect_mm3, const Lattice& lattice, double voxel_mm);

/// Throws DataError unless a scaffold may be designed on what these level sets came from: equal frames, and no CT whose
/// slices lie more than 3 mm apart (metadata slice_gap_mm).
void requireDesignable(const levelset::LevelSet& defect, const levelset::LevelSet* host);

/// A finished scaffold: the level set with its metadata for later stages, the closed mesh, and the record's results.
struct Design {
  levelset::LevelSet solid;
  mesh::TriangleMesh mesh;
};

/// Envelope, lattice and skin as one printable piece. The lattice's surface is moved by a small fraction of a voxel so
/// that the mesh of this very piece, and not only the unclipped lattice, has the wanted volume fraction between skin
/// and border. Every measure goes to `results`. Throws DataError when nothing printable remains or too much would be
/// filled.
Design design(const levelset::LevelSet& defect, const levelset::LevelSet* host, const Lattice& lattice, const Fit& fit,
              double voxel_mm, nlohmann::json& results);

}  // namespace osteo::design_scaffold
