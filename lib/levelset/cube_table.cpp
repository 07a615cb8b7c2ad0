#include "levelset/cube_table.h"

#include <Eigen/Dense>

namespace osteo::levelset {
namespace {

Eigen::Vector3d edgeMiddle(int edge) {
  const int corner = edgeCorner(edge);
  Eigen::Vector3d p(corner & 1, corner >> 1 & 1, corner >> 2 & 1);
  p[edge / 4] = 0.5;
  return p;
}

int edgeBetween(int corner_a, int corner_b) {
  for (int edge = 0; edge < 12; ++edge) {
    const int low = edgeCorner(edge), high = low | (1 << (edge / 4));
    if ((low == corner_a && high == corner_b) || (low == corner_b && high == corner_a)) return edge;
  }
  return -1;
}

bool shareFace(int edge_a, int edge_b) {
  const Eigen::Vector3d a = edgeMiddle(edge_a), b = edgeMiddle(edge_b);
  for (int axis = 0; axis < 3; ++axis) {
    if (a[axis] == b[axis] && a[axis] != 0.5) return true;
  }
  return false;
}

/// The corners of a face in circular order, counter-clockwise seen from outside the cell.
std::array<int, 4> faceCorners(int axis, int side) {
  const int u = 1 << ((axis + 1) % 3), v = 1 << ((axis + 2) % 3), base = side << axis;
  if (side == 1) return {base, base | u, base | u | v, base | v};
  return {base, base | v, base | u | v, base | u};
}

/// next[edge]: where the surface's boundary goes on from the vertex of that edge, -1 where the edge isn't crossed.
std::array<int, 12> boundarySteps(int inside) {
  std::array<int, 12> next;
  next.fill(-1);
  const auto isInside = [inside](int corner) { return (inside >> corner & 1) != 0; };
  for (int face = 0; face < 6; ++face) {
    const std::array<int, 4> c = faceCorners(face / 2, face % 2);
    for (int first = 0; first < 4; ++first) {
      if (!isInside(c[first]) || isInside(c[(first + 3) % 4])) continue;
      int last = first;  // a run of inside corners from first to last is cut off by one segment
      while (isInside(c[(last + 1) % 4])) last = (last + 1) % 4;
      next[edgeBetween(c[(first + 3) % 4], c[first])] = edgeBetween(c[last], c[(last + 1) % 4]);
    }
  }
  return next;
}

/// Cuts polygon[first..last] into triangles without a diagonal in a face of the cell; false where there is no way.
bool triangulate(const std::vector<std::uint8_t>& polygon, int first, int last, CubeCase& out) {
  if (last - first < 2) return true;
  const std::size_t kept = out.triangles.size();
  const int n = static_cast<int>(polygon.size());
  const auto fits = [&](int a, int b) {
    return b - a == 1 || (a == 0 && b == n - 1) || !shareFace(polygon[a], polygon[b]);
  };
  for (int middle = first + 1; middle < last; ++middle) {
    if (!fits(first, middle) || !fits(middle, last)) continue;
    out.triangles.push_back({polygon[first], polygon[middle], polygon[last]});
    if (triangulate(polygon, first, middle, out) && triangulate(polygon, middle, last, out)) return true;
    out.triangles.resize(kept);
  }
  return false;
}

CubeCase makeCase(int inside) {
  CubeCase out;
  std::array<int, 12> next = boundarySteps(inside);
  for (int start = 0; start < 12; ++start) {
    std::vector<std::uint8_t> loop;
    for (int edge = start; next[edge] >= 0;) {
      loop.push_back(static_cast<std::uint8_t>(edge));
      const int following = next[edge];
      next[edge] = -1;
      edge = following;
    }
    if (loop.empty()) continue;
    const int n = static_cast<int>(loop.size());
    if (triangulate(loop, 0, n - 1, out)) continue;
    const auto centre = static_cast<std::uint8_t>(12 + out.centroids.size());
    for (int k = 0; k < n; ++k) out.triangles.push_back({loop[k], loop[(k + 1) % n], centre});
    out.centroids.push_back(loop);
  }
  return out;
}

}  // namespace

const std::array<CubeCase, 256>& cubeTable() {
  static const std::array<CubeCase, 256> table = [] {
    std::array<CubeCase, 256> cases;
    for (int inside = 0; inside < 256; ++inside) cases[inside] = makeCase(inside);
    return cases;
  }();
  return table;
}

}  // namespace osteo::levelset
