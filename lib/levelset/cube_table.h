#pragma once
#include <array>
#include <cstdint>
#include <vector>

namespace osteo::levelset {

/// What marching cubes draws in one cell. Edge vertices are 0–11, vertex 12 + k is the centroid of centroids[k].
struct CubeCase {
  std::vector<std::array<std::uint8_t, 3>> triangles;
  std::vector<std::vector<std::uint8_t>> centroids;
};

/// Corner c of the cell lies at (c & 1, c >> 1 & 1, c >> 2 & 1). Edge e runs along axis e / 4 from the corner that
/// edgeCorner gives to its neighbour on that axis.
constexpr int edgeCorner(int edge) {
  const int axis = edge / 4, u = (axis + 1) % 3, v = (axis + 2) % 3;
  return ((edge & 1) << u) | ((edge >> 1 & 1) << v);
}

/// The 256 cases by the bits of the inside corners (Lorensen & Cline 1987, made topologically sound): on an ambiguous
/// face the inside corners are always kept apart, so that both cells of the face agree, and no diagonal lies in a face
/// of the cell, so that every edge of the whole mesh belongs to exactly two triangles.
const std::array<CubeCase, 256>& cubeTable();

}  // namespace osteo::levelset
