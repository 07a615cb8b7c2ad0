#pragma once
#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"

namespace osteo::reconstruct {

using Tetrahedron = std::array<std::uint32_t, 4>;

/// A solid cut into tetrahedra, LPS in mm; of each (b − a) × (c − a) · (d − a) > 0.
struct TetraMesh {
  std::vector<Eigen::Vector3d> vertices;
  std::vector<Tetrahedron> tetrahedra;
  std::string frame_id = {};
};

/// Isosurface stuffing on a uniform body-centred cubic lattice (Labelle & Shewchuk 2007): cubes of `edge_mm`, lattice
/// points near the surface moved onto it, the rest cut by stencils. The paper proves dihedral angles of 10.7° to 164.8°
/// for its stencils; ours kept them on balls, tori and bones, but not on noise (10.2° seen). A sampled scan over the
/// signs and cuts of one lattice tetrahedron gave 9.3° to 161.7°. What is thinner than the lattice may be lost or
/// pinched: describe() tells. Throws DataError when nothing is left or the lattice would hold over 2³⁰ cubes.
TetraMesh fillWithTetrahedra(const levelset::LevelSet& solid, double edge_mm);

/// The triangles that belong to one tetrahedron only, seen from outside; vertices as in the mesh, unused ones left out.
mesh::TriangleMesh boundary(const TetraMesh& mesh);

struct TetraMeasures {
  double volume_mm3 = 0;
  double min_dihedral_deg = 180, max_dihedral_deg = 0;
};
TetraMeasures measure(const TetraMesh& mesh);

/// The record: counts, angles, and how far volume and boundary are from those of the surface that was filled.
nlohmann::json describe(const TetraMesh& mesh, const mesh::TriangleMesh& surface, double edge_mm);

/// VTK's UnstructuredGrid with raw appended data. Throws IoError.
void writeVtu(const TetraMesh& mesh, const std::string& path);

/// Fills the bone, whose triangles `surface` is, writes the tetrahedra and gives their record; `edge_mm` 0 stands for
/// two voxels of the level set. Warns where the lattice is too coarse for the bone.
nlohmann::json writeTetrahedra(const levelset::LevelSet& bone, const mesh::TriangleMesh& surface, double edge_mm,
                               const std::string& path);

}  // namespace osteo::reconstruct
