#include "levelset/nearest_triangles.h"

#include <openvdb/tools/Morphology.h>
#include <openvdb/tools/Prune.h>
#include <tbb/parallel_sort.h>

#include <algorithm>
#include <array>

#include "core/parallel.h"
#include "levelset/distance.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;

constexpr int kSide = 8;
constexpr std::int64_t kChunk = 32, kTriangles = 8192;
constexpr double kAnywhere = 1e300;
constexpr std::int64_t kRange = 1 << 20;  // leaves on either side of the origin along an axis

/// A leaf's place as a sortable number.
std::int64_t leafKey(int x, int y, int z) { return ((x + kRange) << 42) | ((y + kRange) << 21) | (z + kRange); }
Coord leafOrigin(std::int64_t key) {
  constexpr std::int64_t kMask = (1 << 21) - 1;
  return Coord(static_cast<int>((key >> 42) - kRange) * kSide, static_cast<int>((key >> 21 & kMask) - kRange) * kSide,
               static_cast<int>((key & kMask) - kRange) * kSide);
}

/// The triangles of a leaf's voxels and of the layer around them.
class Neighbourhood {
 public:
  static constexpr int kPadded = kSide + 2;

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

  /// The voxel's own; its neighbours' are kSteps away.
  const std::int32_t* at(openvdb::Index offset) const {
    const auto x = static_cast<int>(offset >> 6), y = static_cast<int>(offset >> 3 & 7),
               z = static_cast<int>(offset & 7);
    return ids_.data() + ((x + 1) * kPadded + y + 1) * kPadded + z + 1;
  }

 private:
  std::array<std::int32_t, kPadded * kPadded * kPadded> ids_;
};

/// Ways in the padded block to the voxel itself, to its faces and to the rest of the 26 around it: with a good triangle
/// from the first ones most others fall at their box.
constexpr std::array<int, 27> kSteps = [] {
  constexpr std::array<int, 27> kOrder = {13, 4,  10, 12, 14, 16, 22, 1, 3, 5,  7,  9,  11, 15,
                                          17, 19, 21, 23, 25, 0,  2,  6, 8, 18, 20, 24, 26};
  constexpr int kPadded = Neighbourhood::kPadded;
  std::array<int, 27> steps{};
  for (std::size_t i = 0; i < 27; ++i) {
    const int n = kOrder[i];
    steps[i] = (n / 9 - 1) * kPadded * kPadded + (n / 3 % 3 - 1) * kPadded + n % 3 - 1;
  }
  return steps;
}();

Eigen::Vector3d wide(const Eigen::Array4f& corner) { return {corner[0], corner[1], corner[2]}; }

/// To the box of a triangle: never more than to the triangle, and cheap.
float squaredDistanceToBox(const Eigen::Array4f& p, const Eigen::Array4f& low, const Eigen::Array4f& high) {
  constexpr float kRounding = 0.99999F;
  return kRounding * (low - p).max(p - high).max(0.0F).square().sum();
}

inline Eigen::Vector3d nearestPoint(const Eigen::Vector3d& p, const Eigen::Vector3d& a, const Eigen::Vector3d& b,
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

}  // namespace

Eigen::Vector3d closestPoint(const Eigen::Vector3d& p, const Eigen::Vector3d& a, const Eigen::Vector3d& b,
                             const Eigen::Vector3d& c) {
  return nearestPoint(p, a, b, c);
}

/// The triangles of one chunk, sorted by the leaves that they come near.
struct NearestTriangles::Bucket {
  std::vector<std::int32_t> triangles;
  std::vector<Run> runs;
};

NearestTriangles::NearestTriangles(const mesh::TriangleMesh& mesh, double voxel_mm)
    : count_(static_cast<std::int64_t>(mesh.triangles.size())),
      triangles_(std::make_unique_for_overwrite<Corners[]>(mesh.triangles.size())),
      ids_(-1) {
  core::parallelChunks(count_, kTriangles, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    const auto corner = [&](std::uint32_t v) {
      const Eigen::Vector3f p = (mesh.vertices[v] / voxel_mm).cast<float>();
      return Eigen::Array4f(p[0], p[1], p[2], 0.0F);
    };
    for (std::int64_t t = first; t < last; ++t) {
      const mesh::Triangle& ids = mesh.triangles[t];
      triangles_[t] = {corner(ids[0]), corner(ids[1]), corner(ids[2])};
    }
  });
}

void NearestTriangles::start() {
  seed();
  handOn(true, kAnywhere);
}

void NearestTriangles::grow(int layers, double reach_voxels) {
  for (int layer = 0; layer < layers; ++layer) {
    openvdb::tools::dilateActiveValues(ids_, 1, openvdb::tools::NN_FACE_EDGE_VERTEX, openvdb::tools::IGNORE_TILES);
    // What lies beyond may yet hand on the right triangle to the next layer.
    handOn(false, layer + 1 < layers ? kAnywhere : reach_voxels * reach_voxels);
  }
}

Eigen::Vector3d NearestTriangles::closest(const Coord& ijk, std::int32_t triangle) const {
  const Corners& t = triangles_[triangle];
  return nearestPoint(Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()), wide(t.a), wide(t.b), wide(t.c));
}

double NearestTriangles::squaredDistance(const Coord& ijk, std::int32_t triangle) const {
  return (closest(ijk, triangle) - Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z())).squaredNorm();
}

void NearestTriangles::fillBucket(std::int32_t first, std::int32_t last, Bucket& bucket) const {
  std::vector<std::pair<std::int64_t, std::int32_t>> entries;
  entries.reserve(2 * (last - first));
  for (std::int32_t t = first; t < last; ++t) {
    const Corners& corner = triangles_[t];
    const Eigen::Array4i low = corner.a.min(corner.b).min(corner.c).floor().cast<int>(),
                         high = corner.a.max(corner.b).max(corner.c).ceil().cast<int>();
    const int x0 = low[0] >> 3, x1 = high[0] >> 3, y0 = low[1] >> 3, y1 = high[1] >> 3, z0 = low[2] >> 3,
              z1 = high[2] >> 3;
    const bool is_small = x1 - x0 < 2 && y1 - y0 < 2 && z1 - z0 < 2;
    for (int x = x0; x <= x1; ++x) {
      for (int y = y0; y <= y1; ++y) {
        for (int z = z0; z <= z1; ++z) {
          const Eigen::Vector3d centre = Eigen::Vector3d(x, y, z) * kSide + Eigen::Vector3d::Constant(3.5);
          if (is_small ||
              (nearestPoint(centre, wide(corner.a), wide(corner.b), wide(corner.c)) - centre).norm() < kSide)
            entries.emplace_back(leafKey(x, y, z), t);
        }
      }
    }
  }
  std::sort(entries.begin(), entries.end());
  bucket.triangles.resize(entries.size());
  std::transform(entries.begin(), entries.end(), bucket.triangles.begin(), [](const auto& e) { return e.second; });
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::int32_t* at = bucket.triangles.data() + i;
    if (i == 0 || entries[i].first != entries[i - 1].first)
      bucket.runs.push_back({entries[i].first, first / kTriangles, at, at});
    bucket.runs.back().last = at + 1;
  }
}

/// Gives every voxel around a triangle the nearest of the triangles around it.
void NearestTriangles::seed() {
  std::vector<Bucket> buckets((count_ + kTriangles - 1) / kTriangles);
  core::parallelChunks(count_, kTriangles, [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
    fillBucket(static_cast<std::int32_t>(first), static_cast<std::int32_t>(last), buckets[chunk]);
  });
  std::vector<Run> runs;
  for (const Bucket& bucket : buckets) runs.insert(runs.end(), bucket.runs.begin(), bucket.runs.end());
  tbb::parallel_sort(runs.begin(), runs.end(),
                     [](const Run& a, const Run& b) { return a.leaf != b.leaf ? a.leaf < b.leaf : a.chunk < b.chunk; });
  std::vector<std::size_t> starts;
  std::vector<Leaf*> leaves;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i > 0 && runs[i].leaf == runs[i - 1].leaf) continue;
    starts.push_back(i);
    leaves.push_back(ids_.touchLeaf(leafOrigin(runs[i].leaf)));
  }
  starts.push_back(runs.size());
  core::parallelChunks(static_cast<std::int64_t>(leaves.size()), kChunk,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t i = first; i < last; ++i)
                           seedLeaf(*leaves[i], runs.data() + starts[i], runs.data() + starts[i + 1]);
                       });
  // A box may touch leaves that the triangle itself stays away from: without a voxel they have no side to take.
  openvdb::tools::pruneInactive(ids_);
}

void NearestTriangles::seedLeaf(Leaf& leaf, const Run* first, const Run* last) const {
  constexpr double kReach = 3.0;  // squared; a voxel of the cells that a triangle crosses is never farther
  constexpr double kRounding = 0.99999;
  std::array<double, Leaf::SIZE> nearest;
  nearest.fill(kReach);
  const Coord& o = leaf.origin();
  const Eigen::Array4i from(o.x(), o.y(), o.z(), 0), to = from + (kSide - 1);
  const auto visit = [&](std::int32_t id) {
    const Corners& t = triangles_[id];
    const Eigen::Array4f box_low = t.a.min(t.b).min(t.c), box_high = t.a.max(t.b).max(t.c);
    const Eigen::Array4i low = box_low.floor().cast<int>().max(from), high = box_high.ceil().cast<int>().min(to);
    const Eigen::Vector3d a = wide(t.a), b = wide(t.b), c = wide(t.c), normal = (b - a).cross(c - a);
    const double squared_norm = normal.squaredNorm();
    for (int x = low[0]; x <= high[0]; ++x) {
      for (int y = low[1]; y <= high[1]; ++y) {
        for (int z = low[2]; z <= high[2]; ++z) {
          const Eigen::Vector3d p(x, y, z);
          double& best = nearest[Leaf::coordToOffset(Coord(x, y, z))];
          // To its plane and to its box it is never farther than to the triangle.
          const double height = normal.dot(p - a);
          if (kRounding * height * height > best * squared_norm) continue;
          if (squaredDistanceToBox(p.homogeneous().cast<float>().array() * Eigen::Array4f(1, 1, 1, 0), box_low,
                                   box_high) >= best)
            continue;
          const double d = (nearestPoint(p, a, b, c) - p).squaredNorm();
          if (d >= best) continue;
          best = d;
          leaf.setValueOn(Leaf::coordToOffset(Coord(x, y, z)), id);
        }
      }
    }
  };
  for (const Run* run = first; run != last; ++run) std::for_each(run->first, run->last, visit);
}

/// Gives active voxels the nearest of their neighbours' triangles: all of them, or those that have none. Results are
/// kept aside until all voxels are done, so that no voxel sees a neighbour's new choice.
void NearestTriangles::handOn(bool to_all, double squared_reach) {
  constexpr double kSure = 0.999;  // nearer than a voxel, the triangle is one of the cells around, which all were asked
  std::vector<Leaf*> leaves;
  ids_.getNodes(leaves);
  const auto n = static_cast<std::int64_t>(leaves.size());
  std::vector<std::vector<std::pair<std::int32_t*, std::int32_t>>> changes((n + kChunk - 1) / kChunk);
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
    const openvdb::tree::ValueAccessor<const IdTree> ids(ids_);
    Neighbourhood around;
    for (std::int64_t i = first; i < last; ++i) {
      bool is_filled = false;
      std::int32_t* values = leaves[i]->buffer().data();
      for (auto voxel = leaves[i]->cbeginValueOn(); voxel; ++voxel) {
        if (*voxel >= 0 && (!to_all || squaredDistance(voxel.getCoord(), *voxel) < kSure)) continue;
        if (!is_filled) around.fill(ids, leaves[i]->origin());
        is_filled = true;
        changes[chunk].emplace_back(values + voxel.pos(),
                                    bestOfNeighbours(around.at(voxel.pos()), voxel.getCoord(), squared_reach));
      }
    }
  });
  core::parallelFor(static_cast<std::int64_t>(changes.size()), [&](std::int64_t chunk) {
    for (const auto& [at, id] : changes[chunk]) *at = id;
  });
}

std::int32_t NearestTriangles::bestOfNeighbours(const std::int32_t* around, const Coord& ijk,
                                                double squared_reach) const {
  const Eigen::Array4f place(static_cast<float>(ijk.x()), static_cast<float>(ijk.y()), static_cast<float>(ijk.z()), 0);
  const Eigen::Vector3d p(ijk.x(), ijk.y(), ijk.z());
  std::array<std::int32_t, 27> tried;  // all neighbours and the voxel itself may differ
  int count = 0;
  std::uint64_t seen = 0;  // by the last bits of the number
  std::int32_t best = -1;
  double nearest = squared_reach;
  for (const int step : kSteps) {
    const std::int32_t id = around[step];
    if (id < 0) continue;
    const std::uint64_t bit = std::uint64_t{1} << (id & 63);
    if ((seen & bit) != 0 && std::find(tried.begin(), tried.begin() + count, id) != tried.begin() + count) continue;
    seen |= bit;
    tried[count++] = id;
    const Corners& t = triangles_[id];
    if (squaredDistanceToBox(place, t.a.min(t.b).min(t.c), t.a.max(t.b).max(t.c)) > nearest) continue;
    const double d = (nearestPoint(p, wide(t.a), wide(t.b), wide(t.c)) - p).squaredNorm();
    if (d < nearest || (d == nearest && id < best)) {
      nearest = d;
      best = id;
    }
  }
  return best;
}

}  // namespace osteo::levelset
