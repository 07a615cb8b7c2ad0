#pragma once
#include <openvdb/openvdb.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace osteo::levelset {

constexpr int kSide = 8;  ///< cells of a block along each axis: those that start in one leaf's box

/// The values at a block's corners and `Halo` voxels around them; corner (0,0,0) is the block's origin.
template <int Halo>
struct BlockSamples {
  static constexpr int kPadded = kSide + 1 + 2 * Halo;
  static constexpr unsigned kAllInside = (1U << (kSide + 1)) - 1;
  std::array<float, kPadded * kPadded * kPadded> value;
  std::array<std::uint16_t, (kSide + 1) * (kSide + 1)> inside;  ///< of the block's corners, a row along z as bits

  static std::size_t row(int x, int y) { return static_cast<std::size_t>(x * (kSide + 1) + y); }

  float at(int x, int y, int z) const {
    return value[static_cast<std::size_t>(((x + Halo) * kPadded + y + Halo) * kPadded + z + Halo)];
  }

  void fetch(const openvdb::FloatTree& tree, const openvdb::Coord& origin) {
    // Voxels −Halo … 8 + Halo lie in the leaf before, the block's own and the one after.
    const auto first = [](int side) { return side < 0 ? -Halo : side * kSide; };
    const auto last = [](int side) { return side < 0 ? -1 : side == 0 ? kSide - 1 : kSide + Halo; };
    constexpr int kLowest = Halo > 0 ? -1 : 0;
    for (int i = kLowest; i < 2; ++i) {
      for (int j = kLowest; j < 2; ++j) {
        for (int k = kLowest; k < 2; ++k) {
          const openvdb::Coord leaf_origin = origin.offsetBy(i * kSide, j * kSide, k * kSide);
          const auto* leaf = tree.probeConstLeaf(leaf_origin);
          const float* data = leaf != nullptr ? leaf->buffer().data() : nullptr;
          const float tile = leaf != nullptr ? 0.0F : tree.getValue(leaf_origin);
          for (int x = first(i); x <= last(i); ++x) {
            for (int y = first(j); y <= last(j); ++y) {
              for (int z = first(k); z <= last(k); ++z) {
                const int from = ((x & 7) * kSide + (y & 7)) * kSide + (z & 7);
                value[static_cast<std::size_t>(((x + Halo) * kPadded + y + Halo) * kPadded + z + Halo)] =
                    data != nullptr ? data[from] : tile;
              }
            }
          }
        }
      }
    }
    for (int x = 0; x <= kSide; ++x) {
      for (int y = 0; y <= kSide; ++y) {
        unsigned bits = 0;
        for (int z = 0; z <= kSide; ++z) bits |= static_cast<unsigned>(at(x, y, z) < 0) << z;
        inside[row(x, y)] = static_cast<std::uint16_t>(bits);
      }
    }
  }

  /// No cell of the block is crossed.
  bool uniform() const {
    const auto all = [this](unsigned bits) {
      return std::all_of(inside.begin(), inside.end(), [bits](unsigned row) { return row == bits; });
    };
    return all(0) || all(kAllInside);
  }

  /// Calls body(x, y, z, case) for the crossed cells; a case holds the inside corners as bits, for cubeTable().
  template <class Body>
  void forEachCell(const Body& body) const {
    for (int x = 0; x < kSide; ++x) {
      for (int y = 0; y < kSide; ++y) {
        const unsigned rows[4] = {inside[row(x, y)], inside[row(x + 1, y)], inside[row(x, y + 1)],
                                  inside[row(x + 1, y + 1)]};
        if ((rows[0] | rows[1] | rows[2] | rows[3]) == 0 || (rows[0] & rows[1] & rows[2] & rows[3]) == kAllInside)
          continue;
        for (int z = 0; z < kSide; ++z) {
          unsigned corners = 0;
          for (int c = 0; c < 4; ++c) corners |= (rows[c] >> z & 1) << c | (rows[c] >> (z + 1) & 1) << (c + 4);
          if (corners != 0 && corners != 255) body(x, y, z, static_cast<int>(corners));
        }
      }
    }
  }

  /// Where the surface crosses the edge that leaves a corner along the axis, as a share of the edge: never at its ends,
  /// so that no two vertices are one in float.
  double shareOfEdge(const openvdb::Coord& origin, const openvdb::Coord& corner, int axis) const {
    openvdb::Coord end = corner;
    ++end[axis];
    const double a = at(corner.x(), corner.y(), corner.z()), b = at(end.x(), end.y(), end.z());
    const double reach = std::abs(origin[axis] + corner[axis]) + 1.0;
    const double margin = std::min(0.25, std::max(1e-3, 8 * reach * 0x1p-23));
    const double t = std::clamp(a / (a - b), margin, 1 - margin);
    return std::isfinite(t) ? t : 0.5;
  }

  /// A place on an edge in mm, rounded to float so that every file format keeps vertices apart.
  static Eigen::Vector3d placeOnEdge(const openvdb::Coord& origin, const openvdb::Coord& corner, int axis, double share,
                                     double voxel_mm) {
    const openvdb::Coord ijk = origin + corner;
    Eigen::Vector3d p(ijk.x(), ijk.y(), ijk.z());
    p[axis] += share;
    return (p * voxel_mm).cast<float>().cast<double>();
  }

  /// Where the surface crosses the edge, in mm.
  Eigen::Vector3d crossing(const openvdb::Coord& origin, const openvdb::Coord& corner, int axis,
                           double voxel_mm) const {
    return placeOnEdge(origin, corner, axis, shareOfEdge(origin, corner, axis), voxel_mm);
  }
};

}  // namespace osteo::levelset
