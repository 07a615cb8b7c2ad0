#include "levelset/distance.h"

#include <openvdb/tools/Prune.h>
#include <openvdb/tools/SignedFloodFill.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "levelset/nearest_triangles.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;
using IdLeaf = IdTree::LeafNodeType;
using Leaf = openvdb::FloatTree::LeafNodeType;

constexpr std::int64_t kChunk = 32;
constexpr float kMostSag = 0.15F;

/// Where the field is a smooth distance already, the difference to its triangles' distance (how far their chords sag
/// below the true surface, in voxels), at the voxels around the surface; 0 at creases and where the field is no
/// distance.
void measureSag(const NearestTriangles& nearest, const openvdb::FloatTree& field, float voxel_mm,
                openvdb::FloatTree& sag) {
  constexpr float kSlopeError = 0.05F;
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
    const std::int32_t triangle = ids->getValue(voxel.pos());
    sign = inside(ijk) ? -1.0F : 1.0F;
    if (triangle < 0) {
      leaf.setValueOff(voxel.pos(), sign * static_cast<float>(band.voxels * band.voxel_mm));
      continue;
    }
    const Eigen::Vector3d closest = nearest.closest(ijk, triangle);
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
  nearest.grow(static_cast<int>(std::ceil(band_voxels)) - 1, band_voxels + kMostSag + 0.01);
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
