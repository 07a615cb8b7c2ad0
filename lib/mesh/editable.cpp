#include "mesh/editable.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

namespace osteo::mesh {
namespace {

bool holds(const Triangle& t, std::uint32_t v) { return t[0] == v || t[1] == v || t[2] == v; }

std::uint32_t third(const Triangle& t, std::uint32_t a, std::uint32_t b) {
  for (const std::uint32_t v : t)
    if (v != a && v != b) return v;
  return a;
}

/// Height over the longest side as a share of that side, times its length squared twice: kept without roots.
double squeeze(const Eigen::Vector3d& normal, const Eigen::Vector3d& a, const Eigen::Vector3d& b,
               const Eigen::Vector3d& c) {
  const double longest = std::max({(b - a).squaredNorm(), (c - b).squaredNorm(), (a - c).squaredNorm()});
  return longest > 0 ? normal.norm() / longest : 0;
}

}  // namespace

EditableMesh::EditableMesh(const TriangleMesh& mesh)
    : points_(mesh.vertices),
      triangles_(mesh.triangles),
      dead_(mesh.triangles.size(), 0),
      border_(mesh.vertices.size(), 0),
      around_(mesh.vertices.size()),
      frame_id_(mesh.frame_id) {
  for (std::uint32_t t = 0; t < triangles_.size(); ++t) {
    for (const std::uint32_t v : triangles_[t]) around_[v].push_back(t);
  }
  std::array<std::uint32_t, 2> found;
  for (const Triangle& t : triangles_) {
    for (int k = 0; k < 3; ++k) {
      const std::uint32_t a = t[k], b = t[(k + 1) % 3];
      if (trianglesAt(a, b, found) != 2) border_[a] = border_[b] = 1;
    }
  }
}

std::vector<std::uint32_t> EditableMesh::neighbours(std::uint32_t vertex) const {
  std::vector<std::uint32_t> result;
  result.reserve(2 * around_[vertex].size());
  for (const std::uint32_t t : around_[vertex]) {
    for (const std::uint32_t v : triangles_[t])
      if (v != vertex) result.push_back(v);
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

std::vector<std::array<std::uint32_t, 2>> EditableMesh::edges() const {
  std::vector<std::array<std::uint32_t, 2>> result;
  for (std::uint32_t v = 0; v < points_.size(); ++v) {
    for (const std::uint32_t w : neighbours(v))
      if (w > v) result.push_back({v, w});
  }
  return result;
}

int EditableMesh::trianglesAt(std::uint32_t a, std::uint32_t b, std::array<std::uint32_t, 2>& found) const {
  int count = 0;
  for (const std::uint32_t t : around_[a]) {
    if (!holds(triangles_[t], b)) continue;
    if (count < 2) found[static_cast<std::size_t>(count)] = t;
    ++count;
  }
  return count;
}

bool EditableMesh::wings(std::uint32_t a, std::uint32_t b, std::array<std::uint32_t, 2>& opposite) const {
  std::array<std::uint32_t, 2> at;
  if (trianglesAt(a, b, at) != 2) return false;
  for (std::size_t k = 0; k < 2; ++k) opposite[k] = third(triangles_[at[k]], a, b);
  return opposite[0] != opposite[1];
}

bool EditableMesh::canCollapse(std::uint32_t a, std::uint32_t b) const {
  if (onBorder(a) || onBorder(b)) return false;
  std::array<std::uint32_t, 2> opposite;
  if (!wings(a, b, opposite)) return false;
  if (around_[opposite[0]].size() <= 3 || around_[opposite[1]].size() <= 3) return false;
  const auto near_a = neighbours(a), near_b = neighbours(b);
  std::vector<std::uint32_t> shared;
  std::set_intersection(near_a.begin(), near_a.end(), near_b.begin(), near_b.end(), std::back_inserter(shared));
  return shared.size() == 2;
}

bool EditableMesh::spoils(std::uint32_t vertex, std::uint32_t gone, const Eigen::Vector3d& to) const {
  constexpr double kTurn = 0.5, kFlattest = 0.05;
  for (const std::uint32_t t : around_[vertex]) {
    const Triangle& corners = triangles_[t];
    if (gone != vertex && holds(corners, gone)) continue;
    std::array<Eigen::Vector3d, 3> before, after;
    for (std::size_t k = 0; k < 3; ++k) {
      before[k] = points_[corners[k]];
      after[k] = corners[k] == vertex ? to : before[k];
    }
    const Eigen::Vector3d n = (before[1] - before[0]).cross(before[2] - before[0]),
                          m = (after[1] - after[0]).cross(after[2] - after[0]);
    if (m.dot(n) < kTurn * m.norm() * n.norm()) return true;
    const double flat = squeeze(m, after[0], after[1], after[2]);
    if (flat < kFlattest && flat < squeeze(n, before[0], before[1], before[2])) return true;
  }
  return false;
}

void EditableMesh::forget(std::uint32_t vertex, std::uint32_t t) {
  auto& list = around_[vertex];
  list.erase(std::find(list.begin(), list.end(), t));
}

void EditableMesh::replace(std::uint32_t t, std::uint32_t from, std::uint32_t to) {
  for (std::uint32_t& v : triangles_[t])
    if (v == from) v = to;
  around_[to].push_back(t);
}

void EditableMesh::collapse(std::uint32_t a, std::uint32_t b, const Eigen::Vector3d& to) {
  const std::vector<std::uint32_t> moved = around_[b];
  for (const std::uint32_t t : moved) {
    if (holds(triangles_[t], a)) {
      for (const std::uint32_t v : triangles_[t])
        if (v != b) forget(v, t);
      dead_[t] = 1;
    } else {
      replace(t, b, a);
    }
  }
  around_[b] = {};
  points_[a] = to;
}

std::uint32_t EditableMesh::split(std::uint32_t a, std::uint32_t b, const Eigen::Vector3d& at) {
  const auto v = static_cast<std::uint32_t>(points_.size());
  points_.push_back(at);
  border_.push_back(0);
  around_.emplace_back();
  std::array<std::uint32_t, 2> cut;
  const int count = std::min(2, trianglesAt(a, b, cut));
  for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
    const auto added = static_cast<std::uint32_t>(triangles_.size());
    Triangle half = triangles_[cut[k]];
    for (std::uint32_t& corner : half)
      if (corner == a) corner = v;
    triangles_.push_back(half);
    dead_.push_back(0);
    for (const std::uint32_t corner : half) around_[corner].push_back(added);
    forget(b, cut[k]);
    replace(cut[k], b, v);
  }
  return v;
}

bool EditableMesh::flip(std::uint32_t a, std::uint32_t b) {
  std::array<std::uint32_t, 2> opposite, at;
  if (!wings(a, b, opposite) || around_[a].size() <= 3 || around_[b].size() <= 3) return false;
  trianglesAt(a, b, at);
  const auto [c, d] = opposite;
  std::array<std::uint32_t, 2> none;
  if (trianglesAt(c, d, none) > 0) return false;
  const auto turned = [&](std::uint32_t t, std::uint32_t from, std::uint32_t to) {
    Triangle out = triangles_[t];
    for (std::uint32_t& v : out)
      if (v == from) v = to;
    return out;
  };
  // a-b-c keeps a and c and takes d for b; a-b-d keeps b and d and takes c for a.
  const Triangle first = turned(at[0], b, d), second = turned(at[1], a, c);
  const auto normalOf = [&](const Triangle& t) -> Eigen::Vector3d {
    return (points_[t[1]] - points_[t[0]]).cross(points_[t[2]] - points_[t[0]]);
  };
  const Eigen::Vector3d before = (normalOf(triangles_[at[0]]) + normalOf(triangles_[at[1]])).normalized();
  for (const Triangle& t : {first, second}) {
    const Eigen::Vector3d n = normalOf(t);
    if (n.dot(before) < 0.8 * n.norm() || squeeze(n, points_[t[0]], points_[t[1]], points_[t[2]]) < 0.05) return false;
  }
  triangles_[at[0]] = first;
  triangles_[at[1]] = second;
  forget(b, at[0]);
  forget(a, at[1]);
  around_[d].push_back(at[0]);
  around_[c].push_back(at[1]);
  return true;
}

Eigen::Vector3d EditableMesh::normal(std::uint32_t vertex) const {
  Eigen::Vector3d sum = Eigen::Vector3d::Zero();
  for (const std::uint32_t t : around_[vertex]) {
    const Triangle& c = triangles_[t];
    sum += (points_[c[1]] - points_[c[0]]).cross(points_[c[2]] - points_[c[0]]);
  }
  return sum.normalized();
}

TriangleMesh EditableMesh::compact() const {
  TriangleMesh out;
  out.frame_id = frame_id_;
  std::vector<std::uint32_t> index(points_.size(), 0);
  for (std::uint32_t v = 0; v < points_.size(); ++v) {
    if (!alive(v)) continue;
    index[v] = static_cast<std::uint32_t>(out.vertices.size());
    out.vertices.emplace_back(points_[v].cast<float>().cast<double>());
  }
  for (std::size_t t = 0; t < triangles_.size(); ++t) {
    if (dead_[t] == 0)
      out.triangles.push_back({index[triangles_[t][0]], index[triangles_[t][1]], index[triangles_[t][2]]});
  }
  return out;
}

}  // namespace osteo::mesh
