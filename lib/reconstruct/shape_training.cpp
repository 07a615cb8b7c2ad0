#include "reconstruct/shape_training.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "mesh/measures.h"
#include "reconstruct/shape_validation.h"
#include "reconstruct/smooth_basis.h"

namespace osteo::reconstruct {
namespace {

constexpr Eigen::Index kFew = 8;  ///< samples

Eigen::VectorXd stacked(const std::vector<Eigen::Vector3d>& points) {
  Eigen::VectorXd out(3 * static_cast<Eigen::Index>(points.size()));
  for (std::size_t v = 0; v < points.size(); ++v) out.segment<3>(3 * static_cast<Eigen::Index>(v)) = points[v];
  return out;
}

/// Columns b such that b bᵀ is the same and the columns are orthogonal, largest first, at most `most` of them; `lost`
/// gets the mean variance per coordinate that was cut off.
Eigen::MatrixXd orthogonal(const Eigen::MatrixXd& columns, int most, double& lost) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(columns.transpose() * columns);
  const Eigen::Index n = columns.cols();
  Eigen::Index kept = 0;
  while (kept < std::min<Eigen::Index>(n, most) &&
         eigen.eigenvalues()[n - 1 - kept] > 1e-9 * eigen.eigenvalues()[n - 1])
    ++kept;
  lost = eigen.eigenvalues().head(n - kept).cwiseMax(0).sum() / static_cast<double>(columns.rows());
  Eigen::MatrixXd out = columns * eigen.eigenvectors().rightCols(kept).rowwise().reverse();
  // The sign of a direction is free: the largest entry is made positive.
  for (Eigen::Index k = 0; k < kept; ++k) {
    Eigen::Index at = 0;
    out.col(k).cwiseAbs().maxCoeff(&at);
    if (out(at, k) < 0) out.col(k) *= -1;
  }
  return out;
}

}  // namespace

ShapeModel modelOf(const Correspondence& all, const std::vector<std::size_t>& chosen,
                   const ShapeTrainingOptions& options) {
  ShapeModel model;
  model.mean = all.reference;
  model.free_size = options.free_size;
  const auto n = static_cast<Eigen::Index>(chosen.size());
  Eigen::MatrixXd samples(3 * static_cast<Eigen::Index>(all.reference.vertices.size()), n);
  for (Eigen::Index s = 0; s < n; ++s) samples.col(s) = stacked(all.vertices[chosen[s]]);
  const Eigen::VectorXd mean = samples.rowwise().mean();
  samples.colwise() -= mean;
  samples /= std::sqrt(std::max<double>(1, static_cast<double>(n) - 1));
  for (std::size_t v = 0; v < model.mean.vertices.size(); ++v)
    model.mean.vertices[v] = mean.segment<3>(3 * static_cast<Eigen::Index>(v));
  const auto box = mesh::bounds(model.mean);
  const double length = (box.max - box.min).norm();
  Eigen::MatrixXd columns = samples;
  if (options.smooth_mm > 0) {
    // Few samples know little of how bones differ: a wide kernel stands in for what is missing.
    std::vector<SmoothKernel> kernels{{options.smooth_mm, options.smooth_reach * length}};
    if (n < kFew) kernels.push_back({0.012 * length, 0.3 * length});
    const Eigen::MatrixXd smooth = smoothBasis(model.mean.vertices, kernels, 90);
    columns.conservativeResize(Eigen::NoChange, n + 3 * smooth.cols());
    columns.rightCols(3 * smooth.cols()).setZero();
    for (Eigen::Index k = 0; k < smooth.cols(); ++k) {
      for (int axis = 0; axis < 3; ++axis) {
        for (Eigen::Index v = 0; v < smooth.rows(); ++v) columns(3 * v + axis, n + 3 * k + axis) = smooth(v, k);
      }
    }
  }
  double lost = 0;
  model.basis = orthogonal(columns, options.components, lost);
  model.noise_mm = std::sqrt(options.noise_mm * options.noise_mm + lost);
  return model;
}

ShapeModel trainShape(const std::vector<TrainingShape>& shapes, const ShapeTrainingOptions& options,
                      nlohmann::json& record) {
  constexpr std::size_t kGroupsToJudge = 4;
  constexpr double kLoose = 0.01;  // a few open edges, as other tools leave them, do no harm
  std::set<std::string> groups;
  for (const auto& shape : shapes) {
    groups.insert(shape.group);
    const auto topology = mesh::topology(shape.mesh);
    const double loose =
        static_cast<double>(topology.boundary_edges + topology.nonmanifold_edges + topology.misoriented_edges) /
        static_cast<double>(shape.mesh.triangles.size());
    if (loose > kLoose || mesh::volume_mm3(shape.mesh) <= 0) {
      throw core::Error(core::Exit::DataError,
                        {.what = "a shape model is learnt from closed surfaces that face outwards",
                         .file = shape.name,
                         .got = fmt::format("{} open, {} branching and {} turned edges", topology.boundary_edges,
                                            topology.nonmanifold_edges, topology.misoriented_edges)});
    }
  }
  if (groups.size() < 2) {
    throw core::Error(core::Exit::DataError, {.what = "a shape model needs bones of at least two groups (people)",
                                              .got = fmt::format("{} in {} bones", groups.size(), shapes.size())});
  }
  const Correspondence all = correspond(shapes, options);
  std::vector<std::size_t> everyone(shapes.size());
  std::iota(everyone.begin(), everyone.end(), 0);
  ShapeModel model = modelOf(all, everyone, options);
  record = describeModel(model, all, shapes, options);
  record["shapes"] = shapes.size();
  record["groups"] = groups.size();
  record["reflected"] = std::count(all.reflected.begin(), all.reflected.end(), true);
  double worst = 0;
  for (const double r : all.residual_mm) worst = std::max(worst, r);
  record["worst_correspondence_rms_mm"] = worst;
  model.calibration = crossValidate(all, shapes, options, record["unseen_bones"]);
  if (groups.size() < kGroupsToJudge) {
    core::warn(fmt::format("{} groups tell little of how well the model does on unseen bones", groups.size()));
  }
  model.training = record.dump();
  return model;
}

}  // namespace osteo::reconstruct
