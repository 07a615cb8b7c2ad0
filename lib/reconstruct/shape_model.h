#pragma once
#include <Eigen/Dense>
#include <string>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::reconstruct {

/// By which posterior standard deviations are multiplied when that share of the bone's surface is missing.
struct Calibration {
  double missing_share = 0, sd_scale = 1;
};

/// A linear Gaussian model of a bone's surface: vertices = mean + basis · z with z ~ N(0, I) (Cootes et al., CVIU 1995;
/// Gaussian-process view: Lüthi et al., IEEE TPAMI 40, 2018).
struct ShapeModel {
  mesh::TriangleMesh mean;  ///< closed, mm, N vertices
  Eigen::MatrixXd basis;    ///< 3N × r, mm; each column is a principal direction times its standard deviation
  double noise_mm = 1;      ///< standard deviation of a seen point about the model's surface
  std::vector<Calibration> calibration = {};  ///< from cross-validation, by rising share; empty: 1 for all
  bool free_size = false;                     ///< aligned by similarity: the size is no part of the model
  std::string training = {};                  ///< JSON: how it was made and how well it does; empty for foreign models
  int components() const { return static_cast<int>(basis.cols()); }
  double sdScale(double missing_share) const;  ///< linear between the calibrated shares
};

/// The vertices of mean + basis · z; fewer coefficients than components are filled up with 0.
std::vector<Eigen::Vector3d> instance(const ShapeModel& model, const Eigen::VectorXd& z);

/// Reads statismo's HDF5 layout (versions 0.8 and 0.9, as Scalismo writes it) with a mesh representer. Throws NoInput;
/// DataError when it is damaged, larger than 2 GiB, holds no mesh or numbers that are not finite.
ShapeModel readShapeModel(const std::string& path);
/// Writes the same layout (version 0.9) with our own values beside it under /osteoforge; the same model gives the same
/// bytes. Throws IoError.
void writeShapeModel(const ShapeModel& model, const std::string& path);

/// Unit normals of the vertices, weighted by the triangles' areas.
std::vector<Eigen::Vector3d> vertexNormals(const mesh::TriangleMesh& mesh);

}  // namespace osteo::reconstruct
