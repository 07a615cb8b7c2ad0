#include <Eigen/Dense>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "levelset/cell_block.h"
#include "levelset/cube_table.h"
#include "levelset/grid.h"

namespace osteo::levelset {
namespace {

using Eigen::Vector3d;
using openvdb::Coord;
using Tree = openvdb::FloatTree;
using Accessor = openvdb::tree::ValueAccessor<const Tree>;
using Corners = std::array<const Vector3d*, 3>;

/// How far the middle of an edge lies from the curve that leaves both ends at right angles to their normals.
Vector3d bulge(const Vector3d& along, const Vector3d& n0, const Vector3d& n1) {
  const Vector3d sum = n0 + n1;
  const double square = sum.squaredNorm();
  if (square < 0.5) return Vector3d::Zero();  // normals more than 140° apart: no curve to speak of
  const Vector3d out = along.dot(n1 - n0) / (4 * square) * sum;
  const double most2 = along.squaredNorm() / 16, length2 = out.squaredNorm();
  return length2 > most2 ? Vector3d(out * std::sqrt(most2 / length2)) : out;
}

/// Degree-4 rule on a triangle (Dunavant, Int J Numerical Meth Eng 21, 1129, 1985): two rings of three points.
struct Ring {
  double near, weight;  ///< the two equal barycentric coordinates
};
constexpr std::array<Ring, 2> kRings{{{0.445948490915965, 0.223381589678011}, {0.091576213509771, 0.109951743655322}}};

/// Six-node triangle: the sides u, v from its first corner and the bulges of the edges 01, 12, 20.
struct CurvedTriangle {
  Vector3d u, v, lift[3];

  CurvedTriangle(const Corners& p, const Corners& normal) : u(*p[1] - *p[0]), v(*p[2] - *p[0]) {
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t next = (k + 1) % 3;
      lift[k] = bulge(*p[next] - *p[k], *normal[k], *normal[next]);
    }
  }

  /// What lies between it and its chord, integrated term by term; the sides cancel between neighbours.
  double lens() const {
    const Vector3d c01 = lift[0].cross(lift[1]), c12 = lift[1].cross(lift[2]), c20 = lift[2].cross(lift[0]);
    return u.cross(v).dot(lift[0] + lift[1] + lift[2]) / 6 +
           2.0 / 15 * (u.dot(c12 + c20 - 2 * c01) + v.dot(c01 + c20 - 2 * c12)) + 8.0 / 45 * lift[0].dot(c12);
  }

  double area() const {
    double sum = 0;
    for (const Ring& ring : kRings) {
      for (int k = 0; k < 3; ++k) {
        std::array<double, 3> w{ring.near, ring.near, ring.near};
        w[static_cast<std::size_t>(k)] = 1 - 2 * ring.near;
        const Vector3d du = u + 4 * ((w[0] - w[1]) * lift[0] + w[2] * lift[1] - w[2] * lift[2]),
                       dv = v + 4 * (-w[1] * lift[0] + w[1] * lift[1] + (w[0] - w[2]) * lift[2]);
        sum += ring.weight * du.cross(dv).norm() / 2;
      }
    }
    return sum;
  }
};

/// The triangles of one block of cells after another, as toMesh makes them, with vertices of their own.
class BlockTriangles {
 public:
  BlockTriangles(const Tree& tree, double voxel_mm, const Vector3d& centre_mm)
      : tree_(tree), voxel_mm_(voxel_mm), centre_mm_(centre_mm) {}

  /// Calls body(corners in mm from the centre, unit normals or null) for each, and counts into `sums`.
  template <bool kWithNormals, class Body>
  void visit(const Coord& origin, SurfaceSums& sums, const Body& body) {
    origin_ = origin;
    samples_.fetch(tree_, origin);
    if (samples_.uniform()) return;
    known_.fill(0);
    count_ = 0;
    samples_.forEachCell([&](int x, int y, int z, int inside) {
      const CubeCase& drawn = cubeTable()[inside];
      const Coord cell(x, y, z);
      const int before = count_;
      for (const auto& loop : drawn.centroids) addCentroid<kWithNormals>(cell, loop);
      std::array<int, 12 + 4> at;
      for (int k = 0; k < 4; ++k) at[static_cast<std::size_t>(12 + k)] = before + k;
      std::uint32_t met = 0;
      for (const auto& t : drawn.triangles) {
        Corners p, n;
        for (std::size_t k = 0; k < 3; ++k) {
          const int corner = t[k];
          if (corner < 12 && (met >> corner & 1) == 0) {
            at[t[k]] = edgeVertex<kWithNormals>(cell, corner);
            met |= 1U << corner;
          }
          p[k] = &vertex_[static_cast<std::size_t>(at[t[k]])], n[k] = &normal_[static_cast<std::size_t>(at[t[k]])];
        }
        body(p, n);
      }
      sums.triangles += static_cast<std::int64_t>(drawn.triangles.size());
      sums.vertices += static_cast<std::int64_t>(drawn.centroids.size());
    });
    sums.vertices += owned_;
    owned_ = 0;
  }

 private:
  static constexpr int kCorners = kSide + 1, kMost = 3 * kCorners * kCorners * kCorners + 4 * kSide * kSide * kSide;

  template <bool kWithNormals>
  int edgeVertex(const Coord& cell, int edge) {
    const int low = edgeCorner(edge), axis = edge / 4;
    const Coord corner = cell.offsetBy(low & 1, low >> 1 & 1, low >> 2 & 1);
    auto& known = known_[static_cast<std::size_t>(((axis * kCorners + corner.x()) * kCorners + corner.y()) * kCorners +
                                                  corner.z())];
    if (known == 0) {
      const double t = samples_.shareOfEdge(origin_, corner, axis);
      if constexpr (kWithNormals) normal_[static_cast<std::size_t>(count_)] = normal(corner, axis, t);
      vertex_[static_cast<std::size_t>(count_)] =
          samples_.placeOnEdge(origin_, corner, axis, t, voxel_mm_) - centre_mm_;
      known = static_cast<std::uint16_t>(++count_);
      owned_ += std::max({corner.x(), corner.y(), corner.z()}) < kSide;  // the others start in blocks further up
    }
    return known - 1;
  }

  template <bool kWithNormals>
  void addCentroid(const Coord& cell, const std::vector<std::uint8_t>& loop) {
    Vector3d sum = Vector3d::Zero(), inside = Vector3d::Zero();
    for (const int edge : loop) {
      const int low = edgeCorner(edge), axis = edge / 4;
      const Coord step(low & 1, low >> 1 & 1, low >> 2 & 1);
      sum += samples_.crossing(origin_, cell + step, axis, voxel_mm_);
      inside += Vector3d(step.x(), step.y(), step.z());
      inside[axis] += samples_.shareOfEdge(origin_, cell + step, axis);
    }
    const auto n = static_cast<double>(loop.size());
    if constexpr (kWithNormals) {
      int axis = 0;
      (inside / n).maxCoeff(&axis);
      normal_[static_cast<std::size_t>(count_)] = normal(cell, axis, inside[axis] / n);
    }
    vertex_[static_cast<std::size_t>(count_++)] = (sum / n).cast<float>().cast<double>() - centre_mm_;
  }

  /// Of the field by central differences, between a corner and the next along the axis.
  Vector3d normal(const Coord& corner, int axis, double t) const {
    Coord next = corner;
    ++next[axis];
    const Vector3d slope = (1 - t) * slopeAt(corner) + t * slopeAt(next);
    const double length = slope.norm();
    return length > 0 ? Vector3d(slope / length) : Vector3d(Vector3d::Zero());
  }

  Vector3d slopeAt(const Coord& c) const {
    const auto along = [&](int x, int y, int z) {
      return static_cast<double>(samples_.at(c.x() + x, c.y() + y, c.z() + z)) -
             static_cast<double>(samples_.at(c.x() - x, c.y() - y, c.z() - z));
    };
    return {along(1, 0, 0), along(0, 1, 0), along(0, 0, 1)};
  }

  const Tree& tree_;
  double voxel_mm_;
  Vector3d centre_mm_;
  Coord origin_;
  BlockSamples<1> samples_;
  std::array<std::uint16_t, 3 * kCorners * kCorners * kCorners> known_;  ///< 1 + the vertex of an edge, by corner
  std::vector<Vector3d> vertex_ = std::vector<Vector3d>(kMost), normal_ = std::vector<Vector3d>(kMost);
  int count_ = 0;
  std::int64_t owned_ = 0;
};

/// Calls body(origin) for the leaf's own block and for those on its lower sides that have no leaf themselves and touch
/// none before this one.
template <class Body>
void forEachBlockOf(const Tree::LeafNodeType& leaf, const Accessor& tree, const Body& body) {
  const auto shifted = [](const Coord& from, int part, int sign) {
    return from.offsetBy(sign * kSide * (part & 1), sign * kSide * (part >> 1 & 1), sign * kSide * (part >> 2 & 1));
  };
  for (int part = 0; part < 8; ++part) {
    const Coord origin = shifted(leaf.origin(), part, -1);
    bool first = true;
    for (int other = 0; other < part && first; ++other)
      first = tree.probeConstLeaf(shifted(origin, other, 1)) == nullptr;
    if (first) body(origin);
  }
}

/// Sums add(corners, normals, sums) over all triangles, leaf by leaf in fixed runs; no mesh is held.
template <bool kWithNormals, class Add>
SurfaceSums sumOver(const LevelSet& level_set, const Add& add) {
  constexpr std::int64_t kLeavesPerRun = 64;
  const Tree& tree = level_set.grid().vdb->tree();
  std::vector<const Tree::LeafNodeType*> leaves;
  tree.getNodes(leaves);
  SurfaceSums sums;
  if (leaves.empty()) return sums;
  cubeTable();
  const Coord at = leaves[leaves.size() / 2]->origin();  // somewhere in the middle
  const Vector3d centre = Vector3d(at.x(), at.y(), at.z()) * level_set.voxel_mm();
  const auto n = static_cast<std::int64_t>(leaves.size());
  std::vector<SurfaceSums> parts(static_cast<std::size_t>((n + kLeavesPerRun - 1) / kLeavesPerRun));
  core::parallelChunks(n, kLeavesPerRun, [&](std::int64_t first, std::int64_t last, std::int64_t run) {
    SurfaceSums part;
    BlockTriangles triangles(tree, level_set.voxel_mm(), centre);
    const Accessor accessor(tree);
    for (std::int64_t i = first; i < last; ++i) {
      forEachBlockOf(*leaves[static_cast<std::size_t>(i)], accessor, [&](const Coord& origin) {
        triangles.visit<kWithNormals>(origin, part,
                                      [&](const Corners& p, const Corners& normal) { add(p, normal, part); });
      });
    }
    parts[static_cast<std::size_t>(run)] = part;
  });
  for (const SurfaceSums& part : parts) {
    sums.volume_mm3 += part.volume_mm3;
    sums.area_mm2 += part.area_mm2;
    sums.vertices += part.vertices;
    sums.triangles += part.triangles;
  }
  return sums;
}

double underChord_mm3(const Corners& p) { return p[0]->dot(p[1]->cross(*p[2])) / 6; }

}  // namespace

SurfaceSums measureSurface(const LevelSet& level_set) {
  return sumOver<false>(level_set, [](const Corners& p, const Corners&, SurfaceSums& sums) {
    sums.volume_mm3 += underChord_mm3(p);
    sums.area_mm2 += (*p[1] - *p[0]).cross(*p[2] - *p[0]).norm() / 2;
  });
}

double volume_mm3(const LevelSet& level_set) {
  const auto add = [](const Corners& p, const Corners& normal, SurfaceSums& sums) {
    sums.volume_mm3 += underChord_mm3(p) + CurvedTriangle(p, normal).lens();
  };
  return sumOver<true>(level_set, add).volume_mm3;
}

double area_mm2(const LevelSet& level_set) {
  const auto add = [](const Corners& p, const Corners& normal, SurfaceSums& sums) {
    sums.area_mm2 += CurvedTriangle(p, normal).area();
  };
  return sumOver<true>(level_set, add).area_mm2;
}

}  // namespace osteo::levelset
