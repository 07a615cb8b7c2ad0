#include "reconstruct/defect.h"

#include <Eigen/Dense>
#include <algorithm>
#include <map>

namespace osteo::reconstruct {
namespace {

/// The closed curves along the edges that the chosen triangles share with no other of them, in the triangles' sense.
std::vector<std::vector<std::uint32_t>> borders(const mesh::TriangleMesh& mesh, const std::vector<char>& chosen) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> edges;
  for (std::size_t t = 0; t < chosen.size(); ++t) {
    if (chosen[t] == 0) continue;
    for (int k = 0; k < 3; ++k) ++edges[{mesh.triangles[t][k], mesh.triangles[t][(k + 1) % 3]}];
  }
  std::multimap<std::uint32_t, std::uint32_t> next;
  for (const auto& [edge, count] : edges) {
    if (edges.count({edge.second, edge.first}) == 0) next.emplace(edge.first, edge.second);
  }
  std::vector<std::vector<std::uint32_t>> out;
  while (!next.empty()) {
    std::vector<std::uint32_t>& curve = out.emplace_back();
    for (auto at = next.begin(); at != next.end(); at = next.find(curve.back())) {
      if (curve.empty()) curve.push_back(at->first);
      curve.push_back(at->second);
      next.erase(at);
    }
    curve.pop_back();  // the first once more
  }
  return out;
}

double lengthOf(const std::vector<Eigen::Vector3d>& closed) {
  double length = 0;
  for (std::size_t i = 0; i < closed.size(); ++i) length += (closed[i] - closed[(i + 1) % closed.size()]).norm();
  return length;
}

/// A zigzag along triangles is longer than what it follows: each point becomes the mean of its neighbours a few times,
/// then one point a millimetre is kept.
std::vector<Eigen::Vector3d> smoothed(std::vector<Eigen::Vector3d> curve, double voxel_mm) {
  constexpr double kStep_mm = 1, kSmooth_mm = 1.5;
  const std::size_t n = curve.size();
  const int rounds = static_cast<int>(4 * (kSmooth_mm / voxel_mm) * (kSmooth_mm / voxel_mm)) + 1;
  for (int round = 0; round < rounds; ++round) {
    std::vector<Eigen::Vector3d> next(n);
    for (std::size_t i = 0; i < n; ++i) next[i] = 0.5 * curve[i] + 0.25 * (curve[(i + 1) % n] + curve[(i + n - 1) % n]);
    curve = std::move(next);
  }
  const double length = lengthOf(curve);
  const auto count = std::max<std::size_t>(8, static_cast<std::size_t>(length / kStep_mm));
  std::vector<Eigen::Vector3d> out;
  double passed = 0;
  for (std::size_t i = 0; i < n && out.size() < count; ++i) {
    const Eigen::Vector3d &a = curve[i], &b = curve[(i + 1) % n];
    const double edge = (b - a).norm();
    for (double at = length / static_cast<double>(count) * static_cast<double>(out.size());
         edge > 0 && at < passed + edge && out.size() < count;
         at = length / static_cast<double>(count) * static_cast<double>(out.size()))
      out.emplace_back(a + (at - passed) / edge * (b - a));
    passed += edge;
  }
  return out;
}

}  // namespace

PieceMeasures measurePiece(const levelset::LevelSet& piece, const levelset::LevelSet& bone, const Host& host) {
  PieceMeasures out;
  out.volume_mm3 = levelset::volume_mm3(piece);
  const mesh::TriangleMesh mesh = levelset::toMesh(piece);
  const double near = 1.5 * bone.voxel_mm();
  Eigen::Vector3d normal = Eigen::Vector3d::Zero();
  double six_volumes = 0;
  std::vector<char> outer(mesh.triangles.size(), 0);
  for (std::size_t t = 0; t < outer.size(); ++t) {
    const auto& [ia, ib, ic] = mesh.triangles[t];
    const Eigen::Vector3d &a = mesh.vertices[ia], &b = mesh.vertices[ib], &c = mesh.vertices[ic];
    const Eigen::Vector3d face = 0.5 * (b - a).cross(c - a), middle = (a + b + c) / 3;
    const double tetrahedron = a.dot(b.cross(c));
    six_volumes += tetrahedron;
    out.centre_mm += tetrahedron / 4 * (a + b + c);
    if (face.dot(middle - host.centre_mm) <= 0 || levelset::sample(bone, middle) < near) continue;
    outer[t] = 1;
    out.outer_area_mm2 += face.norm();
    normal += face;
  }
  if (six_volumes > 0) out.centre_mm /= six_volumes;
  if (normal.norm() > 0) out.normal = normal.normalized();
  double low = 1e300, high = -1e300;
  for (const auto& v : mesh.vertices) {
    low = std::min(low, out.normal.dot(v));
    high = std::max(high, out.normal.dot(v));
  }
  out.depth_mm = mesh.vertices.empty() ? 0 : high - low;
  for (const auto& border : borders(mesh, outer)) {
    std::vector<Eigen::Vector3d> curve;
    for (const auto v : border) curve.push_back(mesh.vertices[v]);
    if (lengthOf(curve) > lengthOf(out.rim_mm)) out.rim_mm = std::move(curve);
  }
  if (out.rim_mm.size() > 2) out.rim_mm = smoothed(std::move(out.rim_mm), piece.voxel_mm());
  out.rim_length_mm = lengthOf(out.rim_mm);
  return out;
}

}  // namespace osteo::reconstruct
