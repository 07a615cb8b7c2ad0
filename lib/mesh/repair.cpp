#include "mesh/repair.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "mesh/cap.h"
#include "mesh/measures.h"

namespace osteo::mesh {
namespace {

/// Vertices within the tolerance become one: the one that comes first.
void mergeNear(TriangleMesh& mesh, double tolerance, Repair& repair) {
  const auto cell = [&](double x) { return static_cast<std::int64_t>(std::floor(x / tolerance)); };
  using Cell = std::tuple<std::int64_t, std::int64_t, std::int64_t>;
  std::map<Cell, std::vector<std::uint32_t>> grid;
  std::vector<std::uint32_t> stands_for(mesh.vertices.size());
  for (std::uint32_t v = 0; v < mesh.vertices.size(); ++v) {
    const Eigen::Vector3d& p = mesh.vertices[v];
    const std::int64_t i = cell(p.x()), j = cell(p.y()), k = cell(p.z());
    stands_for[v] = v;
    for (int n = 0; n < 27 && stands_for[v] == v; ++n) {
      const auto found = grid.find({i + n % 3 - 1, j + n / 3 % 3 - 1, k + n / 9 - 1});
      if (found == grid.end()) continue;
      for (const std::uint32_t w : found->second) {
        if ((mesh.vertices[w] - p).norm() > tolerance) continue;
        stands_for[v] = w;
        break;
      }
    }
    if (stands_for[v] == v) {
      grid[{i, j, k}].push_back(v);
    } else {
      ++repair.merged_vertices;
    }
  }
  for (Triangle& t : mesh.triangles) {
    for (std::uint32_t& v : t) v = stands_for[v];
  }
}

/// Collapsed triangles go; of equal ones the first stays, and two that lie back to back go both.
void dropUseless(TriangleMesh& mesh, Repair& repair) {
  struct Key {
    Triangle sorted;
    bool even;
    std::size_t index;
  };
  std::vector<Key> keys;
  std::vector<char> drop(mesh.triangles.size(), 0);
  for (std::size_t n = 0; n < mesh.triangles.size(); ++n) {
    Triangle t = mesh.triangles[n];
    if (t[0] == t[1] || t[1] == t[2] || t[2] == t[0]) {
      drop[n] = 1;
      continue;
    }
    std::rotate(t.begin(), std::min_element(t.begin(), t.end()), t.end());
    const bool even = t[1] < t[2];
    if (!even) std::swap(t[1], t[2]);
    keys.push_back({t, even, n});
  }
  std::sort(keys.begin(), keys.end(),
            [](const Key& a, const Key& b) { return std::tie(a.sorted, a.index) < std::tie(b.sorted, b.index); });
  for (std::size_t first = 0, end = 0; first < keys.size(); first = end) {
    while (end < keys.size() && keys[end].sorted == keys[first].sorted) ++end;
    if (end - first < 2) continue;
    const bool both =
        std::any_of(keys.begin() + static_cast<std::ptrdiff_t>(first), keys.begin() + static_cast<std::ptrdiff_t>(end),
                    [&](const Key& k) { return k.even != keys[first].even; });
    for (std::size_t n = first; n < end; ++n) drop[keys[n].index] = both || n > first;
  }
  std::vector<Triangle> kept;
  kept.reserve(mesh.triangles.size());
  for (std::size_t n = 0; n < mesh.triangles.size(); ++n) {
    if (!drop[n]) kept.push_back(mesh.triangles[n]);
  }
  repair.dropped_triangles += static_cast<std::int64_t>(mesh.triangles.size() - kept.size());
  mesh.triangles = std::move(kept);
}

struct Side {
  std::uint32_t low, high, triangle;
  bool forward;
};

/// Neighbours over edges of exactly two triangles, and whether both run the same way along it.
std::vector<std::vector<std::pair<std::uint32_t, bool>>> neighbours(const TriangleMesh& mesh) {
  std::vector<Side> sides;
  sides.reserve(3 * mesh.triangles.size());
  for (std::uint32_t n = 0; n < mesh.triangles.size(); ++n) {
    const Triangle& t = mesh.triangles[n];
    for (int k = 0; k < 3; ++k) {
      const std::uint32_t a = t[k], b = t[(k + 1) % 3];
      sides.push_back({std::min(a, b), std::max(a, b), n, a < b});
    }
  }
  const auto key = [](const Side& s) { return std::tie(s.low, s.high, s.triangle); };
  std::sort(sides.begin(), sides.end(), [&](const Side& a, const Side& b) { return key(a) < key(b); });
  std::vector<std::vector<std::pair<std::uint32_t, bool>>> result(mesh.triangles.size());
  for (std::size_t first = 0, end = 0; first < sides.size(); first = end) {
    while (end < sides.size() && sides[end].low == sides[first].low && sides[end].high == sides[first].high) ++end;
    if (end - first != 2) continue;
    const Side &a = sides[first], &b = sides[first + 1];
    result[a.triangle].emplace_back(b.triangle, a.forward == b.forward);
    result[b.triangle].emplace_back(a.triangle, a.forward == b.forward);
  }
  return result;
}

/// Gives each patch of triangles one sense; the fewer of its triangles are turned.
void turnOdd(TriangleMesh& mesh, Repair& repair) {
  const auto around = neighbours(mesh);
  std::vector<signed char> sense(mesh.triangles.size(), 0);
  for (std::uint32_t seed = 0; seed < mesh.triangles.size(); ++seed) {
    if (sense[seed] != 0) continue;
    std::vector<std::uint32_t> patch = {seed};
    sense[seed] = 1;
    for (std::size_t n = 0; n < patch.size(); ++n) {
      for (const auto& [other, against] : around[patch[n]]) {
        if (sense[other] != 0) continue;  // a Möbius band stays as it is found, and open
        sense[other] = static_cast<signed char>(against ? -sense[patch[n]] : sense[patch[n]]);
        patch.push_back(other);
      }
    }
    const auto turned = std::count_if(patch.begin(), patch.end(), [&](std::uint32_t t) { return sense[t] < 0; });
    const int odd = 2 * turned > static_cast<std::ptrdiff_t>(patch.size()) ? 1 : -1;
    for (const std::uint32_t t : patch) {
      if (sense[t] != odd) continue;
      std::swap(mesh.triangles[t][1], mesh.triangles[t][2]);
      ++repair.turned_triangles;
    }
  }
}

}  // namespace

TriangleMesh repaired(TriangleMesh mesh, double tolerance_mm, Repair& repair) {
  repair = {};
  mergeNear(mesh, tolerance_mm, repair);
  dropUseless(mesh, repair);
  turnOdd(mesh, repair);
  Caps caps;
  TriangleMesh closed = capped(mesh, caps);
  if (caps.openings == 0 || caps.area_mm2 > kCapShare * area_mm2(mesh)) return mesh;
  repair.capped_openings = caps.openings;
  repair.capped_area_mm2 = caps.area_mm2;
  return closed;
}

}  // namespace osteo::mesh
