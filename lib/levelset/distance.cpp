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
using Leaf = openvdb::FloatTree::LeafNodeType;

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

/// The triangles of a leaf's voxels and of the layer around them.
class Neighbourhood {
 public:
  void fill(const openvdb::tree::ValueAccessor<const IdTree>& ids, const Coord& origin) {
    std::array<const std::int32_t*, 27> data;  // of the leaves around, null where there is none
    for (int n = 0; n < 27; ++n) {
      const auto* leaf =
          ids.probeConstLeaf(origin.offsetBy((n / 9 - 1) * kSide, (n / 3 % 3 - 1) * kSide, (n % 3 - 1) * kSide));
      data[n] = leaf != nullptr ? leaf->buffer().data() : nullptr;
    }
    std::int32_t* out = ids_.data();
    for (int x = kSide - 1; x < kSide - 1 + kPadded; ++x) {
      for (int y = kSide - 1; y < kSide - 1 + kPadded; ++y, out += kPadded) {
        const int leaf = (x / kSide * 3 + y / kSide) * 3, row = ((x % kSide) * kSide + y % kSide) * kSide;
        out[0] = data[leaf] != nullptr ? data[leaf][row + kSide - 1] : -1;
        for (int z = 0; z < kSide; ++z) out[z + 1] = data[leaf + 1] != nullptr ? data[leaf + 1][row + z] : -1;
        out[kPadded - 1] = data[leaf + 2] != nullptr ? data[leaf + 2][row] : -1;
      }
    }
  }
  /// Of the voxel's neighbour n of 27.
  std::int32_t at(openvdb::Index offset, int n) const {
    const int x = static_cast<int>(offset >> 6) + n / 9, y = static_cast<int>(offset >> 3 & 7) + n / 3 % 3;
    return ids_[(x * kPadded + y) * kPadded + static_cast<int>(offset & 7) + n % 3];
  }

 private:
  static constexpr int kPadded = kSide + 2;
  std::array<std::int32_t, kPadded * kPadded * kPadded> ids_;
};

/// Nearest-triangle field around a mesh, in index space.
class NearestTriangles {
 public:
  NearestTriangles(const mesh::TriangleMesh& mesh, double voxel_mm)
      : triangles_(mesh.triangles.size()), boxes_(triangles_.size()), ids_(-1) {
    const auto n = static_cast<std::int64_t>(triangles_.size());
    core::parallelChunks(n, 1 << 14, [&](std::int64_t first, std::int64_t last, std::int64_t) {
      for (std::int64_t t = first; t < last; ++t) {
        auto& c = triangles_[t];
        for (int k = 0; k < 3; ++k) c[k] = (mesh.vertices[mesh.triangles[t][k]] / voxel_mm).cast<float>();
        boxes_[t].low << c[0].cwiseMin(c[1]).cwiseMin(c[2]).array(), 0.0F;
        boxes_[t].high << c[0].cwiseMax(c[1]).cwiseMax(c[2]).array(), 0.0F;
      }
    });
  }

  /// Around the surface alone.
  void start() {
    seed();
    handOn(true);
  }

  /// By so many layers of voxels more.
  void grow(int layers) {
    for (int layer = 0; layer < layers; ++layer) {
      openvdb::tools::dilateActiveValues(ids_, 1, openvdb::tools::NN_FACE_EDGE_VERTEX, openvdb::tools::IGNORE_TILES);
      handOn(false);
    }
  }

  const IdTree& ids() const { return ids_; }

  Eigen::Vector3d closest(const Coord& ijk, std::int32_t triangle) const {
    const auto corner = corners(triangle);
    return closestPoint(Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()), corner[0], corner[1], corner[2]);
  }
  double squaredDistance(const Coord& ijk, std::int32_t triangle) const {
    return (closest(ijk, triangle) - Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z())).squaredNorm();
  }
  /// To the box of the triangle: never more than squaredDistance, and cheap.
  double squaredDistanceToBox(const Coord& ijk, std::int32_t triangle) const {
    constexpr float kRounding = 0.99999F;
    const Eigen::Array4f p(static_cast<float>(ijk.x()), static_cast<float>(ijk.y()), static_cast<float>(ijk.z()), 0.0F);
    const auto& [low, high] = boxes_[triangle];
    return kRounding * (low - p).max(p - high).max(0.0F).square().sum();
  }

 private:
  std::array<Eigen::Vector3d, 3> corners(std::int32_t triangle) const {
    const auto& c = triangles_[triangle];
    return {c[0].cast<double>(), c[1].cast<double>(), c[2].cast<double>()};
  }

  /// The voxels around a triangle: the corners of all cells that its box touches.
  void voxelBox(std::int32_t triangle, Eigen::Vector3i& low, Eigen::Vector3i& high) const {
    const auto c = corners(triangle);
    low = c[0].cwiseMin(c[1]).cwiseMin(c[2]).array().floor().cast<int>();
    high = c[0].cwiseMax(c[1]).cwiseMax(c[2]).array().ceil().cast<int>();
  }

  std::vector<Entry> bucket() const {
    const auto n = static_cast<std::int64_t>(triangles_.size());
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
            if (squaredDistanceToBox(ijk, entry->triangle) >= nearest[at]) continue;
            const double d = squaredDistance(ijk, entry->triangle);
            if (d >= nearest[at]) continue;
            nearest[at] = d;
            leaf.setValueOn(at, entry->triangle);
          }
        }
      }
    }
  }

  /// Gives active voxels the nearest of their neighbours' triangles: all of them, or those that have none. Results are
  /// kept aside until all voxels are done, so that no voxel sees a neighbour's new choice.
  void handOn(bool to_all) {
    std::vector<IdLeaf*> leaves;
    ids_.getNodes(leaves);
    std::vector<std::vector<std::pair<openvdb::Index, std::int32_t>>> changes(leaves.size());
    const auto n = static_cast<std::int64_t>(leaves.size());
    core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
      const openvdb::tree::ValueAccessor<const IdTree> ids(ids_);
      Neighbourhood around;
      for (std::int64_t i = first; i < last; ++i) {
        bool is_filled = false;
        for (auto voxel = leaves[i]->cbeginValueOn(); voxel; ++voxel) {
          if (!to_all && *voxel >= 0) continue;
          if (!is_filled) around.fill(ids, leaves[i]->origin());
          is_filled = true;
          changes[i].emplace_back(voxel.pos(), bestOfNeighbours(around, voxel.pos(), voxel.getCoord()));
        }
      }
    });
    core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
      for (std::int64_t i = first; i < last; ++i) {
        for (const auto& [at, id] : changes[i]) leaves[i]->setValueOnly(at, id);
      }
    });
  }

  std::int32_t bestOfNeighbours(const Neighbourhood& around, openvdb::Index offset, const Coord& ijk) const {
    // The voxel's own triangle and those of its faces come first: with a good one most others fall at their box.
    static constexpr std::array<int, 27> kOrder = {13, 4,  10, 12, 14, 16, 22, 1, 3, 5,  7,  9,  11, 15,
                                                   17, 19, 21, 23, 25, 0,  2,  6, 8, 18, 20, 24, 26};
    std::array<std::int32_t, 27> tried;  // all neighbours and the voxel itself may differ
    int count = 0;
    std::uint64_t seen = 0;  // by the last bits of the number
    std::int32_t best = -1;
    double nearest = 1e300;
    for (const int n : kOrder) {
      const std::int32_t id = around.at(offset, n);
      if (id < 0) continue;
      const std::uint64_t bit = std::uint64_t{1} << (id & 63);
      if ((seen & bit) != 0 && std::find(tried.begin(), tried.begin() + count, id) != tried.begin() + count) continue;
      seen |= bit;
      tried[count++] = id;
      if (squaredDistanceToBox(ijk, id) > nearest) continue;
      const double d = squaredDistance(ijk, id);
      if (d < nearest || (d == nearest && id < best)) {
        nearest = d;
        best = id;
      }
    }
    return best;
  }

  std::vector<std::array<Eigen::Vector3f, 3>> triangles_;  ///< in voxels, side by side for the cache
  struct Box4 {
    Eigen::Array4f low, high;
  };
  std::vector<Box4> boxes_;
  IdTree ids_;
};

/// Where the field is a smooth distance already, the difference to its triangles' distance (how far their chords sag
/// below the true surface, in voxels), at the voxels around the surface; 0 at creases and where the field is no
/// distance.
void measureSag(const NearestTriangles& nearest, const openvdb::FloatTree& field, float voxel_mm,
                openvdb::FloatTree& sag) {
  constexpr float kSlopeError = 0.05F, kMostSag = 0.15F;
  sag.topologyUnion(nearest.ids());
  std::vector<Leaf*> leaves;
  sag.getNodes(leaves);
  const auto n = static_cast<std::int64_t>(leaves.size());
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    openvdb::tree::ValueAccessor<const openvdb::FloatTree> phi(field);
    for (std::int64_t i = first; i < last; ++i) {
      const IdLeaf* ids = nearest.ids().probeConstLeaf(leaves[i]->origin());
      for (auto voxel = leaves[i]->beginValueOn(); voxel; ++voxel) {
        const Coord ijk = voxel.getCoord();
        Eigen::Vector3f slope;
        for (int axis = 0; axis < 3; ++axis) {
          Coord before = ijk, after = ijk;
          --before[axis];
          ++after[axis];
          slope[axis] = (phi.getValue(after) - phi.getValue(before)) / (2 * voxel_mm);
        }
        const float norm = slope.norm(), here = phi.getValue(ijk);
        if (std::abs(norm - 1) > kSlopeError) continue;
        const auto flat = static_cast<float>(std::sqrt(nearest.squaredDistance(ijk, ids->getValue(voxel.pos()))));
        const float difference = here / (norm * voxel_mm) - (here < 0 ? -flat : flat);
        if (std::abs(difference) < kMostSag) voxel.setValue(difference);
      }
    }
  });
}

struct Band {
  double voxel_mm, voxels;
};

double interpolate(const openvdb::tree::ValueAccessor<const openvdb::FloatTree>& values, const Eigen::Vector3d& at) {
  const Eigen::Vector3d low = at.array().floor(), t = at - low;
  const Coord base(static_cast<int>(low[0]), static_cast<int>(low[1]), static_cast<int>(low[2]));
  double sum = 0;
  for (int c = 0; c < 8; ++c) {
    const double weight = (c & 1 ? t[0] : 1 - t[0]) * (c & 2 ? t[1] : 1 - t[1]) * (c & 4 ? t[2] : 1 - t[2]);
    sum += weight * values.getValue(base.offsetBy(c & 1, c >> 1 & 1, c >> 2 & 1));
  }
  return sum;
}

/// Final signed distances of one leaf.
void signLeaf(Leaf& leaf, const NearestTriangles& nearest, const openvdb::FloatTree& sag, const InsideTest& inside,
              const Band& band) {
  constexpr double kSmallest = 1e-6;  // keeps the sign of a voxel that lies on the surface
  const IdLeaf* ids = nearest.ids().probeConstLeaf(leaf.origin());
  const openvdb::tree::ValueAccessor<const openvdb::FloatTree> sags(sag);
  const bool corrects = !sag.empty();
  float sign = 1.0F;
  for (auto voxel = leaf.beginValueOn(); voxel; ++voxel) {
    const Coord ijk = voxel.getCoord();
    const Eigen::Vector3d closest = nearest.closest(ijk, ids->getValue(voxel.pos()));
    sign = inside(ijk) ? -1.0F : 1.0F;
    double d = (closest - Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z())).norm();
    if (corrects) d += sign * (sags.isValueOn(ijk) ? sags.getValue(ijk) : interpolate(sags, closest));
    if (d < band.voxels) {
      voxel.setValue(sign * static_cast<float>(std::max(d, kSmallest) * band.voxel_mm));
    } else {
      leaf.setValueOff(voxel.pos(), sign * static_cast<float>(band.voxels * band.voxel_mm));
    }
  }
  // The flood fill that follows asks the first value of a leaf without active voxels.
  if (leaf.isEmpty()) leaf.fill(sign * static_cast<float>(band.voxels * band.voxel_mm), false);
}

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
                                     const MakeInsideTest& make_inside, const openvdb::FloatTree* field) {
  auto grid = emptyGrid(voxel_mm, band_voxels);
  if (mesh.triangles.empty()) return grid;
  NearestTriangles nearest(mesh, voxel_mm);
  nearest.start();
  openvdb::FloatTree sag(0.0F);
  if (field != nullptr) measureSag(nearest, *field, static_cast<float>(voxel_mm), sag);
  // The corners of the crossed cells are there already: what lies in the band is one layer less away from them.
  nearest.grow(static_cast<int>(std::ceil(band_voxels)) - 1);
  auto& tree = grid->tree();
  tree.topologyUnion(nearest.ids());
  std::vector<Leaf*> leaves;
  tree.getNodes(leaves);
  const auto n = static_cast<std::int64_t>(leaves.size());
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    const InsideTest inside = make_inside();
    for (std::int64_t i = first; i < last; ++i) signLeaf(*leaves[i], nearest, sag, inside, {voxel_mm, band_voxels});
  });
  openvdb::tools::signedFloodFill(tree);
  openvdb::tools::pruneLevelSet(tree);
  return grid;
}

}  // namespace osteo::levelset
