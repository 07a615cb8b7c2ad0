#pragma once
#include <Eigen/Core>

#include "design_scaffold/cube.h"
#include "design_scaffold/lattice.h"
#include "simulate/effective.h"

namespace osteo::design_scaffold {

/// What one period of a lattice is like; relative to its solid's modulus and yield stress and to its cell's edge.
struct CellProperties {
  simulate::Matrix6d stiffness;         ///< Voigt xx yy zz yz xz xy, engineering shear, over Young's modulus
  simulate::Matrix6d coarse_stiffness;  ///< the same on elements four times as coarse
  Eigen::Vector3d permeability;         ///< Darcy's along x, y, z, over the cell squared
  double area = 0;                      ///< surface per volume, times the cell
  Eigen::Vector3d strength;  ///< stress of a pull along x, y, z that takes 2 % of the solid beyond its yield (von
                             ///< Mises), over that yield
};

/// One period of a lattice with cells of 1 mm as distances, its surface moved so that the cube's porosity is the wanted
/// one; made for the nodes that are asked for, without Lattice's table. Throws as Lattice does.
Cube cellCube(const LatticeSpec& spec, int nodes);

/// Stiffness (periodic homogenisation), flow and stress of a lattice on `elements` elements along the period's edge, a
/// multiple of 8, with twice as many nodes for its shape.
CellProperties resolveCell(const LatticeSpec& spec, int elements, double poisson);

/// Stiffness over Young's modulus of a period whose sides are stretched by these factors along x, y, z (their product
/// is 1; what fills it is stretched with it), as resolveCell has it for a cube.
simulate::Matrix6d stretchedStiffness(const LatticeSpec& spec, const Eigen::Vector3d& stretch, int elements,
                                      double poisson);

/// The same on elements of no size, by extrapolated() from `elements` and finerElements() along the edge.
simulate::Matrix6d meshFreeStiffness(const LatticeSpec& spec, const Eigen::Vector3d& stretch, int elements,
                                     double poisson);
/// About a third more elements, a multiple of 8.
int finerElements(int elements);

/// A stiffness in Mandel's notation (Voigt's with shear rows and columns times √2), whose norm no rotation changes, and
/// back.
simulate::Matrix6d mandel(const simulate::Matrix6d& voigt);
simulate::Matrix6d voigtOfMandel(const simulate::Matrix6d& mandel);

/// The 21 entries of the logarithm of a stiffness in Mandel's notation, those off the diagonal times √2 (log-Euclidean:
/// Arsigny et al., SIAM J Matrix Anal Appl 29 (2007) 328-347), and back: any 21 numbers make a positive tensor.
using Log21 = Eigen::Matrix<double, 21, 1>;
Log21 logOfStiffness(const simulate::Matrix6d& voigt);
simulate::Matrix6d stiffnessOfLog(const Log21& log);

/// The stiffness on elements of no size from two meshes, one with edges `ratio` times as long as the other's: what
/// elements of cut share add falls with the square of their edge (Richardson's extrapolation, of the logarithms, so
/// that it stays positive).
simulate::Matrix6d extrapolated(const simulate::Matrix6d& fine, const simulate::Matrix6d& coarse, double ratio = 2);

/// Frobenius norm of the difference in Mandel's notation over that of `wanted`.
double tensorError(const simulate::Matrix6d& found, const simulate::Matrix6d& wanted);

}  // namespace osteo::design_scaffold
