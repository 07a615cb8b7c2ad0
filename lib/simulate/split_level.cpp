#include "simulate/split_level.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "simulate/brick.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;
using Mask = std::uint8_t;

/// Corners with a weight, and the weights, for each of the 27 places of a fine node in its cell.
struct Weights {
  std::array<int, 27> count = {};
  std::array<std::array<int, 8>, 27> corner = {};
  std::array<float, 27> weight = {};  ///< the same for all corners that have one
  Weights() {
    for (int at = 0; at < 27; ++at) {
      const int place[3] = {at % 3, at / 3 % 3, at / 9};
      for (int a = 0; a < 8; ++a) {
        bool has_weight = true;
        for (int c = 0; c < 3; ++c) has_weight &= place[c] == 1 || place[c] == 2 * (a >> c & 1);
        if (has_weight) corner[at][count[at]++] = a;
      }
      weight[at] = 1.0F / static_cast<float>(count[at]);
    }
  }
};
const Weights kInterpolation;

/// The cells of a model with their filled octants, row by row.
struct Cells {
  Eigen::Vector3i size;          ///< of the grid of cells
  std::vector<Index> row_start;  ///< first cell of row J + NY·K, and the end
  std::vector<std::int32_t> i;   ///< place along x, rising within a row
  std::vector<Mask> octants;

  explicit Cells(const VoxelModel& model) : size((model.frame.size.array() + 1) / 2) {
    std::vector<Mask> line(static_cast<std::size_t>(size[0]));
    row_start.assign(static_cast<std::size_t>(Index{size[1]} * size[2] + 1), 0);
    for (int K = 0; K < size[2]; ++K) {
      // The runs of two layers are in order of j, so a pointer into each suffices.
      Index at[2], end[2];
      for (int z = 0; z < 2; ++z) {
        const int k = std::min(2 * K + z, model.frame.size[2]);
        at[z] = model.layer_start[k];
        end[z] = model.layer_start[std::min(k + 1, model.frame.size[2])];
      }
      for (int J = 0; J < size[1]; ++J) {
        int low = size[0], high = -1;
        for (int z = 0; z < 2; ++z)
          for (; at[z] < end[z] && model.runs[at[z]].j < 2 * J + 2; ++at[z]) {
            const ElementRun& run = model.runs[at[z]];
            low = std::min(low, run.i / 2), high = std::max(high, (run.i + run.count - 1) / 2);
            for (int x = run.i; x < run.i + run.count; ++x)
              line[x / 2] |= static_cast<Mask>(1 << ((x & 1) + 2 * (run.j & 1) + 4 * z));
          }
        for (int I = low; I <= high; ++I)
          if (line[I]) {
            i.push_back(I);
            octants.push_back(line[I]);
            line[I] = 0;
          }
        row_start[J + Index{size[1]} * K + 1] = static_cast<Index>(i.size());
      }
    }
  }

  /// Calls visit(run, x, cell) for the element at x of each run and the cell that it lies in.
  template <class Visit>
  void forEachElement(const VoxelModel& model, const Visit& visit) const {
    for (const auto& run : model.runs) {
      const Index row = run.j / 2 + Index{size[1]} * (run.k / 2);
      const auto first = i.begin() + row_start[row], last = i.begin() + row_start[row + 1];
      Index cell = std::lower_bound(first, last, run.i / 2) - i.begin();
      for (int x = run.i; x < run.i + run.count; ++x) {
        if (x > run.i && (x & 1) == 0) ++cell;  // a run fills every cell that it passes
        visit(run, x, cell);
      }
    }
  }
};

/// For each of the 27 fine nodes around a corner: the octants of the 8 cells around it that touch that node. Corner
/// nodes touch one cell only and are left out.
struct Touching {
  std::vector<std::array<Mask, 8>> of;
  Touching() {
    for (int at = 0; at < 27; ++at) {
      const int place[3] = {at % 3 - 1, at / 3 % 3 - 1, at / 9 - 1};
      if (place[0] && place[1] && place[2]) continue;
      std::array<Mask, 8> mask = {};
      for (int cell = 0; cell < 8; ++cell)
        for (int octant = 0; octant < 8; ++octant) {
          bool touches = true;
          for (int c = 0; c < 3; ++c) {
            const int side = cell >> c & 1, half = octant >> c & 1;
            touches &= place[c] == 0 ? half == 1 - side : place[c] == 2 * side - 1;
          }
          if (touches) mask[cell] |= static_cast<Mask>(1 << octant);
        }
      of.push_back(mask);
    }
  }
};
const Touching kTouching;

/// Which of the 8 cells around a corner hang together there: the smallest number of each one's group.
std::array<int, 8> groups(const std::array<Mask, 8>& octants) {
  std::array<int, 8> group = {0, 1, 2, 3, 4, 5, 6, 7};
  for (const auto& node : kTouching.of) {
    int first = -1;
    for (int cell = 0; cell < 8; ++cell) {
      if (!(octants[cell] & node[cell])) continue;
      if (first < 0) {
        first = group[cell];
      } else if (group[cell] != first) {
        const int low = std::min(first, group[cell]), high = std::max(first, group[cell]);
        for (auto& g : group)
          if (g == high) g = low;
        first = low;
      }
    }
  }
  return group;
}

/// Numbers the corners of the cells, plane by plane, row by row.
void numberCorners(const Cells& cells, SplitLevel& level) {
  const auto& size = cells.size;
  level.corners.assign(cells.i.size(), {});
  struct Line {
    std::vector<Index> cell;  // -1 where there is none
  };
  std::array<Line, 4> lines;
  for (auto& line : lines) line.cell.assign(static_cast<std::size_t>(size[0] + 2), -1);
  for (int K = 0; K <= size[2]; ++K)
    for (int J = 0; J <= size[1]; ++J) {
      int low = size[0], high = -1;
      for (int q = 0; q < 4; ++q) {
        const int j = J - 1 + (q & 1), k = K - 1 + (q >> 1);
        if (j < 0 || k < 0 || j >= size[1] || k >= size[2]) continue;
        const Index row = j + Index{size[1]} * k;
        for (Index c = cells.row_start[row]; c < cells.row_start[row + 1]; ++c) {
          lines[q].cell[cells.i[c] + 1] = c;
          low = std::min(low, cells.i[c]), high = std::max(high, cells.i[c]);
        }
      }
      for (int I = low; I <= high + 1; ++I) {
        std::array<Index, 8> around;
        std::array<Mask, 8> octants = {};
        for (int c = 0; c < 8; ++c) {
          around[c] = lines[c >> 1].cell[I + (c & 1)];
          if (around[c] >= 0) octants[c] = cells.octants[around[c]];
        }
        const auto group = groups(octants);
        std::array<std::int32_t, 8> number;
        number.fill(-1);
        for (int c = 0; c < 8; ++c) {
          if (around[c] < 0) continue;
          auto& n = number[group[c]];
          if (n < 0) {
            n = level.nodes++;
            level.position.emplace_back(float(I), float(J), float(K));
          }
          level.corners[around[c]][7 - c] = n;
        }
      }
      for (auto& line : lines) std::fill(line.cell.begin() + low + 1, line.cell.begin() + std::max(low, high) + 2, -1);
    }
}

/// Gives every fine node a cell and a place in it.
void findOwners(const VoxelModel& model, const Cells& cells, SplitLevel& level) {
  level.owner.assign(static_cast<std::size_t>(model.nodes), 0xffffffffU);
  level.local.assign(static_cast<std::size_t>(model.nodes), 0);
  cells.forEachElement(model, [&](const ElementRun& run, int x, Index cell) {
    for (int a = 0; a < 8; ++a) {
      const Index node = run.node[a >> 1] + (x - run.i) + (a & 1);
      if (level.owner[node] != 0xffffffffU) continue;
      level.owner[node] = static_cast<std::uint32_t>(cell);
      const int at[3] = {(x & 1) + (a & 1), (run.j & 1) + (a >> 1 & 1), (run.k & 1) + (a >> 2)};
      level.local[node] = static_cast<std::uint8_t>(at[0] + 3 * at[1] + 9 * at[2]);
    }
  });
}

/// Makes the coarse nodes of tied fine nodes one. Both list their corners in the same order.
void tieCorners(const Ties& ties, SplitLevel& level) {
  std::vector<std::int32_t> parent(static_cast<std::size_t>(level.nodes));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](std::int32_t n) {
    while (parent[n] != n) n = parent[n] = parent[parent[n]];
    return n;
  };
  for (const auto& [copy, original] : ties.copies) {
    const auto a = level.local[copy], b = level.local[original];
    if (kInterpolation.count[a] != kInterpolation.count[b]) continue;  // an odd number of voxels
    for (int q = 0; q < kInterpolation.count[a]; ++q) {
      const auto s = root(level.corners[level.owner[copy]][kInterpolation.corner[a][q]]);
      const auto t = root(level.corners[level.owner[original]][kInterpolation.corner[b][q]]);
      parent[std::max(s, t)] = std::min(s, t);
    }
  }
  std::vector<std::int32_t> number(parent.size());
  std::vector<Eigen::Vector3f> position;
  for (std::int32_t n = 0; n < level.nodes; ++n) {
    const auto first = root(n);
    if (first == n) {
      number[n] = static_cast<std::int32_t>(position.size());
      position.push_back(level.position[n]);
    } else {
      number[n] = number[first];
    }
  }
  for (auto& corners : level.corners)
    for (auto& n : corners) n = number[n];
  level.position = std::move(position);
  level.nodes = static_cast<std::int32_t>(level.position.size());
}

using Stiff = Eigen::Matrix<double, 24, 24>;

/// 24×24 interpolation from a cell's corners to the nodes of one of its octants; rows of held components are zero.
Stiff interpolation(int octant, const std::array<Mask, 8>* held) {
  Stiff T = Stiff::Zero();
  for (int a = 0; a < 8; ++a) {
    int at = 0, step = 1;
    for (int c = 0; c < 3; ++c, step *= 3) at += step * ((octant >> c & 1) + (a >> c & 1));
    for (int n = 0; n < kInterpolation.count[at]; ++n)
      for (int c = 0; c < 3; ++c)
        if (!held || !((*held)[a] >> c & 1))
          T(3 * a + c, 3 * kInterpolation.corner[at][n] + c) = double(kInterpolation.weight[at]);
  }
  return T;
}

/// A cell's stiffness, block row by block row.
using CellBlocks = std::array<float, 576>;
Eigen::Map<Block<3, 3>> blockAt(CellBlocks& blocks, int a, int b) {
  return Eigen::Map<Block<3, 3>>(blocks.data() + (8 * a + b) * 9);
}

/// One entry of a stiffness alone; with three entries all tensors are cubic.
Elastic unitOf(int entry, std::size_t entries) {
  double v[Elastic::kEntries] = {};
  v[entry] = 1;
  return entries == 3 ? cubic(v[0], v[1], v[2]) : Elastic{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]};
}

/// The cell stiffness as sums over octants, three or nine tensors where stiffness isn't uniform.
class CellStiffness {
 public:
  CellStiffness(const VoxelModel& model, const Cells& cells, const std::vector<std::uint8_t>& held)
      : model_(model), cells_(cells), held_(held) {
    const bool is_uniform = model.stiffness.isUniform();
    for (std::size_t q = 0; q < std::max<std::size_t>(1, model.stiffness.entry.size()); ++q) {
      const Elastic unit =
          is_uniform ? model.stiffness.base : unitOf(static_cast<int>(q), model.stiffness.entry.size());
      unit_.push_back(brickStiffness(unit, model.frame.spacing_mm));
      for (int octant = 0; octant < 8; ++octant) {
        const Stiff T = interpolation(octant, nullptr);
        const Eigen::Matrix<float, 24, 24> M = (T.transpose() * unit_[q] * T).cast<float>();
        // Block rows, each block column by column: 8 × 9 values a corner.
        CellBlocks blocks;
        for (int a = 0; a < 8; ++a)
          for (int b = 0; b < 8; ++b) blockAt(blocks, a, b) = M.block<3, 3>(3 * a, 3 * b);
        octants_.push_back(blocks);
      }
    }
    const std::size_t n = cells.i.size();
    elements_.assign(n, {});
    for (auto& e : elements_) e.fill(-1);
    has_held_.assign(n, 0);
    cells.forEachElement(model, [&](const ElementRun& run, int x, Index cell) {
      elements_[cell][(x & 1) + 2 * (run.j & 1) + 4 * (run.k & 1)] = static_cast<std::int32_t>(run.element + x - run.i);
      for (int a = 0; a < 8; ++a) has_held_[cell] |= held[run.node[a >> 1] + (x - run.i) + (a & 1)];
    });
    if (is_uniform) addMasks();
    addHeld();  // cells with held components are few: their whole matrices are kept
  }

  /// Adds block row a of a cell to `out`: 8 blocks of 9 values.
  void addRow(Index cell, int a, float* out) const {
    if (has_held_[cell]) {
      const float* m = held_cells_.at(cell).data() + 72 * a;
      for (int v = 0; v < 72; ++v) out[v] += m[v];
      return;
    }
    const auto& s = model_.stiffness;
    float alike = 0;
    if (s.isUniform() && areAlike(cell, alike)) {
      const float* m = masks_[cells_.octants[cell]].data() + 72 * a;
      for (int v = 0; v < 72; ++v) out[v] += alike * m[v];
      return;
    }
    for (int octant = 0; octant < 8; ++octant) {
      const auto e = elements_[cell][octant];
      if (e < 0) continue;
      for (std::size_t q = 0; q < unit_.size(); ++q) {
        const float* m = octants_[8 * q + octant].data() + 72 * a;
        const float factor = s.isUniform() ? s.scale[e] : s.entry[q][e];
        for (int v = 0; v < 72; ++v) out[v] += factor * m[v];
      }
    }
  }

 private:
  const VoxelModel& model_;
  const Cells& cells_;
  const std::vector<std::uint8_t>& held_;
  std::vector<Stiff> unit_;
  std::vector<CellBlocks> octants_;
  std::vector<CellBlocks> masks_;  ///< of cells whose elements have the same stiffness, by their filled octants
  std::vector<std::array<std::int32_t, 8>> elements_;
  std::vector<Mask> has_held_;
  std::unordered_map<Index, CellBlocks> held_cells_;

  void addMasks() {
    masks_.resize(256);
    for (int mask = 0; mask < 256; ++mask) {
      masks_[mask].fill(0);
      for (int octant = 0; octant < 8; ++octant)
        if (mask >> octant & 1)
          for (int v = 0; v < 576; ++v) masks_[mask][v] += octants_[octant][v];
    }
  }

  /// Whether all elements of a cell have one stiffness, and its factor.
  bool areAlike(Index cell, float& factor) const {
    factor = 0;
    for (const auto e : elements_[cell]) {
      if (e < 0) continue;
      const float own = model_.stiffness.scale[e];
      if (factor == 0) factor = own;
      if (own != factor) return false;
    }
    return true;
  }

  void addHeld() {
    cells_.forEachElement(model_, [&](const ElementRun& run, int x, Index cell) {
      if (!has_held_[cell]) return;
      std::array<Mask, 8> held;
      for (int a = 0; a < 8; ++a) held[a] = held_[run.node[a >> 1] + (x - run.i) + (a & 1)];
      const int octant = (x & 1) + 2 * (run.j & 1) + 4 * (run.k & 1);
      const auto e = run.element + x - run.i;
      const auto& s = model_.stiffness;
      Stiff K = Stiff::Zero();
      for (std::size_t q = 0; q < unit_.size(); ++q) K += double(s.isUniform() ? s.scale[e] : s.entry[q][e]) * unit_[q];
      const Stiff T = interpolation(octant, &held);
      const Stiff M = T.transpose() * K * T;
      auto& blocks = held_cells_.try_emplace(cell).first->second;
      for (int a = 0; a < 8; ++a)
        for (int b = 0; b < 8; ++b) blockAt(blocks, a, b) += M.block<3, 3>(3 * a, 3 * b).cast<float>();
    });
  }
};

}  // namespace

double SplitLevel::bytes() const {
  return double(corners.size() * sizeof(corners[0]) + owner.size() * sizeof(owner[0]) + local.size() +
                position.size() * sizeof(position[0]));
}

SplitLevel splitLevel(const VoxelModel& model, const Ties& ties) {
  SplitLevel level;
  const Cells cells(model);
  numberCorners(cells, level);
  findOwners(model, cells, level);
  level.is_tied = !ties.empty();
  if (level.is_tied) tieCorners(ties, level);
  const Index planes = model.frame.size[2] + 1;
  level.plane.resize(static_cast<std::size_t>(planes + 1));
  for (Index k = 0; k <= planes; ++k) {
    const Index run =
        k == planes ? static_cast<Index>(model.node_runs.size()) : model.row_start[Index{model.frame.size[1] + 1} * k];
    level.plane[k] = run == static_cast<Index>(model.node_runs.size()) ? model.nodes : model.node_runs[run].node;
  }
  return level;
}

struct GalerkinRows::Parts {
  const SplitLevel& level;
  Cells cells;
  CellStiffness stiffness;
  std::vector<std::int64_t> start;  ///< of the cells of each coarse node
  std::vector<std::int32_t> cell;   ///< eight at most, as 8·cell + corner

  Parts(const VoxelModel& model, const SplitLevel& split, const std::vector<std::uint8_t>& held)
      : level(split), cells(model), stiffness(model, cells, held) {
    start.assign(static_cast<std::size_t>(level.nodes + 1), 0);
    for (const auto& corners : level.corners)
      for (const auto n : corners) ++start[n + 1];
    std::partial_sum(start.begin(), start.end(), start.begin());
    cell.resize(level.corners.size() * 8);
    auto next = start;
    for (std::size_t c = 0; c < level.corners.size(); ++c)
      for (int a = 0; a < 8; ++a) cell[next[level.corners[c][a]]++] = static_cast<std::int32_t>(8 * c + a);
  }
};

GalerkinRows::GalerkinRows(const VoxelModel& model, const SplitLevel& level, const std::vector<std::uint8_t>& held)
    : parts_(std::make_unique<Parts>(model, level, held)) {}
GalerkinRows::~GalerkinRows() = default;

std::int64_t GalerkinRows::rows() const { return parts_->level.nodes; }

void GalerkinRows::touched(std::int64_t r, std::vector<std::int32_t>& columns) const {
  columns.clear();
  for (auto q = parts_->start[r]; q < parts_->start[r + 1]; ++q) {
    const auto& corners = parts_->level.corners[parts_->cell[q] / 8];
    columns.insert(columns.end(), corners.begin(), corners.end());
  }
}

void GalerkinRows::neighbours(std::int64_t r, std::vector<std::int32_t>& columns) const {
  touched(r, columns);
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
}

void GalerkinRows::row(std::int64_t r, std::vector<std::int32_t>& columns, std::vector<float>& blocks) const {
  neighbours(r, columns);
  blocks.assign(9 * columns.size(), 0.0F);
  alignas(32) std::array<float, 72> own;
  for (auto q = parts_->start[r]; q < parts_->start[r + 1]; ++q) {
    own.fill(0);
    const Index cell = parts_->cell[q] / 8;
    parts_->stiffness.addRow(cell, parts_->cell[q] % 8, own.data());
    for (int b = 0; b < 8; ++b) {
      const auto at =
          std::lower_bound(columns.begin(), columns.end(), parts_->level.corners[cell][b]) - columns.begin();
      float* to = blocks.data() + 9 * at;
      for (int v = 0; v < 9; ++v) to[v] += own[9 * b + v];
    }
  }
}

void restrictTo(const SplitLevel& level, const FloatField& fine, std::int64_t stride,
                const std::vector<std::uint8_t>& held, const CoarseVector& coarse) {
  core::parallelChunks(level.nodes, 16 * kRowChunk, [&](Index first, Index last, Index) {
    for (Index n = first; n < last; ++n) std::fill_n(coarse.at(n), 3, 0.0F);
  });
  const Index planes = static_cast<Index>(level.plane.size()) - 1, pairs = (planes + 1) / 2;
  const auto addPair = [&](Index g) {
    for (Index n = level.plane[2 * g]; n < level.plane[std::min(2 * g + 2, planes)]; ++n) {
      float v[3];
      const float w = kInterpolation.weight[level.local[n]];
      for (int c = 0; c < 3; ++c) v[c] = held[n] >> c & 1 ? 0.0F : w * fine[c * stride + n];
      const auto& corners = level.corners[level.owner[n]];
      const auto& used = kInterpolation.corner[level.local[n]];
      for (int q = 0; q < kInterpolation.count[level.local[n]]; ++q) {
        float* to = coarse.at(corners[used[q]]);
        for (int c = 0; c < 3; ++c) to[c] += v[c];
      }
    }
  };
  // Planes 2g and 2g + 1 reach the coarse planes g and g + 1: every second pair is independent. Where the last plane is
  // the first one again, the last two pairs reach it too: they come alone.
  const Index together = level.is_tied ? std::max<Index>(0, pairs - 2) : pairs;
  for (int parity = 0; parity < 2; ++parity)
    core::parallelFor((together + 1 - parity) / 2, [&](Index p) { addPair(2 * p + parity); });
  for (Index g = together; g < pairs; ++g) addPair(g);
}

void prolongAdd(const SplitLevel& level, const CoarseVector& coarse, std::int64_t stride,
                const std::vector<std::uint8_t>& held, FloatField& fine) {
  core::parallelChunks(static_cast<Index>(level.owner.size()), 4 * kRowChunk, [&](Index first, Index last, Index) {
    for (Index n = first; n < last; ++n) {
      float v[3] = {0, 0, 0};
      const auto& corners = level.corners[level.owner[n]];
      const auto& used = kInterpolation.corner[level.local[n]];
      for (int q = 0; q < kInterpolation.count[level.local[n]]; ++q) {
        const float* from = coarse.at(corners[used[q]]);
        for (int c = 0; c < 3; ++c) v[c] += from[c];
      }
      const float w = kInterpolation.weight[level.local[n]];
      for (int c = 0; c < 3; ++c)
        if (!(held[n] >> c & 1)) fine[c * stride + n] += w * v[c];
    }
  });
}

}  // namespace osteo::simulate
