#include "levelset/distance.h"

#include <openvdb/tools/Morphology.h>
#include <openvdb/tools/Prune.h>
#include <openvdb/tools/SignedFloodFill.h>
#include <tbb/parallel_sort.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;
using IdTree = openvdb::Int32Tree;
using IdLeaf = IdTree::LeafNodeType;

constexpr int kSide = 8;
constexpr std::int64_t kChunk = 32;

/// A leaf's place as a sortable number, and a triangle that comes near it.
struct Entry {
  std::int64_t leaf;
  std::int32_t triangle;
  bool operator<(const Entry& other) const {
    return leaf != other.leaf ? leaf < other.leaf : triangle < other.triangle;
  }
};

constexpr std::int64_t kRange = 1 << 20;  // leaves on either side of the origin along an axis

std::int64_t leafKey(int x, int y, int z) { return ((x + kRange) << 42) | ((y + kRange) << 21) | (z + kRange); }
Coord leafOrigin(std::int64_t key) {
  constexpr std::int64_t kMask = (1 << 21) - 1;
  return Coord(static_cast<int>((key >> 42) - kRange) * kSide, static_cast<int>((key >> 21 & kMask) - kRange) * kSide,
               static_cast<int>((key & kMask) - kRange) * kSide);
}

/// Nearest-triangle field around a mesh, in index space.
class NearestTriangles {
 public:
  NearestTriangles(const mesh::TriangleMesh& mesh, double voxel_mm)
      : mesh_(mesh), per_voxel_(1.0 / voxel_mm), ids_(-1) {}

  void build(int layers) {
    seed();
    improve();
    for (int layer = 0; layer < layers; ++layer) {
      openvdb::tools::dilateActiveValues(ids_, 1, openvdb::tools::NN_FACE_EDGE_VERTEX, openvdb::tools::IGNORE_TILES);
      improve();
    }
  }

  const IdTree& ids() const { return ids_; }

  double squaredDistance(const Coord& ijk, std::int32_t triangle) const {
    const Eigen::Vector3d p(ijk.x(), ijk.y(), ijk.z());
    const auto corner = corners(triangle);
    return (closestPoint(p, corner[0], corner[1], corner[2]) - p).squaredNorm();
  }

 private:
  std::array<Eigen::Vector3d, 3> corners(std::int32_t triangle) const {
    const mesh::Triangle& t = mesh_.triangles[triangle];
    return {mesh_.vertices[t[0]] * per_voxel_, mesh_.vertices[t[1]] * per_voxel_, mesh_.vertices[t[2]] * per_voxel_};
  }

  /// The voxels around a triangle: the corners of all cells that its box touches.
  void voxelBox(std::int32_t triangle, Eigen::Vector3i& low, Eigen::Vector3i& high) const {
    const auto c = corners(triangle);
    low = c[0].cwiseMin(c[1]).cwiseMin(c[2]).array().floor().cast<int>();
    high = c[0].cwiseMax(c[1]).cwiseMax(c[2]).array().ceil().cast<int>();
  }

  std::vector<Entry> bucket() const {
    const auto n = static_cast<std::int64_t>(mesh_.triangles.size());
    constexpr std::int64_t kTriangles = 8192;
    std::vector<std::vector<Entry>> parts((n + kTriangles - 1) / kTriangles);
    core::parallelChunks(n, kTriangles, [&](std::int64_t first, std::int64_t last, std::int64_t part) {
      Eigen::Vector3i low, high;
      for (auto t = static_cast<std::int32_t>(first); t < last; ++t) {
        voxelBox(t, low, high);
        const auto c = corners(t);
        for (int x = low[0] >> 3; x <= high[0] >> 3; ++x) {
          for (int y = low[1] >> 3; y <= high[1] >> 3; ++y) {
            for (int z = low[2] >> 3; z <= high[2] >> 3; ++z) {
              const Eigen::Vector3d centre = Eigen::Vector3d(x, y, z) * kSide + Eigen::Vector3d::Constant(3.5);
              if ((closestPoint(centre, c[0], c[1], c[2]) - centre).norm() < 8.0)
                parts[part].push_back({leafKey(x, y, z), t});
            }
          }
        }
      }
    });
    std::vector<Entry> all;
    for (auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    tbb::parallel_sort(all.begin(), all.end());
    return all;
  }

  /// Gives every voxel around a triangle the nearest of the triangles around it.
  void seed() {
    const std::vector<Entry> entries = bucket();
    std::vector<std::size_t> starts;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i == 0 || entries[i].leaf != entries[i - 1].leaf) starts.push_back(i);
    }
    std::vector<IdLeaf*> leaves(starts.size());
    for (std::size_t i = 0; i < starts.size(); ++i) leaves[i] = ids_.touchLeaf(leafOrigin(entries[starts[i]].leaf));
    starts.push_back(entries.size());
    core::parallelChunks(static_cast<std::int64_t>(leaves.size()), kChunk,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           for (std::int64_t i = first; i < last; ++i)
                             seedLeaf(*leaves[i], &entries[starts[i]], &entries[starts[i + 1] - 1] + 1);
                         });
  }

  void seedLeaf(IdLeaf& leaf, const Entry* first, const Entry* last) const {
    constexpr double kReach = 3.0;  // squared; a voxel of the cells that a triangle crosses is never farther
    std::array<double, IdLeaf::SIZE> nearest;
    nearest.fill(kReach);
    const Eigen::Vector3i origin(leaf.origin().x(), leaf.origin().y(), leaf.origin().z());
    Eigen::Vector3i low, high;
    for (const Entry* entry = first; entry != last; ++entry) {
      voxelBox(entry->triangle, low, high);
      low = low.cwiseMax(origin);
      high = high.cwiseMin(origin + Eigen::Vector3i::Constant(kSide - 1));
      for (int x = low[0]; x <= high[0]; ++x) {
        for (int y = low[1]; y <= high[1]; ++y) {
          for (int z = low[2]; z <= high[2]; ++z) {
            const Coord ijk(x, y, z);
            const openvdb::Index at = IdLeaf::coordToOffset(ijk);
            const double d = squaredDistance(ijk, entry->triangle);
            if (d >= nearest[at]) continue;
            nearest[at] = d;
            leaf.setValueOn(at, entry->triangle);
          }
        }
      }
    }
  }

  /// Lets every active voxel take over the triangle of a neighbour where that is nearer. Results are kept aside until
  /// all voxels are done, so that no voxel sees a neighbour's new choice.
  void improve() {
    std::vector<IdLeaf*> leaves;
    ids_.getNodes(leaves);
    std::vector<std::vector<std::pair<openvdb::Index, std::int32_t>>> changes(leaves.size());
    const auto n = static_cast<std::int64_t>(leaves.size());
    core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
      openvdb::tree::ValueAccessor<const IdTree> ids(ids_);
      for (std::int64_t i = first; i < last; ++i) {
        for (auto voxel = leaves[i]->cbeginValueOn(); voxel; ++voxel) {
          const std::int32_t best = bestOfNeighbours(ids, voxel.getCoord(), *voxel);
          if (best != *voxel) changes[i].emplace_back(voxel.pos(), best);
        }
      }
    });
    core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
      for (std::int64_t i = first; i < last; ++i) {
        for (const auto& [at, id] : changes[i]) leaves[i]->setValueOnly(at, id);
      }
    });
  }

  std::int32_t bestOfNeighbours(const openvdb::tree::ValueAccessor<const IdTree>& ids, const Coord& ijk,
                                std::int32_t current) const {
    std::array<std::int32_t, 26> candidates;
    int count = 0;
    for (int n = 0; n < 27; ++n) {
      const std::int32_t id = ids.getValue(ijk.offsetBy(n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1));
      if (id < 0 || id == current) continue;
      if (std::find(candidates.begin(), candidates.begin() + count, id) == candidates.begin() + count)
        candidates[count++] = id;
    }
    std::int32_t best = current;
    double nearest = current >= 0 ? squaredDistance(ijk, current) : 1e300;
    for (int n = 0; n < count; ++n) {
      const double d = squaredDistance(ijk, candidates[n]);
      if (d < nearest || (d == nearest && candidates[n] < best)) {
        nearest = d;
        best = candidates[n];
      }
    }
    return best;
  }

  const mesh::TriangleMesh& mesh_;
  double per_voxel_;
  IdTree ids_;
};

}  // namespace

Eigen::Vector3d closestPoint(const Eigen::Vector3d& p, const Eigen::Vector3d& a, const Eigen::Vector3d& b,
                             const Eigen::Vector3d& c) {
  const Eigen::Vector3d ab = b - a, ac = c - a, ap = p - a;
  const double d1 = ab.dot(ap), d2 = ac.dot(ap);
  if (d1 <= 0 && d2 <= 0) return a;
  const Eigen::Vector3d bp = p - b;
  const double d3 = ab.dot(bp), d4 = ac.dot(bp);
  if (d3 >= 0 && d4 <= d3) return b;
  const double vc = d1 * d4 - d3 * d2;
  if (vc <= 0 && d1 >= 0 && d3 <= 0) return a + ab * (d1 / (d1 - d3));
  const Eigen::Vector3d cp = p - c;
  const double d5 = ab.dot(cp), d6 = ac.dot(cp);
  if (d6 >= 0 && d5 <= d6) return c;
  const double vb = d5 * d2 - d1 * d6;
  if (vb <= 0 && d2 >= 0 && d6 <= 0) return a + ac * (d2 / (d2 - d6));
  const double va = d3 * d6 - d5 * d4;
  if (va <= 0 && d4 - d3 >= 0 && d5 - d6 >= 0) return b + (c - b) * ((d4 - d3) / ((d4 - d3) + (d5 - d6)));
  const double scale = 1.0 / (va + vb + vc);
  return a + ab * (vb * scale) + ac * (vc * scale);
}

openvdb::FloatGrid::Ptr emptyGrid(double voxel_mm, double band_voxels) {
  auto grid = openvdb::FloatGrid::create(static_cast<float>(band_voxels * voxel_mm));
  grid->setGridClass(openvdb::GRID_LEVEL_SET);
  grid->setTransform(openvdb::math::Transform::createLinearTransform(voxel_mm));
  return grid;
}

openvdb::FloatGrid::Ptr distanceGrid(const mesh::TriangleMesh& mesh, double voxel_mm, double band_voxels,
                                     const MakeInsideTest& make_inside) {
  auto grid = emptyGrid(voxel_mm, band_voxels);
  if (mesh.triangles.empty()) return grid;
  NearestTriangles nearest(mesh, voxel_mm);
  nearest.build(static_cast<int>(std::ceil(band_voxels)));
  auto& tree = grid->tree();
  tree.topologyUnion(nearest.ids());
  std::vector<openvdb::FloatTree::LeafNodeType*> leaves;
  tree.getNodes(leaves);
  const auto band = static_cast<float>(band_voxels * voxel_mm);
  const auto smallest = static_cast<float>(1e-6 * voxel_mm);  // keeps the sign of a voxel that lies on the surface
  core::parallelChunks(
      static_cast<std::int64_t>(leaves.size()), kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
        const InsideTest inside = make_inside();
        for (std::int64_t i = first; i < last; ++i) {
          auto& leaf = *leaves[i];
          float sign = 1.0F;
          const auto* ids = nearest.ids().probeConstLeaf(leaf.origin());
          for (auto voxel = leaf.beginValueOn(); voxel; ++voxel) {
            const Coord ijk = voxel.getCoord();
            const auto d =
                static_cast<float>(std::sqrt(nearest.squaredDistance(ijk, ids->getValue(voxel.pos()))) * voxel_mm);
            sign = inside(ijk) ? -1.0F : 1.0F;
            if (d < band) {
              voxel.setValue(sign * std::max(d, smallest));
            } else {
              leaf.setValueOff(voxel.pos(), sign * band);
            }
          }
          if (leaf.isEmpty()) leaf.fill(sign * band, false);  // the flood fill asks the first value of such a leaf
        }
      });
  openvdb::tools::signedFloodFill(tree);
  openvdb::tools::pruneLevelSet(tree);
  return grid;
}

}  // namespace osteo::levelset
