#pragma once
#include <openvdb/openvdb.h>

#include <Eigen/Dense>
#include <memory>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::levelset {

using IdTree = openvdb::Int32Tree;

/// The nearest triangle of a mesh at every voxel around it. Exact where the surface is nearer than a voxel, from there
/// outwards by handing on the neighbours' triangles. The same for any thread count.
class NearestTriangles {
 public:
  NearestTriangles(const mesh::TriangleMesh& mesh, double voxel_mm);

  /// At the corners of the cells that the surface crosses.
  void start();
  /// At so many layers of voxels more; those of the last that are farther than `reach_voxels` are left without.
  void grow(int layers, double reach_voxels);

  /// Active where voxels were looked at, below 0 where nothing is in reach.
  const IdTree& ids() const { return ids_; }
  /// Nearest point of the triangle, in voxels.
  Eigen::Vector3d closest(const openvdb::Coord& ijk, std::int32_t triangle) const;
  double squaredDistance(const openvdb::Coord& ijk, std::int32_t triangle) const;

 private:
  using Leaf = IdTree::LeafNodeType;
  /// Side by side and padded, so that a triangle is one load from memory and its box three instructions.
  struct Corners {
    Eigen::Array4f a, b, c;
  };
  /// Triangles of one chunk of the mesh that come near one leaf.
  struct Run {
    std::int64_t leaf;
    std::int64_t chunk;
    const std::int32_t *first, *last;
  };
  struct Bucket;

  void fillBucket(std::int32_t first, std::int32_t last, Bucket& bucket) const;
  void seed();
  void seedLeaf(Leaf& leaf, const Run* first, const Run* last) const;
  void handOn(bool to_all, double squared_reach);
  std::int32_t bestOfNeighbours(const std::int32_t* around, const openvdb::Coord& ijk, double squared_reach) const;

  std::int64_t count_;
  std::unique_ptr<Corners[]> triangles_;  ///< in voxels
  IdTree ids_;
};

}  // namespace osteo::levelset
