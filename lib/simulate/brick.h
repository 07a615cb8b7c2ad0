#pragma once
#include <array>

#include "simulate/voxel_model.h"

namespace osteo::simulate {

/// y += K u for the element runs [first_run, last_run): the 8-node brick with 2×2×2 Gauss points, exactly integrated in
/// the 8-point Hadamard basis, in which an orthotropic brick has 45 non-zeros of 576. Component c of node n stands at
/// [c·stride + n]; both arrays need kPadding readable and writable values behind each component. Same bits with and
/// without AVX2. Runs in concurrent calls must be a layer of nodes with kPadding nodes or more apart.
void applyBricks(const VoxelModel& model, std::int64_t first_run, std::int64_t last_run, const double* u, double* y,
                 std::int64_t stride);
void applyBricks(const VoxelModel& model, std::int64_t first_run, std::int64_t last_run, const float* u, float* y,
                 std::int64_t stride);

/// The 24×24 stiffness of one brick, dof = 3·node + component.
Eigen::Matrix<double, 24, 24> brickStiffness(const Elastic& elastic, const Eigen::Vector3d& size_mm);

/// Diagonal 3×3 block of one brick at its node a: entries xx yy zz yz xz xy.
std::array<double, 6> diagonalBlock(const Elastic& elastic, const Eigen::Vector3d& size_mm, int a);

/// Strain at the element's centre, in the grid's axes.
Vector6d centreStrain(const double* u, std::int64_t stride, const std::array<std::int64_t, 8>& nodes,
                      const Eigen::Vector3d& size_mm);

}  // namespace osteo::simulate
