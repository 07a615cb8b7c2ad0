#include "learn/mesh_distance.h"

#include <Eigen/Dense>
#include <cmath>
#include <map>

namespace osteo::learn {

using Eigen::Vector3d;

MeshDistance::MeshDistance(const mesh::TriangleMesh& mesh) : mesh_(mesh), closest_(mesh) {
  vertex_normals_.assign(mesh.vertices.size(), Vector3d::Zero());
  std::map<std::pair<std::uint32_t, std::uint32_t>, Vector3d> edges;
  const auto key = [](std::uint32_t a, std::uint32_t b) { return std::pair(std::min(a, b), std::max(a, b)); };
  for (const mesh::Triangle& t : mesh.triangles) {
    const Vector3d &a = mesh.vertices[t[0]], &b = mesh.vertices[t[1]], &c = mesh.vertices[t[2]];
    const Vector3d normal = (b - a).cross(c - a).normalized();
    face_normals_.push_back(normal);
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const Vector3d& here = mesh.vertices[t[corner]];
      const Vector3d next = (mesh.vertices[t[(corner + 1) % 3]] - here).normalized();
      const Vector3d last = (mesh.vertices[t[(corner + 2) % 3]] - here).normalized();
      vertex_normals_[t[corner]] += std::acos(std::clamp(next.dot(last), -1.0, 1.0)) * normal;
      edges.try_emplace(key(t[corner], t[(corner + 1) % 3]), Vector3d::Zero()).first->second += normal;
    }
  }
  for (const mesh::Triangle& t : mesh.triangles)
    edge_normals_.push_back({edges.at(key(t[0], t[1])), edges.at(key(t[1], t[2])), edges.at(key(t[2], t[0]))});
  for (Vector3d& normal : vertex_normals_) normal.normalize();
}

double MeshDistance::operator()(const Vector3d& point) const {
  constexpr double kOnEdge = 1e-9;
  const auto hit = closest_(point);
  const mesh::Triangle& t = mesh_.triangles[hit.triangle];
  const Vector3d &a = mesh_.vertices[t[0]], &b = mesh_.vertices[t[1]], &c = mesh_.vertices[t[2]];
  const Vector3d& normal = face_normals_[hit.triangle];
  const double area = (b - a).cross(c - a).norm();
  // Share of the triangle opposite to each corner: 0 on the edge that faces it.
  const double shares[3] = {normal.dot((b - hit.point).cross(c - hit.point)) / area,
                            normal.dot((c - hit.point).cross(a - hit.point)) / area,
                            normal.dot((a - hit.point).cross(b - hit.point)) / area};
  Vector3d outward = normal;
  int small = 0;
  for (std::size_t corner = 0; corner < 3; ++corner) {
    if (shares[corner] > kOnEdge) continue;
    ++small;
    outward = edge_normals_[hit.triangle][(corner + 1) % 3];
  }
  if (small > 1) {
    for (std::size_t corner = 0; corner < 3; ++corner)
      if (shares[corner] > kOnEdge) outward = vertex_normals_[t[corner]];
  }
  return (point - hit.point).dot(outward) < 0 ? -hit.distance_mm : hit.distance_mm;
}

}  // namespace osteo::learn
