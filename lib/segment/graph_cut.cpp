#include "segment/graph_cut.h"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <vector>

namespace osteo::segment {

using image::LabelVolume;

namespace {

constexpr int kSides = 6;
constexpr std::int32_t kNone = -1;
// How a node hangs in its tree: 0 to 5 is the side of its parent.
constexpr std::int8_t kFree = -1, kRoot = -2, kOrphan = -3;

constexpr int opposite(int side) { return side ^ 1; }

struct Node {
  std::array<std::int32_t, kSides> next;  ///< neighbours, or kNone
  std::array<std::int32_t, kSides> left;  ///< what the links to them still carry
  std::int32_t terminal = 0;              ///< what the link from the source still carries, or less than 0 to the sink
  std::int32_t stamp = 0, depth = 0;      ///< steps to the root, as known at that time
  std::int8_t parent = kFree;
  bool sink = false, active = false;  ///< tree; whether it waits in the queue
};

/// Two trees grow from source and sink; where they touch, flow is sent, and what it saturates is hung up elsewhere.
class Flow {
 public:
  explicit Flow(std::vector<Node> nodes) : nodes_(std::move(nodes)) {}

  std::int64_t run() {
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      Node& node = nodes_[n];
      if (node.terminal == 0) continue;
      node.parent = kRoot;
      node.sink = node.terminal < 0;
      node.depth = 1;
      wake(static_cast<std::int32_t>(n));
    }
    while (!queue_.empty()) {
      const std::int32_t at = queue_.front();
      const int side = at_(at).parent == kFree ? kSides : grow(at);
      if (side == kSides) {  // nothing more to gain from here
        queue_.pop_front();
        at_(at).active = false;
        continue;
      }
      ++time_;
      const bool from_sink = at_(at).sink;
      const std::int32_t other = at_(at).next[static_cast<std::size_t>(side)];
      if (from_sink)
        augment(other, opposite(side));
      else
        augment(at, side);
      adoptAll();
    }
    return flow_;
  }
  /// What the source still reaches is inside.
  bool inside(std::size_t n) const { return nodes_[n].parent != kFree && !nodes_[n].sink; }

 private:
  Node& at_(std::int32_t n) { return nodes_[static_cast<std::size_t>(n)]; }
  static std::size_t s(int side) { return static_cast<std::size_t>(side); }

  void wake(std::int32_t n) {
    if (at_(n).active) return;
    at_(n).active = true;
    queue_.push_back(n);
  }

  /// What still flows along the tree between a node and its neighbour on a side, away from the source.
  std::int32_t outward(const Node& node, int side) {
    return node.sink ? at_(node.next[s(side)]).left[s(opposite(side))] : node.left[s(side)];
  }

  /// Takes in free neighbours; returns the side on which the other tree was met, or kSides.
  int grow(std::int32_t n) {
    Node& node = at_(n);
    for (int side = 0; side < kSides; ++side) {
      const std::int32_t m = node.next[s(side)];
      if (m == kNone || outward(node, side) == 0) continue;
      Node& other = at_(m);
      if (other.parent == kFree) {
        other.sink = node.sink;
        hang(other, opposite(side), node);
        wake(m);
      } else if (other.sink != node.sink) {
        return side;
      } else if (other.stamp <= node.stamp && other.depth > node.depth && other.parent >= 0) {
        hang(other, opposite(side), node);  // a shorter way to the root
      }
    }
    return kSides;
  }

  static void hang(Node& child, int side, const Node& parent) {
    child.parent = static_cast<std::int8_t>(side);
    child.stamp = parent.stamp;
    child.depth = parent.depth + 1;
  }

  /// Sends what fits from the source's tree at `from` across a side into the sink's tree.
  void augment(std::int32_t from, int side) {
    const std::int32_t to = at_(from).next[s(side)];
    std::int32_t most = at_(from).left[s(side)];
    std::int32_t n = from;
    for (; at_(n).parent != kRoot; n = at_(n).next[s(at_(n).parent)]) {
      const int up = at_(n).parent;
      most = std::min(most, at_(at_(n).next[s(up)]).left[s(opposite(up))]);
    }
    most = std::min(most, at_(n).terminal);
    for (n = to; at_(n).parent != kRoot; n = at_(n).next[s(at_(n).parent)])
      most = std::min(most, at_(n).left[s(at_(n).parent)]);
    most = std::min(most, -at_(n).terminal);

    at_(from).left[s(side)] -= most;
    at_(to).left[s(opposite(side))] += most;
    for (n = from; at_(n).parent != kRoot;) {
      const int up = at_(n).parent;
      const std::int32_t above = at_(n).next[s(up)];
      at_(n).left[s(up)] += most;
      if ((at_(above).left[s(opposite(up))] -= most) == 0) orphan(n);
      n = above;
    }
    if ((at_(n).terminal -= most) == 0) orphan(n);
    for (n = to; at_(n).parent != kRoot;) {
      const int up = at_(n).parent;
      const std::int32_t above = at_(n).next[s(up)];
      at_(above).left[s(opposite(up))] += most;
      if ((at_(n).left[s(up)] -= most) == 0) orphan(n);
      n = above;
    }
    if ((at_(n).terminal += most) == 0) orphan(n);
    flow_ += most;
  }

  void orphan(std::int32_t n) {
    at_(n).parent = kOrphan;
    orphans_.push_back(n);
  }

  void adoptAll() {
    while (!orphans_.empty()) {
      const std::int32_t n = orphans_.front();
      orphans_.pop_front();
      adopt(n);
    }
  }

  /// Steps to the root, or the largest number when the node hangs on an orphan; marks the way for the next time.
  std::int32_t depthOf(std::int32_t n) {
    std::int32_t steps = 0, m = n;
    for (;; m = at_(m).next[s(at_(m).parent)]) {
      if (at_(m).stamp == time_) {
        steps += at_(m).depth;
        break;
      }
      ++steps;
      if (at_(m).parent == kRoot) {
        at_(m).stamp = time_;
        at_(m).depth = 1;
        break;
      }
      if (at_(m).parent < 0) return std::numeric_limits<std::int32_t>::max();
    }
    std::int32_t depth = steps;
    for (m = n; at_(m).stamp != time_; m = at_(m).next[s(at_(m).parent)]) {
      at_(m).stamp = time_;
      at_(m).depth = depth--;
    }
    return steps;
  }

  void adopt(std::int32_t n) {
    Node& node = at_(n);
    int best = kSides;
    std::int32_t least = std::numeric_limits<std::int32_t>::max();
    for (int side = 0; side < kSides; ++side) {
      const std::int32_t m = node.next[s(side)];
      if (m == kNone || at_(m).sink != node.sink || at_(m).parent == kFree) continue;
      const std::int32_t carries = node.sink ? node.left[s(side)] : at_(m).left[s(opposite(side))];
      if (carries == 0) continue;
      const std::int32_t depth = depthOf(m);
      if (depth < least) least = depth, best = side;
    }
    if (best < kSides) {
      node.parent = static_cast<std::int8_t>(best);
      node.stamp = time_;
      node.depth = least + 1;
      return;
    }
    node.parent = kFree;
    for (int side = 0; side < kSides; ++side) {
      const std::int32_t m = node.next[s(side)];
      if (m == kNone || at_(m).sink != node.sink || at_(m).parent == kFree) continue;
      const std::int32_t carries = node.sink ? node.left[s(side)] : at_(m).left[s(opposite(side))];
      if (carries > 0) wake(m);
      if (at_(m).parent == opposite(side)) orphan(m);
    }
  }

  std::vector<Node> nodes_;
  std::deque<std::int32_t> queue_, orphans_;
  std::int32_t time_ = 0;
  std::int64_t flow_ = 0;
};

/// The graph of the undecided voxels, in their order in the volume: links to decided ones become terminal.
std::vector<Node> graphOf(const LabelVolume& trimap, const std::vector<std::int64_t>& voxels, const CutCosts& costs,
                          std::int64_t& outright) {
  const image::Frame& frame = trimap.frame;
  const std::array<std::int64_t, 3> step{1, frame.size[0], std::int64_t{frame.size[0]} * frame.size[1]};
  std::vector<Node> nodes(voxels.size());
  for (Node& node : nodes) node.next.fill(kNone), node.left.fill(0);
  std::array<std::size_t, 3> ahead{};  // of each axis: the node that the current one's neighbour is looked for from
  for (std::size_t n = 0; n < voxels.size(); ++n) {
    const std::int64_t v = voxels[n];
    std::int64_t to_source = 0, to_sink = 0;
    const int gain = costs.inside(v);
    (gain > 0 ? to_source : to_sink) += std::abs(gain);
    for (int axis = 0; axis < 3; ++axis) {
      const auto a = static_cast<std::size_t>(axis);
      const std::int64_t at = v / step[a] % frame.size[axis];
      for (const int sign : {1, -1}) {
        if (at + sign < 0 || at + sign >= frame.size[axis]) continue;
        const std::int64_t w = v + sign * step[a];
        const std::uint16_t label = trimap.voxels[static_cast<std::size_t>(w)];
        if (label != kUndecided) {
          (label ? to_source : to_sink) += costs.border(v, w);
        } else if (sign > 0) {
          while (voxels[ahead[a]] < w) ++ahead[a];
          const std::size_t m = ahead[a];
          nodes[n].next[2 * a] = static_cast<std::int32_t>(m);
          nodes[m].next[2 * a + 1] = static_cast<std::int32_t>(n);
          nodes[n].left[2 * a] = nodes[m].left[2 * a + 1] = costs.border(v, w);
        }
      }
    }
    outright += std::min(to_source, to_sink);
    nodes[n].terminal = static_cast<std::int32_t>(to_source - to_sink);
  }
  return nodes;
}

}  // namespace

std::int64_t cutUndecided(LabelVolume& trimap, const CutCosts& costs) {
  std::vector<std::int64_t> voxels;
  for (std::size_t v = 0; v < trimap.voxels.size(); ++v) {
    if (trimap.voxels[v] == kUndecided) voxels.push_back(static_cast<std::int64_t>(v));
  }
  std::int64_t outright = 0;
  Flow flow(graphOf(trimap, voxels, costs, outright));
  const std::int64_t cost = flow.run();
  for (std::size_t n = 0; n < voxels.size(); ++n)
    trimap.voxels[static_cast<std::size_t>(voxels[n])] = flow.inside(n) ? 1 : 0;
  return cost + outright;
}

}  // namespace osteo::segment
