#pragma once
#include <vector>

#include "simulate/materials.h"
#include "simulate/solver.h"

namespace osteo::simulate {

/// A model on larger elements that divide the same box, so that its sides, its length and its corners stay where they
/// are; where the voxels don't divide evenly, those at a border count in both elements by their shares.
struct CoarseModel {
  VoxelModel model;             ///< its value is the share of solid, its material what fills most of an element
  std::vector<Filler> fillers;  ///< those of the fine model, as solid shares
  Eigen::Vector3i low, size;    ///< box of the fine model's elements: first voxel, and voxels along each axis
};

/// Elements of about factor³ voxels. Their stiffness is the power mean of the voxels', (mean of E^(1/n))^n with n the
/// exponent and empty space as 0: E_solid f^n where a share f is filled with one solid, Voigt's mean for n = 1, and
/// never softer than a row of the same parts.
CoarseModel coarsen(const VoxelModel& fine, const std::vector<Filler>& fillers, int factor, double exponent);

/// Displacements of the coarse nodes, linear between them, at the fine model's nodes.
Field prolong(const CoarseModel& coarse, const Operator& from, const Field& u, const Operator& to);

/// Forces on the fine nodes as forces on the coarse ones, with the same resultant and moment.
Field restrictForces(const CoarseModel& coarse, const Operator& to, const Field& force, const Operator& from);

}  // namespace osteo::simulate
