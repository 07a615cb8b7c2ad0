#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "design_scaffold/lattice_type.h"
#include "design_scaffold/periodic_distance.h"

namespace osteo::design_scaffold {

/// The axis of a strut, in cells.
struct Strut {
  Eigen::Vector3d from, to;
};

/// Struts of a cubic box of `cells` cells along an edge that repeats in all directions; each strut stands once.
struct StrutNetwork {
  int cells = 1;
  std::vector<Strut> struts;
};

/// The unit cells: body diagonals (bcc), face diagonals (fcc), those with the octahedron between the face centres
/// (octet; Deshpande, Fleck & Ashby, J Mech Phys Solids 49, 2001), edges of the truncated octahedra that fill space
/// (kelvin; Thomson, Phil Mag 24, 1887), and edges of the cell (cubic).
StrutNetwork unitCell(LatticeType type);

/// Edges of the periodic Voronoi cells around one random point a cell, 6³ cells; points keep apart (the best of many
/// candidates each, Mitchell, SIGGRAPH 1991). By Voro++ (Rycroft, Chaos 19, 2009).
StrutNetwork voronoiFoam(std::uint64_t seed);

/// Struts as a solid whose surface is F = 0.
struct StrutField {
  double radius_cells = 0;
  std::vector<float> values;  ///< F at the nodes in cells: about the distance, above it where pores are wide
};

/// The field whose solid share is the wanted one. Struts run into each other with fillets: F = −b ln Σ exp(−d/b) − r
/// over the distances d to the axes, b = fillet·r; for fillet 0, F = min d − r.
StrutField strutField(const StrutNetwork& network, PeriodicNodes nodes, double volume_fraction, double fillet);

/// The share of a periodic box where samples in steps are negative; a node counts by how far off the surface it lies.
double negativeShare(const std::vector<float>& steps, double offset = 0);

}  // namespace osteo::design_scaffold
