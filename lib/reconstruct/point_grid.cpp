#include "reconstruct/point_grid.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <tuple>

#include "core/error.h"
#include "core/parallel.h"

namespace osteo::reconstruct {

using Eigen::Vector3d;

PointGrid::PointGrid(const std::vector<Vector3d>& points, double cell_mm)
    : points_(points), cell_mm_(cell_mm), order_(points.size()) {
  std::iota(order_.begin(), order_.end(), 0U);
  std::vector<std::int64_t> keys(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) keys[i] = key(cellOf(points[i].array()));
  std::sort(order_.begin(), order_.end(),
            [&](std::uint32_t a, std::uint32_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; });
  for (std::uint32_t i = 0; i < order_.size();) {
    std::uint32_t end = i;
    while (end < order_.size() && keys[order_[end]] == keys[order_[i]]) ++end;
    cells_[keys[order_[i]]] = {i, end};
    i = end;
  }
}

std::vector<std::pair<double, std::uint32_t>> PointGrid::nearest(const Vector3d& at, std::size_t k) const {
  k = std::min(k, points_.size());
  std::vector<std::pair<double, std::uint32_t>> found;
  for (double radius = cell_mm_; found.size() < k; radius *= 2) {
    found.clear();
    visit(at, radius, [&](std::uint32_t i, double d2) { found.emplace_back(d2, i); });
  }
  std::sort(found.begin(), found.end());
  found.resize(k);
  return found;
}

double PointGrid::distance(const Vector3d& at, double most_mm) const {
  double least = most_mm * most_mm;
  for (double radius = std::min(cell_mm_, most_mm);; radius = std::min(2 * radius, most_mm)) {
    visit(at, radius, [&](std::uint32_t, double d2) { least = std::min(least, d2); });
    if (least < radius * radius || radius >= most_mm) return std::sqrt(least);
  }
}

namespace {

constexpr std::size_t kNeighbours = 12;

/// Turns every normal the way of the neighbour that it is reached from, flattest steps first.
void propagate(const std::vector<std::vector<std::uint32_t>>& near, const std::vector<Vector3d>& points,
               std::vector<Vector3d>& normals) {
  using Step = std::tuple<double, std::uint32_t, std::uint32_t>;  // turn, to, from
  std::vector<char> done(points.size(), 0);
  for (std::uint32_t seed = 0; seed < points.size(); ++seed) {
    if (done[seed] != 0) continue;
    std::vector<std::uint32_t> piece;
    std::priority_queue<Step, std::vector<Step>, std::greater<>> steps;
    steps.emplace(0.0, seed, seed);
    while (!steps.empty()) {
      const auto [turn, to, from] = steps.top();
      steps.pop();
      if (done[to] != 0) continue;
      done[to] = 1;
      piece.push_back(to);
      if (normals[to].dot(normals[from]) < 0) normals[to] *= -1;
      for (const std::uint32_t next : near[to]) {
        if (done[next] == 0) steps.emplace(1 - std::abs(normals[to].dot(normals[next])), next, to);
      }
    }
    Vector3d middle = Vector3d::Zero();
    for (const std::uint32_t i : piece) middle += points[i] / static_cast<double>(piece.size());
    double outward = 0;
    for (const std::uint32_t i : piece) outward += normals[i].dot(points[i] - middle);
    if (outward >= 0) continue;
    for (const std::uint32_t i : piece) normals[i] *= -1;
  }
}

}  // namespace

std::vector<Vector3d> estimateNormals(const std::vector<Vector3d>& points, const PointGrid& grid) {
  std::vector<Vector3d> normals(points.size());
  std::vector<std::vector<std::uint32_t>> near(points.size());
  core::parallelChunks(static_cast<std::int64_t>(points.size()), 1024,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t i = first; i < last; ++i) {
                           const auto found = grid.nearest(points[i], kNeighbours + 1);
                           Vector3d middle = Vector3d::Zero();
                           for (const auto& [d2, j] : found) middle += points[j] / static_cast<double>(found.size());
                           Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
                           for (const auto& [d2, j] : found) {
                             spread += (points[j] - middle) * (points[j] - middle).transpose();
                             near[i].push_back(j);
                           }
                           normals[i] = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors().col(0);
                         }
                       });
  for (std::uint32_t i = 0; i < points.size(); ++i) {  // both ways, so that every piece is reached as a whole
    for (const std::uint32_t j : std::vector<std::uint32_t>(near[i].begin(), near[i].end())) {
      if (j != i && near[j].size() < 4 * kNeighbours) near[j].push_back(i);
    }
  }
  propagate(near, points, normals);
  std::int64_t against = 0, all = 0;
  for (std::uint32_t i = 0; i < points.size(); ++i) {
    for (const std::uint32_t j : near[i]) {
      against += normals[i].dot(normals[j]) < 0 ? 1 : 0;
      ++all;
    }
  }
  if (20 * against > all) {
    throw core::Error(
        core::Exit::DataError,
        {.what = "the point cloud has no normals and none can be made: neighbours disagree on which side is out",
         .expected = "nx, ny, nz in the PLY, or points denser than the bone is thick"});
  }
  return normals;
}

std::vector<std::size_t> farthestPoints(const std::vector<Eigen::Vector3d>& points, std::size_t count) {
  std::vector<std::size_t> chosen;
  if (points.empty()) return chosen;
  chosen.push_back(0);
  std::vector<double> distance(points.size(), 1e300);
  while (chosen.size() < std::min(count, points.size())) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      distance[i] = std::min(distance[i], (points[i] - points[chosen.back()]).squaredNorm());
      if (distance[i] > distance[next]) next = i;
    }
    if (distance[next] == 0) break;
    chosen.push_back(next);
  }
  return chosen;
}

}  // namespace osteo::reconstruct
