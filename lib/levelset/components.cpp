#include "levelset/components.h"

#include <openvdb/tools/SignedFloodFill.h>

#include <algorithm>
#include <numeric>

#include "core/parallel.h"
#include "levelset/grid.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;
using Leaf = openvdb::FloatTree::LeafNodeType;

constexpr int kSide = 8, kVoxels = 512;
constexpr std::uint16_t kNone = 0xffff;

int offsetOf(int x, int y, int z) { return (x * kSide + y) * kSide + z; }

std::int32_t rootOf(std::vector<std::int32_t>& parent, std::int32_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

void unite(std::vector<std::int32_t>& parent, std::int32_t a, std::int32_t b) {
  a = rootOf(parent, a);
  b = rootOf(parent, b);
  parent[std::max(a, b)] = std::min(a, b);
}

/// Adds up sums of whole numbers: exact, whatever their order.
void absorb(Piece& sums, const Piece& other) {
  sums.volume_mm3 += other.volume_mm3;
  sums.centre_mm += other.centre_mm;
  sums.min = sums.min.cwiseMin(other.min);
  sums.max = sums.max.cwiseMax(other.max);
  sums.reaches_border = sums.reaches_border || other.reaches_border;
}

}  // namespace

/// Voxels that a slab of blocks gives to a piece.
struct Components::Sums {
  std::int32_t piece;
  Piece of;
};

/// 8³ voxels: a leaf with its own labelling, or a uniform block.
struct Components::Block {
  const Leaf* leaf = nullptr;
  std::int32_t first = 0;            ///< global number of its local component 0
  std::int32_t count = 0;            ///< local components; a uniform block on the wanted side has one
  std::vector<std::uint16_t> local;  ///< of a leaf with more than one component or both sides
  int labelAt(int offset) const {
    return count == 0 ? -1 : local.empty() ? 0 : local[offset] == kNone ? -1 : local[offset];
  }

  void label(bool inside, float iso) {
    const float* values = leaf->buffer().data();
    local.assign(kVoxels, kNone);
    std::array<std::int16_t, kVoxels> stack;
    for (int seed = 0; seed < kVoxels; ++seed) {
      if (local[seed] != kNone || (values[seed] < iso) != inside) continue;
      int top = 0;
      const auto push = [&](int at) {
        if (local[at] != kNone || (values[at] < iso) != inside) return;
        local[at] = static_cast<std::uint16_t>(count);
        stack[top++] = static_cast<std::int16_t>(at);
      };
      push(seed);
      while (top > 0) {
        const int at = stack[--top], x = at >> 6, y = at >> 3 & 7, z = at & 7;
        if (x > 0) push(at - 64);
        if (x < 7) push(at + 64);
        if (y > 0) push(at - 8);
        if (y < 7) push(at + 8);
        if (z > 0) push(at - 1);
        if (z < 7) push(at + 1);
      }
      ++count;
    }
  }

  /// Numbers, sums and boxes of the indices of its components' voxels.
  void measure(const Eigen::Vector3i& origin, bool border, std::vector<Piece>& sums) const {
    if (local.empty() && count > 0) {
      const Eigen::Vector3i last = origin.array() + (kSide - 1);
      sums[0] = {kVoxels, origin, last, 0.5 * kVoxels * (origin + last).cast<double>(), border};
    }
    for (std::size_t at = 0; at < local.size(); ++at) {
      if (local[at] == kNone) continue;
      const auto n = static_cast<int>(at);
      const Eigen::Vector3i ijk = origin + Eigen::Vector3i(n >> 6, n >> 3 & 7, n & 7);
      absorb(sums[local[at]], {1, ijk, ijk, ijk.cast<double>(), border});
    }
  }
};

Components::Components(const LevelSet& level_set, Side side, double iso_mm)
    : level_set_(level_set), side_(side), iso_(static_cast<float>(iso_mm)) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  for (int axis = 0; axis < 3; ++axis) {  // one block of margin: the way around
    low_[axis] = (min[axis] >> 3) - 1;
    count_[axis] = std::max(0, (max[axis] >> 3) + 2 - low_[axis]);
  }
  cutBlocks();
  join();
  measure();
}

Components::~Components() = default;

void Components::cutBlocks() {
  blocks_.resize(static_cast<std::size_t>(count_[0]) * count_[1] * count_[2]);
  const bool inside = side_ == Side::Inside;
  const auto& tree = level_set_.grid().vdb->tree();
  core::parallelFor(count_[0], [&](std::int64_t x) {
    openvdb::tree::ValueAccessor<const openvdb::FloatTree> values(tree);
    std::size_t at = static_cast<std::size_t>(x) * count_[1] * count_[2];
    for (int y = 0; y < count_[1]; ++y) {
      for (int z = 0; z < count_[2]; ++z, ++at) {
        const Coord origin((low_[0] + static_cast<int>(x)) * kSide, (low_[1] + y) * kSide, (low_[2] + z) * kSide);
        Block& block = blocks_[at];
        block.leaf = values.probeConstLeaf(origin);
        if (block.leaf != nullptr) {
          block.label(inside, iso_);
        } else {
          block.count = (values.getValue(origin) < iso_) == inside ? 1 : 0;
        }
      }
    }
  });
  std::int32_t next = 0;
  for (Block& block : blocks_) {
    block.first = next;
    next += block.count;
  }
  piece_of_.resize(next);
}

void Components::join() {
  std::iota(piece_of_.begin(), piece_of_.end(), 0);
  const std::size_t step[3] = {static_cast<std::size_t>(count_[1]) * count_[2], static_cast<std::size_t>(count_[2]), 1};
  const auto joinFace = [&](const Block& a, const Block& b, int axis) {
    if (a.count == 0 || b.count == 0) return;
    if (a.local.empty() && b.local.empty()) return unite(piece_of_, a.first, b.first);
    for (int u = 0; u < kSide; ++u) {
      for (int v = 0; v < kSide; ++v) {
        int at[3] = {u, v, v};
        at[axis] = 7;
        at[(axis + 1) % 3] = u;
        at[(axis + 2) % 3] = v;
        const int here = a.labelAt(offsetOf(at[0], at[1], at[2]));
        at[axis] = 0;
        const int there = b.labelAt(offsetOf(at[0], at[1], at[2]));
        if (here >= 0 && there >= 0) unite(piece_of_, a.first + here, b.first + there);
      }
    }
  };
  std::size_t index = 0;
  for (int x = 0; x < count_[0]; ++x) {
    for (int y = 0; y < count_[1]; ++y) {
      for (int z = 0; z < count_[2]; ++z, ++index) {
        const int position[3] = {x, y, z};
        for (int axis = 0; axis < 3; ++axis) {
          if (position[axis] + 1 < count_[axis]) joinFace(blocks_[index], blocks_[index + step[axis]], axis);
        }
      }
    }
  }
  std::vector<std::int32_t> number(piece_of_.size(), -1);
  std::int32_t pieces = 0;
  for (std::size_t i = 0; i < piece_of_.size(); ++i) {
    const std::int32_t root = rootOf(piece_of_, static_cast<std::int32_t>(i));
    if (number[root] < 0) number[root] = pieces++;
  }
  for (std::size_t i = 0; i < piece_of_.size(); ++i) {
    number[i] = number[rootOf(piece_of_, static_cast<std::int32_t>(i))];
  }
  piece_of_ = std::move(number);
  pieces_.resize(pieces);
}

void Components::measure() {
  std::vector<std::vector<Sums>> parts(count_[0]);
  core::parallelFor(count_[0], [&](std::int64_t x) { measureSlab(static_cast<int>(x), parts[x]); });
  for (const auto& part : parts) {
    for (const Sums& sums : part) absorb(pieces_[sums.piece], sums.of);
  }
  const double h = level_set_.voxel_mm();
  for (Piece& piece : pieces_) {
    piece.centre_mm *= h / piece.volume_mm3;
    piece.volume_mm3 *= h * h * h;
  }
}

/// The sums of one slab of blocks, by piece; a piece may come several times.
void Components::measureSlab(int x, std::vector<Sums>& out) const {
  std::size_t index = static_cast<std::size_t>(x) * count_[1] * count_[2];
  std::vector<Piece> sums;  // of one block, by local number
  for (int y = 0; y < count_[1]; ++y) {
    for (int z = 0; z < count_[2]; ++z, ++index) {
      const Block& block = blocks_[index];
      const bool border = x == 0 || y == 0 || z == 0 || x + 1 == count_[0] || y + 1 == count_[1] || z + 1 == count_[2];
      sums.assign(block.count, Piece());
      block.measure((low_ + Eigen::Vector3i(x, y, z)) * kSide, border, sums);
      for (int local = 0; local < block.count; ++local) {
        const std::int32_t number = piece_of_[block.first + local];
        if (out.empty() || out.back().piece != number) out.push_back({number, Piece()});
        absorb(out.back().of, sums[local]);
      }
    }
  }
}

LevelSet Components::filtered(const std::function<bool(const Piece&)>& keep, bool true_distances) const {
  std::vector<char> kept(pieces_.size());
  std::transform(pieces_.begin(), pieces_.end(), kept.begin(), [&](const Piece& p) { return keep(p) ? 1 : 0; });
  if (std::all_of(kept.begin(), kept.end(), [](char k) { return k == 1; })) return level_set_;
  auto grid = level_set_.grid().vdb->deepCopy();
  const float other = side_ == Side::Inside ? grid->background() : -grid->background();
  openvdb::tree::ValueAccessor<openvdb::FloatTree> values(grid->tree());
  for (std::size_t index = 0; index < blocks_.size(); ++index) {
    const Block& block = blocks_[index];
    const int stride = count_[1] * count_[2], i = static_cast<int>(index);
    const Coord origin((low_[0] + i / stride) * kSide, (low_[1] + i / count_[2] % count_[1]) * kSide,
                       (low_[2] + i % count_[2]) * kSide);
    for (int at = 0; at < kVoxels && block.count > 0; ++at) {
      const int local = block.labelAt(at);
      if (local < 0 || kept[piece_of_[block.first + local]] != 0) continue;
      if (block.leaf == nullptr) {
        grid->tree().addTile(1, origin, other, false);
        break;
      }
      values.setValueOnly(origin + Coord(at >> 6, at >> 3 & 7, at & 7), other);
    }
  }
  return true_distances ? redistance(wrap(grid)) : wrap(grid);
}

void Components::forOthers(const std::function<bool(const Piece&)>& keep,
                           const std::function<void(const Eigen::Vector3i&)>& visit) const {
  std::vector<char> kept(pieces_.size());
  std::transform(pieces_.begin(), pieces_.end(), kept.begin(), [&](const Piece& p) { return keep(p) ? 1 : 0; });
  for (std::size_t index = 0; index < blocks_.size(); ++index) {
    const Block& block = blocks_[index];
    bool any = false;
    for (int local = 0; local < block.count; ++local) any = any || kept[piece_of_[block.first + local]] == 0;
    if (!any) continue;
    const int stride = count_[1] * count_[2], i = static_cast<int>(index);
    const Eigen::Vector3i origin =
        (low_ + Eigen::Vector3i(i / stride, i / count_[2] % count_[1], i % count_[2])) * kSide;
    for (int at = 0; at < kVoxels; ++at) {
      const int local = block.labelAt(at);
      if (local >= 0 && kept[piece_of_[block.first + local]] == 0)
        visit(origin + Eigen::Vector3i(at >> 6, at >> 3 & 7, at & 7));
    }
  }
}

LevelSet largestComponent(const LevelSet& level_set, int* pieces_removed) {
  const Components components(level_set, Components::Side::Inside);
  const auto& pieces = components.pieces();
  if (pieces_removed != nullptr) *pieces_removed = pieces.empty() ? 0 : static_cast<int>(pieces.size()) - 1;
  if (pieces.size() < 2) return level_set;
  const auto* largest = &*std::max_element(pieces.begin(), pieces.end(),
                                           [](const Piece& a, const Piece& b) { return a.volume_mm3 < b.volume_mm3; });
  return components.filtered([largest](const Piece& piece) { return &piece == largest; });
}

LevelSet fillCavities(const LevelSet& level_set, double* filled_mm3) {
  const Components components(level_set, Components::Side::Outside);
  if (filled_mm3 != nullptr) {
    *filled_mm3 = 0;
    for (const Piece& piece : components.pieces()) *filled_mm3 += piece.reaches_border ? 0 : piece.volume_mm3;
  }
  return components.filtered([](const Piece& piece) { return piece.reaches_border; });
}

}  // namespace osteo::levelset
