#include "learn/align.h"

#include <Eigen/Dense>
#include <utility>

#include "core/parallel.h"
#include "mesh/closest.h"

namespace osteo::learn {

using Eigen::Affine3d;
using Eigen::Matrix3d;
using Eigen::Matrix3Xd;
using Eigen::Vector3d;

namespace {

/// At most `count` vertices, evenly over their list.
Matrix3Xd pick(const mesh::TriangleMesh& mesh, std::size_t count) {
  const std::size_t all = mesh.vertices.size(), taken = std::min(all, count);
  Matrix3Xd out(3, static_cast<Eigen::Index>(taken));
  for (std::size_t i = 0; i < taken; ++i) out.col(static_cast<Eigen::Index>(i)) = mesh.vertices[i * all / taken];
  return out;
}

/// A bone with what its search needs.
struct Side {
  explicit Side(const mesh::TriangleMesh& mesh) : closest(mesh), few(pick(mesh, 400)), many(pick(mesh, 2500)) {
    centre = many.rowwise().mean();
    const Matrix3Xd off = many.colwise() - centre;
    axes = Eigen::SelfAdjointEigenSolver<Matrix3d>(off * off.transpose()).eigenvectors();
  }
  mesh::ClosestPoint closest;
  Matrix3Xd few, many;
  Vector3d centre;
  Matrix3d axes;
};

/// Nearest points of a surface to points, and their mean distance.
double nearest(const mesh::ClosestPoint& surface, const Matrix3Xd& points, Matrix3Xd& out) {
  out.resize(3, points.cols());
  core::parallelFor(points.cols(), [&](std::int64_t i) { out.col(i) = surface(points.col(i)).point; });
  return (out - points).colwise().norm().mean();
}

Alignment refine(const Side& moving, const Side& fixed, Affine3d start, bool thorough) {
  const Matrix3Xd& from = thorough ? moving.many : moving.few;
  const Matrix3Xd& to = thorough ? fixed.many : fixed.few;
  Alignment out{start};
  Matrix3Xd there, back;
  for (int iteration = 0; iteration <= (thorough ? 40 : 15); ++iteration) {
    const Affine3d inverse = out.transform.inverse();
    const double forward = nearest(fixed.closest, out.transform * from, there);
    const double scale = std::cbrt(std::abs(out.transform.linear().determinant()));
    const double backward = nearest(moving.closest, inverse * to, back) * scale;
    out.residual_mm = 0.5 * (forward + backward);
    Matrix3Xd a(3, from.cols() + to.cols()), b(3, from.cols() + to.cols());
    a << from, back;
    b << there, to;
    // A reflection stays one: the closed form finds rotations only.
    Matrix3d flip = Matrix3d::Identity();
    if (out.transform.linear().determinant() < 0) flip(0, 0) = -1;
    const Matrix3Xd source = flip * a;
    out.transform = Affine3d(Eigen::umeyama(source, b, true)) * Affine3d(flip);
  }
  return out;
}

}  // namespace

Alignment alignBones(const mesh::TriangleMesh& moving, const mesh::TriangleMesh& fixed, bool mirror) {
  const Side a(moving), b(fixed);
  std::vector<Matrix3d> turns = {Matrix3d::Identity()};
  if (mirror) turns.push_back(Vector3d(-1, 1, 1).asDiagonal());
  for (int signs = 0; signs < 8; ++signs) {
    const Vector3d sign((signs & 1) ? -1 : 1, (signs & 2) ? -1 : 1, (signs & 4) ? -1 : 1);
    const Matrix3d turn = b.axes * sign.asDiagonal() * a.axes.transpose();
    if (mirror || turn.determinant() > 0) turns.push_back(turn);
  }
  Alignment best;
  best.residual_mm = 1e300;
  for (const Matrix3d& turn : turns) {
    const Affine3d start = Eigen::Translation3d(b.centre) * Affine3d(turn) * Eigen::Translation3d(-a.centre);
    const Alignment found = refine(a, b, start, false);
    if (found.residual_mm < best.residual_mm) best = found;
  }
  return refine(a, b, best.transform, true);
}

mesh::TriangleMesh moved(mesh::TriangleMesh mesh, const Affine3d& transform) {
  for (Vector3d& vertex : mesh.vertices) vertex = transform * vertex;
  if (transform.linear().determinant() < 0)
    for (mesh::Triangle& triangle : mesh.triangles) std::swap(triangle[1], triangle[2]);
  return mesh;
}

}  // namespace osteo::learn
