#pragma once
#include <Eigen/Geometry>
#include <optional>
#include <string>
#include <vector>

namespace osteo::registration {

/// Displacements in mm as a uniform cubic B-spline over a lattice of control points (Rueckert et al., IEEE TMI 1999).
struct Lattice {
  Eigen::Vector3i size = Eigen::Vector3i::Zero();  ///< control points along each axis, at least 4
  Eigen::Vector3d origin_mm = Eigen::Vector3d::Zero(), spacing_mm = Eigen::Vector3d::Ones();
  Eigen::Matrix3d direction = Eigen::Matrix3d::Identity();
  std::vector<Eigen::Vector3d> coefficients;  ///< mm, x fastest

  /// The 64 control points that act at a place and their weights; false where fewer than 64 do.
  struct Support {
    Eigen::Vector3i low;
    Eigen::Matrix<double, 4, 3> weights, slopes;  ///< slopes: derivatives by the index
  };
  bool support(const Eigen::Vector3d& point_mm, Support& at) const;
  std::size_t index(int i, int j, int k) const {
    return i + static_cast<std::size_t>(size[0]) * (j + static_cast<std::size_t>(size[1]) * k);
  }
  Eigen::Vector3d node_mm(int i, int j, int k) const {
    return origin_mm + direction * Eigen::Vector3d(i, j, k).cwiseProduct(spacing_mm);
  }
  /// Displacement and its derivative by position.
  Eigen::Vector3d displacement(const Support& at) const;
  Eigen::Matrix3d derivative(const Support& at) const;
};

/// A lattice without displacements whose domain holds the box [low, high], with nodes every `spacing_mm` or closer.
Lattice makeLattice(const Eigen::Vector3d& low_mm, const Eigen::Vector3d& high_mm, double spacing_mm);

/// Maps points of the fixed space to the moving one (ITK's convention), LPS, mm: `linear`, or x + displacement in the
/// domain of a lattice.
struct Transform {
  Eigen::Affine3d linear = Eigen::Affine3d::Identity();
  std::optional<Lattice> lattice = {};

  Eigen::Vector3d operator()(const Eigen::Vector3d& fixed_mm) const;
  /// The fixed point that is mapped to `moving_mm`, by Newton's method where a lattice bends.
  Eigen::Vector3d inverse(const Eigen::Vector3d& moving_mm) const;
  /// Determinant of the derivative; 0 or less where the map folds.
  double jacobian(const Eigen::Vector3d& fixed_mm) const;
};

/// Writes ITK's text transform file: VersorRigid3DTransform, AffineTransform for what scales, BSplineTransform for a
/// lattice. `path` is the temporary of an AtomicOutput. Throws IoError.
void writeTransform(const Transform& transform, const std::string& path);
/// Reads one transform of these classes or an Euler3DTransform, ITK's text form. Throws NoInput, DataError.
Transform readTransform(const std::string& path);

}  // namespace osteo::registration
