#include <Eigen/Dense>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "mesh/closest.h"
#include "mesh/editable.h"
#include "mesh/simplify.h"

namespace osteo::mesh {
namespace {

using Eigen::Vector3d;

/// Vertices that stay; those that splitting adds don't.
struct Kept {
  const std::vector<char>& vertices;
  bool operator()(std::uint32_t v) const { return v < vertices.size() && vertices[v] != 0; }
  bool operator()(std::uint32_t a, std::uint32_t b) const { return (*this)(a) && (*this)(b); }
};

double length(const EditableMesh& mesh, std::uint32_t a, std::uint32_t b) {
  return (mesh.point(a) - mesh.point(b)).norm();
}

bool isEdge(const EditableMesh& mesh, std::uint32_t a, std::uint32_t b) {
  for (const std::uint32_t t : mesh.around(a)) {
    for (const std::uint32_t v : mesh.triangle(t))
      if (v == b) return true;
  }
  return false;
}

void splitLong(EditableMesh& mesh, double most_mm, const Kept& kept) {
  for (bool again = true; again;) {
    again = false;
    for (const auto& [a, b] : mesh.edges()) {
      if (!isEdge(mesh, a, b) || length(mesh, a, b) <= most_mm || (mesh.onBorder(a) && mesh.onBorder(b))) continue;
      if (kept(a, b)) continue;
      mesh.split(a, b, 0.5 * (mesh.point(a) + mesh.point(b)));
      again = true;
    }
  }
}

void collapseShort(EditableMesh& mesh, double least_mm, double most_mm, const Kept& kept) {
  for (const auto& [a, b] : mesh.edges()) {
    if (!mesh.alive(a) || !mesh.alive(b) || !isEdge(mesh, a, b) || length(mesh, a, b) >= least_mm) continue;
    if (kept(a) || kept(b)) continue;
    const Vector3d middle = 0.5 * (mesh.point(a) + mesh.point(b));
    bool grows = false;
    for (const std::uint32_t end : {a, b}) {
      for (const std::uint32_t v : mesh.neighbours(end)) grows = grows || (mesh.point(v) - middle).norm() > most_mm;
    }
    if (grows || !mesh.canCollapse(a, b) || mesh.spoils(a, b, middle) || mesh.spoils(b, a, middle)) continue;
    mesh.collapse(a, b, middle);
  }
}

void evenValences(EditableMesh& mesh, const Kept& kept) {
  const auto excess = [&](std::uint32_t v, int change) {
    const int off = static_cast<int>(mesh.around(v).size()) + change - (mesh.onBorder(v) ? 3 : 6);
    return off * off;
  };
  std::array<std::uint32_t, 2> opposite;
  for (const auto& [a, b] : mesh.edges()) {
    if (kept(a, b) || !isEdge(mesh, a, b) || !mesh.wings(a, b, opposite)) continue;
    const auto [c, d] = opposite;
    const int now = excess(a, 0) + excess(b, 0) + excess(c, 0) + excess(d, 0);
    const int then = excess(a, -1) + excess(b, -1) + excess(c, 1) + excess(d, 1);
    if (then < now) mesh.flip(a, b);
  }
}

/// Moves every vertex along its tangent plane to its neighbours' middle, then onto the original surface.
void relax(EditableMesh& mesh, const ClosestPoint& original, const Kept& kept) {
  const auto n = static_cast<std::int64_t>(mesh.vertexCount());
  std::vector<Vector3d> goal(mesh.vertexCount());
  core::parallelChunks(n, 1024, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) {
      const auto v = static_cast<std::uint32_t>(i);
      goal[v] = mesh.point(v);
      if (!mesh.alive(v) || mesh.onBorder(v) || kept(v)) continue;
      const auto around = mesh.neighbours(v);
      Vector3d middle = Vector3d::Zero();
      for (const std::uint32_t w : around) middle += mesh.point(w);
      middle /= static_cast<double>(around.size());
      const Vector3d normal = mesh.normal(v);
      const Vector3d slid = middle + normal * normal.dot(mesh.point(v) - middle);
      goal[v] = original(slid).point;
    }
  });
  for (std::uint32_t v = 0; v < goal.size(); ++v) {
    if (mesh.alive(v) && !mesh.spoils(v, v, goal[v])) mesh.move(v, goal[v]);
  }
}

}  // namespace

TriangleMesh remesh(const TriangleMesh& mesh, double edge_mm, MeshChange& change, const std::vector<char>& kept) {
  constexpr int kRounds = 6;
  const double most = 4.0 / 3 * edge_mm, least = 4.0 / 5 * edge_mm;
  change = {static_cast<std::int64_t>(mesh.triangles.size()), 0, 0};
  const ClosestPoint original(mesh);
  EditableMesh work(mesh);
  for (int round = 0; round < kRounds; ++round) {
    splitLong(work, most, {kept});
    collapseShort(work, least, most, {kept});
    evenValences(work, {kept});
    relax(work, original, {kept});
  }
  TriangleMesh out = work.compact();
  change.triangles_after = static_cast<std::int64_t>(out.triangles.size());
  change.max_deviation_mm = maxDeviation_mm(out, mesh);
  return out;
}

}  // namespace osteo::mesh
