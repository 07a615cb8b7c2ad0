#include "reconstruct/grid_cut.h"

#include <algorithm>
#include <array>

namespace osteo::reconstruct {
namespace {

class Flow {
 public:
  Flow(const std::vector<Role>& role, const Eigen::Vector3i& size)
      : role_(role), size_(size), step_{1, size[0], std::int64_t{size[0]} * size[1]} {
    room_.resize(role.size());
    level_.resize(role.size());
    next_.resize(role.size());
    for (std::size_t v = 0; v < role.size(); ++v) {
      if (role[v] == Role::Source) sources_.push_back(static_cast<std::int64_t>(v));
      for (int side = 0; side < 6; ++side) {
        const std::int64_t to = neighbour(static_cast<std::int64_t>(v), side);
        room_[v][side] = role[v] != Role::Outside && to >= 0 && role[to] != Role::Outside ? 1 : 0;
      }
    }
  }

  GridCut run() {
    GridCut cut;
    while (spread()) {
      std::fill(next_.begin(), next_.end(), 0);
      for (const std::int64_t source : sources_) {
        while (push(source)) ++cut.faces;
      }
    }
    for (std::size_t v = 0; v < level_.size(); ++v) {
      if (level_[v] >= 0) cut.voxels.push_back(static_cast<std::int64_t>(v));
    }
    return cut;
  }

 private:
  std::int64_t neighbour(std::int64_t v, int side) const {
    const int axis = side / 2;
    const std::int64_t at = v / step_[axis] % size_[axis];
    if (side % 2 == 0) return at == 0 ? -1 : v - step_[axis];
    return at + 1 == size_[axis] ? -1 : v + step_[axis];
  }

  /// Numbers what can still be reached from the source by steps; whether the sink is.
  bool spread() {
    std::fill(level_.begin(), level_.end(), -1);
    std::vector<std::int64_t> queue = sources_;
    for (const std::int64_t v : queue) level_[v] = 0;
    bool reached = false;
    for (std::size_t head = 0; head < queue.size(); ++head) {
      const std::int64_t v = queue[head];
      if (role_[v] == Role::Sink) {
        reached = true;
        continue;
      }
      for (int side = 0; side < 6; ++side) {
        if (room_[v][side] == 0) continue;
        const std::int64_t to = neighbour(v, side);
        if (level_[to] >= 0) continue;
        level_[to] = level_[v] + 1;
        queue.push_back(to);
      }
    }
    return reached;
  }

  /// One unit along a shortest way.
  bool push(std::int64_t source) {
    std::vector<std::pair<std::int64_t, int>> way;
    std::int64_t v = source;
    while (role_[v] != Role::Sink) {
      int& side = next_[v];
      while (side < 6 && (room_[v][side] == 0 || level_[neighbour(v, side)] != level_[v] + 1)) ++side;
      if (side < 6) {
        way.emplace_back(v, side);
        v = neighbour(v, side);
        continue;
      }
      if (way.empty()) return false;
      v = way.back().first;
      way.pop_back();
      ++next_[v];
    }
    for (const auto& [from, side] : way) {
      --room_[from][side];
      ++room_[neighbour(from, side)][side ^ 1];
    }
    return true;
  }

  const std::vector<Role>& role_;
  Eigen::Vector3i size_;
  std::array<std::int64_t, 3> step_;
  std::vector<std::array<std::int8_t, 6>> room_;
  std::vector<std::int32_t> level_;
  std::vector<int> next_;
  std::vector<std::int64_t> sources_;
};

}  // namespace

GridCut cutBetween(const std::vector<Role>& role, const Eigen::Vector3i& size) { return Flow(role, size).run(); }

}  // namespace osteo::reconstruct
