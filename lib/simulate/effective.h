#pragma once
#include <Eigen/Core>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "simulate/solver.h"

namespace osteo::simulate {

using Matrix6d = Eigen::Matrix<double, 6, 6>;

/// The stiffness of a homogeneous material that a box of voxels stands for, from six load cases.
///   periodic  the box repeats in all directions
///   mixed     periodicity-compatible mixed uniform boundary conditions (Pahr & Zysset, Biomech Model Mechanobiol 7
///             (2008) 463-476), for cut-outs of real bone
struct EffectiveStiffness {
  Matrix6d tensor_mpa;   ///< Voigt xx yy zz yz xz xy in LPS, engineering shear, symmetric
  double asymmetry = 0;  ///< of the tensor before it was made symmetric, relative
  int iterations = 0;    ///< of all six cases
};
EffectiveStiffness effectiveStiffness(const Operator& K, const std::string& method, const SolveOptions& options);

/// Displacements in grid axes of a box that repeats in all directions under some mean strains (grid axes), the uniform
/// part included.
std::vector<Field> periodicFields(const Operator& K, const std::vector<Vector6d>& strains, const SolveOptions& options);
/// The unit strains, in Voigt order.
std::vector<Vector6d> unitStrains();

/// The record: tensor, volume fraction, engineering constants, the frame in which it is most nearly orthotropic (after
/// van Rietbergen et al., J Biomech 29 (1996) 1653-1657), Zener's ratio, and whether it keeps the upper bounds.
nlohmann::json describeStiffness(const EffectiveStiffness& effective, const VoxelModel& model);

/// A stiffness in Voigt notation seen from a frame whose axes are the rows of `rotation`.
Matrix6d rotated(const Matrix6d& stiffness, const Eigen::Matrix3d& rotation);

}  // namespace osteo::simulate
