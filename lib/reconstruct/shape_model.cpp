#include "reconstruct/shape_model.h"

#include <algorithm>

namespace osteo::reconstruct {

double ShapeModel::sdScale(double share) const {
  if (calibration.empty()) return 1;
  if (share <= calibration.front().missing_share) return calibration.front().sd_scale;
  for (std::size_t i = 1; i < calibration.size(); ++i) {
    const Calibration &a = calibration[i - 1], &b = calibration[i];
    if (share > b.missing_share) continue;
    const double t = (share - a.missing_share) / std::max(1e-9, b.missing_share - a.missing_share);
    return a.sd_scale + t * (b.sd_scale - a.sd_scale);
  }
  return calibration.back().sd_scale;
}

std::vector<Eigen::Vector3d> instance(const ShapeModel& model, const Eigen::VectorXd& z) {
  std::vector<Eigen::Vector3d> points = model.mean.vertices;
  const Eigen::VectorXd moved = model.basis.leftCols(z.size()) * z;
  for (std::size_t v = 0; v < points.size(); ++v) points[v] += moved.segment<3>(3 * static_cast<Eigen::Index>(v));
  return points;
}

std::vector<Eigen::Vector3d> vertexNormals(const mesh::TriangleMesh& mesh) {
  std::vector<Eigen::Vector3d> normals(mesh.vertices.size(), Eigen::Vector3d::Zero());
  for (const auto& t : mesh.triangles) {
    const Eigen::Vector3d n =
        (mesh.vertices[t[1]] - mesh.vertices[t[0]]).cross(mesh.vertices[t[2]] - mesh.vertices[t[0]]);
    for (const auto v : t) normals[v] += n;
  }
  for (auto& n : normals) n = n.norm() > 0 ? n.normalized() : Eigen::Vector3d::UnitZ();
  return normals;
}

}  // namespace osteo::reconstruct
