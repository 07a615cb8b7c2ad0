#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "levelset/grid.h"

namespace osteo::levelset {
namespace {

using Eigen::Vector3d;
using Accessor = openvdb::tree::ValueAccessor<const openvdb::FloatTree>;

/// Slope of the field at a voxel, by central differences.
Vector3d slopeAt(const Accessor& phi, const openvdb::Coord& ijk) {
  Vector3d slope;
  for (int axis = 0; axis < 3; ++axis) {
    openvdb::Coord before = ijk, after = ijk;
    --before[axis];
    ++after[axis];
    slope[axis] = phi.getValue(after) - phi.getValue(before);
  }
  return slope;
}

/// Unit normal at a vertex, which lies on an edge of the grid (or anywhere in a cell, which matters less).
Vector3d normalAt(const Accessor& phi, const Vector3d& index) {
  const Vector3d low = index.array().floor(), t = index - low;
  const openvdb::Coord base(static_cast<int>(low[0]), static_cast<int>(low[1]), static_cast<int>(low[2]));
  int axis = 0;
  t.maxCoeff(&axis);
  openvdb::Coord next = base;
  ++next[axis];
  const Vector3d slope = (1 - t[axis]) * slopeAt(phi, base) + t[axis] * slopeAt(phi, next);
  return slope.norm() > 0 ? slope.normalized() : Vector3d::Zero();
}

/// How far the middle of an edge lies from the curve that leaves both ends at right angles to their normals.
Vector3d bulge(const Vector3d& along, const Vector3d& n0, const Vector3d& n1) {
  const Vector3d sum = n0 + n1;
  const double square = sum.squaredNorm();
  if (square < 0.5) return Vector3d::Zero();  // normals more than 140° apart: no curve to speak of
  Vector3d out = along.dot(n1 - n0) / (4 * square) * sum;
  const double most = 0.25 * along.norm(), length = out.norm();
  return length > most ? Vector3d(out * (most / length)) : out;
}

/// Degree-4 rule on a triangle (Dunavant, Int J Numerical Meth Eng 21, 1129, 1985): two rings of three points.
struct Ring {
  double near, weight;  ///< the two equal barycentric coordinates
};
constexpr std::array<Ring, 2> kRings{{{0.445948490915965, 0.223381589678011}, {0.091576213509771, 0.109951743655322}}};

struct Sums {
  double volume = 0, area = 0;
};

/// Six-node triangle: corners p and the bulges of the edges 01, 12, 20.
void add(const std::array<Vector3d, 3>& p, const std::array<Vector3d, 3>& lift, Sums& sums) {
  const Vector3d u = p[1] - p[0], v = p[2] - p[0];
  for (const Ring& ring : kRings) {
    for (int k = 0; k < 3; ++k) {
      std::array<double, 3> w{ring.near, ring.near, ring.near};
      w[static_cast<std::size_t>(k)] = 1 - 2 * ring.near;
      const Vector3d x =
          p[0] + w[1] * u + w[2] * v + 4 * (w[0] * w[1] * lift[0] + w[1] * w[2] * lift[1] + w[2] * w[0] * lift[2]);
      const Vector3d du = u + 4 * ((w[0] - w[1]) * lift[0] + w[2] * lift[1] - w[2] * lift[2]),
                     dv = v + 4 * (-w[1] * lift[0] + w[1] * lift[1] + (w[0] - w[2]) * lift[2]);
      const Vector3d normal = du.cross(dv);
      sums.volume += ring.weight * x.dot(normal) / 6;
      sums.area += ring.weight * normal.norm() / 2;
    }
  }
}

constexpr std::int64_t kChunk = 1 << 14;

Sums measure(const LevelSet& level_set) {
  const mesh::TriangleMesh mesh = toMesh(level_set);
  const double h = level_set.voxel_mm();
  std::vector<Eigen::Vector3f> normals(mesh.vertices.size());
  const auto& tree = level_set.grid().vdb->tree();
  core::parallelChunks(static_cast<std::int64_t>(normals.size()), kChunk,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         const Accessor phi(tree);
                         for (std::int64_t i = first; i < last; ++i)
                           normals[i] = normalAt(phi, mesh.vertices[i] / h).cast<float>();
                       });
  const auto n = static_cast<std::int64_t>(mesh.triangles.size());
  std::vector<Sums> parts(static_cast<std::size_t>((n + kChunk - 1) / kChunk));
  const Vector3d origin = mesh.vertices.empty() ? Vector3d::Zero() : mesh.vertices.front();
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    Sums& part = parts[static_cast<std::size_t>(first / kChunk)];
    for (std::int64_t i = first; i < last; ++i) {
      const mesh::Triangle& t = mesh.triangles[i];
      std::array<Vector3d, 3> p, lift;
      for (std::size_t k = 0; k < 3; ++k) p[k] = mesh.vertices[t[k]] - origin;
      for (std::size_t k = 0; k < 3; ++k) {
        const std::size_t next = (k + 1) % 3;
        lift[k] = bulge(p[next] - p[k], normals[t[k]].cast<double>(), normals[t[next]].cast<double>());
      }
      add(p, lift, part);
    }
  });
  Sums sums;
  for (const Sums& part : parts) {
    sums.volume += part.volume;
    sums.area += part.area;
  }
  return sums;
}

}  // namespace

double volume_mm3(const LevelSet& level_set) { return measure(level_set).volume; }
double area_mm2(const LevelSet& level_set) { return measure(level_set).area; }

}  // namespace osteo::levelset
