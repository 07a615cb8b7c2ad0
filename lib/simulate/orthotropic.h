#pragma once
#include <vector>

#include "simulate/effective.h"

/// The axes of a stiffness: where its planes of symmetry lie.
namespace osteo::simulate {

/// How far a stiffness is from the nearest orthotropic one along x, y, z: Frobenius norm of the difference in Mandel's
/// notation over that of the stiffness.
double skewShare(const Matrix6d& stiffness);

/// A frame, its axes the rows of a rotation, and skewShare() of the stiffness seen from it.
struct OrthotropicFrame {
  Eigen::Matrix3d axes = Eigen::Matrix3d::Identity();
  double skew_share = 0;
};

/// The frames in which a stiffness is as nearly orthotropic as in any, up to a tenth and 1e-3 of its norm, each turned
/// as little as it can be from the given axes; of those from which the stiffness looks the same but for the order of
/// its axes, only the least turned one. The given axes themselves come first where the stiffness is orthotropic along
/// them up to 1e-3 (what rounding leaves), else the frame in which it looks most like a cubic one. A cubic stiffness
/// has two (along the edges, and along an edge and two diagonals), so has a tetragonal one, an isotropic one none but
/// the given. Starts are the axes that the dilatational and Voigt tensors of an orthotropic stiffness share (Cowin &
/// Mehrabadi, Q J Mech Appl Math 40 (1987) 451-476), and a grid of turns.
std::vector<OrthotropicFrame> orthotropicFrames(const Matrix6d& stiffness);

/// The frame from which `stiffness` is nearest to `other` (Frobenius norm in Mandel's notation), found from the given
/// axes and a grid of turns; of equals the least turned.
Eigen::Matrix3d nearestFrame(const Matrix6d& stiffness, const Matrix6d& other);

/// The nearest signed permutation of a frame's axes to the given axes, as a rotation.
Eigen::Matrix3d leastTurned(const Eigen::Matrix3d& axes);

}  // namespace osteo::simulate
