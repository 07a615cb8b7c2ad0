#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "mesh/closest.h"
#include "mesh/measures.h"
#include "reconstruct/shape_fit.h"
#include "reconstruct/shape_training.h"
#include "reconstruct/smooth_basis.h"

namespace osteo::reconstruct {
namespace {

double diagonal(const mesh::TriangleMesh& mesh) {
  const auto box = mesh::bounds(mesh);
  return (box.max - box.min).norm();
}

Eigen::Vector3d faceNormal(const mesh::TriangleMesh& mesh, std::uint32_t triangle) {
  const auto& t = mesh.triangles[triangle];
  return (mesh.vertices[t[1]] - mesh.vertices[t[0]]).cross(mesh.vertices[t[2]] - mesh.vertices[t[0]]).normalized();
}

/// Where each vertex of `shape` should go on the target: its own nearest point and those of the target's vertices that
/// lie nearest to it; weight 0 where the surfaces face different ways.
void pull(const mesh::TriangleMesh& shape, const mesh::TriangleMesh& target, const mesh::ClosestPoint& on_target,
          Eigen::MatrixXd& goal, Eigen::VectorXd& weight) {
  const auto normals = vertexNormals(shape);
  const auto target_normals = vertexNormals(target);
  const auto n = static_cast<std::int64_t>(shape.vertices.size());
  goal = Eigen::MatrixXd::Zero(n, 3);
  weight = Eigen::VectorXd::Zero(n);
  core::parallelFor(n, [&](std::int64_t v) {
    const auto hit = on_target(shape.vertices[v]);
    if (faceNormal(target, hit.triangle).dot(normals[v]) < 0.5) return;
    goal.row(v) = hit.point.transpose();
    weight[v] = 1;
  });
  const mesh::ClosestPoint on_shape(shape);
  std::vector<std::uint32_t> nearest(target.vertices.size(), UINT32_MAX);
  core::parallelFor(static_cast<std::int64_t>(nearest.size()), [&](std::int64_t j) {
    const auto hit = on_shape(target.vertices[j]);
    double best = 1e300;
    for (const auto v : shape.triangles[hit.triangle]) {
      const double d = (shape.vertices[v] - hit.point).squaredNorm();
      if (d < best && normals[v].dot(target_normals[j]) > 0.5) {
        best = d;
        nearest[j] = v;
      }
    }
  });
  for (std::size_t j = 0; j < nearest.size(); ++j) {
    if (nearest[j] == UINT32_MAX) continue;
    const auto v = static_cast<Eigen::Index>(nearest[j]);
    goal.row(v) = (goal.row(v) * weight[v] + target.vertices[j].transpose()) / (weight[v] + 1);
    weight[v] += 1;
  }
}

/// Deforms the template onto a target that lies in its frame.
std::vector<Eigen::Vector3d> deform(const mesh::TriangleMesh& reference, const Eigen::MatrixXd& basis,
                                    const mesh::TriangleMesh& target) {
  constexpr int kRounds = 24;
  const double length = diagonal(reference);
  const mesh::ClosestPoint on_target(target);
  mesh::TriangleMesh shape = reference;
  Eigen::MatrixXd goal;
  Eigen::VectorXd weight;
  for (int round = 0; round < kRounds; ++round) {
    const double noise = 0.012 * length * std::pow(0.05, static_cast<double>(round) / (kRounds - 1));
    pull(shape, target, on_target, goal, weight);
    const Eigen::VectorXd w = weight.cwiseMin(2.0) / (noise * noise);
    for (Eigen::Index v = 0; v < goal.rows(); ++v) goal.row(v) -= reference.vertices[v].transpose();
    Eigen::MatrixXd normal_matrix = basis.transpose() * (w.asDiagonal() * basis);
    normal_matrix.diagonal().array() += 1;
    const Eigen::MatrixXd moved = basis * normal_matrix.ldlt().solve(basis.transpose() * (w.asDiagonal() * goal));
    for (std::size_t v = 0; v < shape.vertices.size(); ++v)
      shape.vertices[v] = reference.vertices[v] + moved.row(static_cast<Eigen::Index>(v)).transpose();
  }
  // What the smooth deformation leaves, at most a few tenths of a millimetre, is taken along the shortest way.
  const auto normals = vertexNormals(shape);
  for (std::size_t v = 0; v < shape.vertices.size(); ++v) {
    const auto hit = on_target(shape.vertices[v]);
    if (hit.distance_mm < 0.005 * length && faceNormal(target, hit.triangle).dot(normals[v]) > 0.5)
      shape.vertices[v] = hit.point;
  }
  return shape.vertices;
}

/// Rotation and, when wanted, scale of Umeyama (IEEE TPAMI 13, 1991) from `from` onto `to`.
Eigen::Affine3d procrustes(const std::vector<Eigen::Vector3d>& from, const std::vector<Eigen::Vector3d>& to,
                           bool scale) {
  const auto n = static_cast<Eigen::Index>(from.size());
  Eigen::Matrix3Xd a(3, n), b(3, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    a.col(i) = from[i];
    b.col(i) = to[i];
  }
  return Eigen::Affine3d(Eigen::umeyama(a, b, scale));
}

/// Mean of the shapes after aligning each with the present one; the mean keeps the shapes' mean size.
void alignAll(Correspondence& all, bool free_size) {
  for (int round = 0; round < 8; ++round) {
    std::vector<Eigen::Vector3d> mean(all.reference.vertices.size(), Eigen::Vector3d::Zero());
    for (auto& shape : all.vertices) {
      const Eigen::Affine3d to = procrustes(shape, all.reference.vertices, free_size);
      for (std::size_t v = 0; v < shape.size(); ++v) {
        shape[v] = to * shape[v];
        mean[v] += shape[v] / static_cast<double>(all.vertices.size());
      }
    }
    all.reference.vertices = mean;
  }
}

/// One round: every shape in the reference's vertices, in the frame of the reference at the shape's own size.
void registerAll(const std::vector<TrainingShape>& shapes, Correspondence& all, core::Progress& progress) {
  constexpr int kRank = 250;
  const double length = diagonal(all.reference);
  const Eigen::MatrixXd basis = smoothBasis(
      all.reference.vertices,
      {{0.02 * length, 0.25 * length}, {0.012 * length, 0.1 * length}, {0.006 * length, 0.035 * length}}, kRank);
  ShapeModel rigid;
  rigid.mean = all.reference;
  rigid.basis = Eigen::MatrixXd::Zero(3 * static_cast<Eigen::Index>(all.reference.vertices.size()), 0);
  rigid.free_size = true;
  const auto count = static_cast<std::int64_t>(shapes.size());
  all.vertices.assign(count, {});
  all.residual_mm.assign(count, 0);
  std::vector<char> reflected(count, 0);
  core::parallelFor(count, [&](std::int64_t s) {
    const auto poses = findPoses(rigid, thinned(surfacePoints(shapes[s].mesh), 0.012 * length));
    const Eigen::Affine3d to_shape = poses.front().to_patient, back = to_shape.inverse();
    reflected[s] = to_shape.linear().determinant() < 0 ? 1 : 0;
    mesh::TriangleMesh target = shapes[s].mesh;
    for (auto& v : target.vertices) v = back * v;
    if (reflected[s] != 0)
      for (auto& t : target.triangles) std::swap(t[1], t[2]);
    mesh::TriangleMesh fitted{deform(all.reference, basis, target), all.reference.triangles};
    const mesh::ClosestPoint closest(fitted);
    double sum = 0;
    for (const auto& v : target.vertices) sum += std::pow(closest(v).distance_mm, 2);
    const double size = std::cbrt(std::abs(to_shape.linear().determinant()));
    all.residual_mm[s] = size * std::sqrt(sum / static_cast<double>(target.vertices.size()));
    for (auto& v : fitted.vertices) v *= size;
    all.vertices[s] = std::move(fitted.vertices);
    progress.advance();
  });
  all.reflected.assign(reflected.begin(), reflected.end());
}

}  // namespace

Correspondence correspond(const std::vector<TrainingShape>& shapes, const ShapeTrainingOptions& options) {
  Correspondence all;
  all.reference = shapes.front().mesh;
  core::Progress progress("correspondence", 2 * static_cast<std::int64_t>(shapes.size()));
  for (int round = 0; round < 2; ++round) {
    registerAll(shapes, all, progress);
    alignAll(all, options.free_size);
  }
  for (std::size_t s = 0; s < shapes.size(); ++s)
    core::debug(
        fmt::format("{}: {:.2f} mm RMS{}", shapes[s].name, all.residual_mm[s], all.reflected[s] ? ", reflected" : ""));
  return all;
}

}  // namespace osteo::reconstruct
