#include "design_scaffold/throat.h"

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <numeric>

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3i;

/// Disjoint sets whose members know how far they lie from their root without wrapping around.
class WoundSets {
 public:
  explicit WoundSets(std::size_t count) : parent_(count), offset_(count, Vector3i::Zero()) {
    std::iota(parent_.begin(), parent_.end(), 0U);
  }
  /// Root of n, and the way from n to it.
  std::uint32_t root(std::uint32_t n, Vector3i& way) {
    way.setZero();
    std::uint32_t r = n;
    for (; parent_[r] != r; r = parent_[r]) way += offset_[r];
    // Second pass: all of the path points at the root.
    Vector3i rest = way;
    while (parent_[n] != r && n != r) {
      const std::uint32_t next = parent_[n];
      const Vector3i own = offset_[n];
      parent_[n] = r;
      offset_[n] = rest;
      rest -= own;
      n = next;
    }
    return r;
  }
  void join(std::uint32_t from, std::uint32_t to, const Vector3i& way) {
    parent_[from] = to;
    offset_[from] = way;
  }

 private:
  std::vector<std::uint32_t> parent_;
  std::vector<Vector3i> offset_;
};

}  // namespace

std::array<double, 3> throatRadii(const std::vector<float>& distance, PeriodicNodes nodes) {
  std::vector<std::uint32_t> order;
  for (std::size_t n = 0; n < distance.size(); ++n)
    if (distance[n] > 0) order.push_back(static_cast<std::uint32_t>(n));
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return distance[a] != distance[b] ? distance[a] > distance[b] : a < b;
  });
  WoundSets sets(distance.size());
  std::vector<char> is_open(distance.size(), 0);
  std::array<double, 3> radii{};
  const int side = nodes.side;
  for (const std::uint32_t n : order) {
    is_open[n] = 1;
    const int i = static_cast<int>(n) % side, j = static_cast<int>(n) / side % side,
              k = static_cast<int>(n) / side / side;
    for (int dk = -1; dk <= 1; ++dk)
      for (int dj = -1; dj <= 1; ++dj)
        for (int di = -1; di <= 1; ++di) {
          const auto next = static_cast<std::uint32_t>(nodes.at(i + di, j + dj, k + dk));
          if (next == n || is_open[next] == 0) continue;
          Vector3i from_n, from_next;
          const std::uint32_t a = sets.root(n, from_n), b = sets.root(next, from_next);
          const Vector3i way = Vector3i(di, dj, dk) + from_next - from_n;  // from a to b
          if (a != b) {
            sets.join(a, b, way);
            continue;
          }
          for (int axis = 0; axis < 3; ++axis)  // a way around the box back to itself
            if (way[axis] != 0 && radii[static_cast<std::size_t>(axis)] == 0)
              radii[static_cast<std::size_t>(axis)] = distance[n];
        }
    if (std::all_of(radii.begin(), radii.end(), [](double r) { return r > 0; })) break;
  }
  return radii;
}

}  // namespace osteo::design_scaffold
