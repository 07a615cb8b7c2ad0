#include "mesh/simplify.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <queue>

#include "core/parallel.h"
#include "mesh/closest.h"
#include "mesh/editable.h"

namespace osteo::mesh {
namespace {

using Eigen::Matrix3d;
using Eigen::Vector3d;

/// Mean squared distance to planes, weighted by their triangles' areas.
struct Quadric {
  Matrix3d a = Matrix3d::Zero();
  Vector3d b = Vector3d::Zero();
  double c = 0, weight = 0;
  void add(const Vector3d& unit_normal, double offset, double area) {
    a += area * unit_normal * unit_normal.transpose();
    b += area * offset * unit_normal;
    c += area * offset * offset;
    weight += area;
  }
  void add(const Quadric& q) {
    a += q.a;
    b += q.b;
    c += q.c;
    weight += q.weight;
  }
  double error(const Vector3d& p) const {
    return weight > 0 ? std::max(0.0, p.dot(a * p) + 2 * b.dot(p) + c) / weight : 0;
  }
};

struct Candidate {
  double cost;
  std::uint32_t a, b, age_a, age_b;
  bool operator<(const Candidate& o) const {  // the queue's top is the cheapest
    return cost != o.cost ? cost > o.cost : a != o.a ? a > o.a : b > o.b;
  }
};

class Simplifier {
 public:
  Simplifier(const TriangleMesh& mesh, const SimplifyOptions& options, double limit_mm)
      : mesh_(mesh),
        limit_(mesh.vertices.size(), limit_mm),
        quadrics_(mesh.vertices.size()),
        age_(mesh.vertices.size()) {
    const double share = limit_mm / options.max_deviation_mm;
    for (std::size_t v = 0; v < options.tolerance_mm.size(); ++v)
      limit_[v] = std::min(limit_[v], share * options.tolerance_mm[v]);
    origin_ = mesh.vertices.empty() ? Vector3d::Zero() : mesh.vertices.front();
    for (const Triangle& t : mesh.triangles) {
      const Vector3d p = mesh.vertices[t[0]] - origin_;
      const Vector3d n = (mesh.vertices[t[1]] - mesh.vertices[t[0]]).cross(mesh.vertices[t[2]] - mesh.vertices[t[0]]);
      const double area = 0.5 * n.norm();
      if (area == 0) continue;
      const Vector3d unit = n.normalized();
      for (const std::uint32_t v : t) quadrics_[v].add(unit, -unit.dot(p), area);
    }
  }

  TriangleMesh run() {
    for (const auto& [a, b] : mesh_.edges()) push(a, b);
    while (!queue_.empty()) {
      const Candidate next = queue_.top();
      queue_.pop();
      if (age_[next.a] != next.age_a || age_[next.b] != next.age_b) continue;
      const Vector3d at = place(next.a, next.b);
      if (!mesh_.canCollapse(next.a, next.b) || mesh_.spoils(next.a, next.b, at) || mesh_.spoils(next.b, next.a, at))
        continue;
      mesh_.collapse(next.a, next.b, at);
      quadrics_[next.a].add(quadrics_[next.b]);
      limit_[next.a] = std::min(limit_[next.a], limit_[next.b]);
      ++age_[next.a];
      ++age_[next.b];
      for (const std::uint32_t v : mesh_.neighbours(next.a)) push(std::min(v, next.a), std::max(v, next.a));
    }
    return mesh_.compact();
  }

 private:
  /// Where both quadrics together are least; on flat ground, where that is no point, the better of ends and middle.
  Vector3d place(std::uint32_t a, std::uint32_t b) const {
    Quadric q = quadrics_[a];
    q.add(quadrics_[b]);
    const Vector3d p = mesh_.point(a), r = mesh_.point(b), middle = 0.5 * (p + r);
    const Eigen::LDLT<Matrix3d> solver(q.a + 1e-5 * q.weight * Matrix3d::Identity());
    const Vector3d from = middle - origin_;
    // The small multiple of the identity holds the point near the edge's middle where the quadric doesn't care.
    return middle + solver.solve(-(q.a * from + q.b));
  }

  void push(std::uint32_t a, std::uint32_t b) {
    const double limit = std::min(limit_[a], limit_[b]);
    if (limit <= 0 || mesh_.onBorder(a) || mesh_.onBorder(b)) return;
    Quadric q = quadrics_[a];
    q.add(quadrics_[b]);
    const double cost = q.error(place(a, b) - origin_);
    if (cost <= limit * limit) queue_.push({cost, a, b, age_[a], age_[b]});
  }

  EditableMesh mesh_;
  std::vector<double> limit_;
  std::vector<Quadric> quadrics_;
  std::vector<std::uint32_t> age_;
  std::priority_queue<Candidate> queue_;
  Vector3d origin_;
};

double farthest(const std::vector<Vector3d>& points, const ClosestPoint& surface) {
  constexpr std::int64_t kChunk = 4096;
  const auto n = static_cast<std::int64_t>(points.size());
  std::vector<double> most(static_cast<std::size_t>((n + kChunk - 1) / kChunk), 0.0);
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t part) {
    for (std::int64_t i = first; i < last; ++i) most[part] = std::max(most[part], surface(points[i]).distance_mm);
  });
  return most.empty() ? 0 : *std::max_element(most.begin(), most.end());
}

}  // namespace

double maxDeviation_mm(const TriangleMesh& coarse, const TriangleMesh& fine) {
  std::vector<Vector3d> samples = coarse.vertices;
  for (const Triangle& t : coarse.triangles) {
    const Vector3d &a = coarse.vertices[t[0]], &b = coarse.vertices[t[1]], &c = coarse.vertices[t[2]];
    samples.emplace_back((a + b + c) / 3);
    if (t[0] < t[1]) samples.emplace_back(0.5 * (a + b));
    if (t[1] < t[2]) samples.emplace_back(0.5 * (b + c));
    if (t[2] < t[0]) samples.emplace_back(0.5 * (c + a));
  }
  return std::max(farthest(samples, ClosestPoint(fine)), farthest(fine.vertices, ClosestPoint(coarse)));
}

TriangleMesh simplify(const TriangleMesh& mesh, const SimplifyOptions& options, MeshChange& change) {
  constexpr int kRounds = 5;
  change = {static_cast<std::int64_t>(mesh.triangles.size()), static_cast<std::int64_t>(mesh.triangles.size()), 0};
  if (options.max_deviation_mm <= 0 || mesh.triangles.empty()) return mesh;
  double limit = 0.4 * options.max_deviation_mm;  // a mean over planes; the largest distance is about twice to thrice
  for (int round = 0; round < kRounds; ++round) {
    TriangleMesh fewer = Simplifier(mesh, options, limit).run();
    const double deviation = maxDeviation_mm(fewer, mesh);
    if (deviation <= options.max_deviation_mm) {
      change.triangles_after = static_cast<std::int64_t>(fewer.triangles.size());
      change.max_deviation_mm = deviation;
      return fewer;
    }
    limit *= 0.8 * options.max_deviation_mm / deviation;
  }
  return mesh;
}

}  // namespace osteo::mesh
