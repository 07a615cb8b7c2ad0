#include "simulate/coarse.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
using Eigen::Vector3i;
using Index = std::int64_t;

/// The value that holds most, exact where one holds more than half (Boyer & Moore's vote, by weights).
struct Majority {
  std::uint16_t value = 0;
  double lead = 0;
  void vote(std::uint16_t other, double weight) {
    if (other == value) {
      lead += weight;
    } else if (lead >= weight) {
      lead -= weight;
    } else {
      value = other, lead = weight - lead;
    }
  }
};

/// What lies in a coarse element, as shares of its volume.
struct Block {
  Elastic stiffness = {};
  double root = 0;   ///< mean of c11^(1/exponent), with empty space as 0
  double solid = 0;  ///< of what bears stress: less, where a lattice is homogenised
  Majority material, label;
};

/// How a fine voxel divides among coarse ones along one axis: at most two, as these are larger.
struct Split {
  int first = 0;
  double share[2] = {0, 0};  ///< of the coarse element's length
};

std::vector<Split> splits(int fine, int coarse) {
  std::vector<Split> out(static_cast<std::size_t>(fine));
  for (int i = 0; i < fine; ++i) {
    auto& split = out[static_cast<std::size_t>(i)];
    const Index from = Index{i} * coarse, to = from + coarse;  // in units of 1/(fine·coarse) of the box
    split.first = static_cast<int>(from / fine);
    const Index border = Index{split.first + 1} * fine;
    split.share[0] = double(std::min(to, border) - from) / fine;
    split.share[1] = double(std::max(to, border) - border) / fine;
  }
  return out;
}

void elementBox(const VoxelModel& model, Vector3i& low, Vector3i& high) {
  low = model.frame.size, high = Vector3i::Zero();
  for (const auto& run : model.runs) {
    low = low.cwiseMin(Vector3i(run.i, run.j, run.k));
    high = high.cwiseMax(Vector3i(run.i + run.count, run.j + 1, run.k + 1));
  }
}

image::Frame coarseFrame(const VoxelModel& fine, const Vector3i& low, const Vector3i& size, int factor) {
  image::Frame frame = fine.frame;
  const Vector3d ratio = size.cast<double>() / factor;
  for (int c = 0; c < 3; ++c) frame.size[c] = std::max(1, static_cast<int>(std::lround(ratio[c])));
  const Vector3d fine_per_coarse = size.cast<double>().cwiseQuotient(frame.size.cast<double>());
  frame.spacing_mm = fine.frame.spacing_mm.cwiseProduct(fine_per_coarse);
  frame.origin_mm = fine.frame.toWorld(low.cast<double>() - Vector3d::Constant(0.5) + 0.5 * fine_per_coarse);
  return frame;
}

std::vector<Block> blocksOf(const VoxelModel& fine, const std::vector<Filler>& fillers, const Vector3i& low,
                            const Vector3i& size, const Vector3i& coarse, double exponent) {
  std::vector<Split> along[3];
  for (int c = 0; c < 3; ++c) along[c] = splits(size[c], coarse[c]);
  std::vector<Block> blocks(static_cast<std::size_t>(Index{coarse[0]} * coarse[1] * coarse[2]));
  double last = 0, last_root = 0;
  forEachElement(fine, [&](Index e, int i, int j, int k, const auto&) {
    const Split &x = along[0][i - low[0]], &y = along[1][j - low[1]], &z = along[2][k - low[2]];
    const Filler& filler = fillers[fine.material[e]];
    const Elastic own = fine.elastic(e);
    const double solid = filler.solidFraction(fine.valueOf(e));
    // A voxel that its solid fills in part is that much of the solid.
    const double part_filled = filler.law == Filler::Law::SolidFraction ? solid : 1;
    const double modulus = own.c11 / part_filled;
    if (modulus != last) last = modulus, last_root = std::pow(modulus, 1 / exponent);
    const double root = part_filled * last_root;
    for (int part = 0; part < 8; ++part) {
      const double share = x.share[part & 1] * y.share[part >> 1 & 1] * z.share[part >> 2];
      if (share <= 0) continue;
      auto& block = blocks[x.first + (part & 1) +
                           coarse[0] * (y.first + (part >> 1 & 1) + Index{coarse[1]} * (z.first + (part >> 2)))];
      block.stiffness = block.stiffness + share * own;
      block.root += share * root, block.solid += share * solid;
      block.material.vote(static_cast<std::uint16_t>(fine.material[e] + 1), share);
      if (!fine.label.empty()) block.label.vote(fine.label[e], share);
    }
  });
  return blocks;
}

/// Numbers of the coarse nodes on their full grid, −1 where there is none.
class NodeGrid {
 public:
  explicit NodeGrid(const CoarseModel& coarse) : coarse_(coarse), size_(coarse.model.frame.size) {
    number_.assign(static_cast<std::size_t>(Index{size_[0] + 1} * (size_[1] + 1) * (size_[2] + 1)), -1);
    forEachNode(coarse.model, [&](Index n, int i, int j, int k) { number_[indexOf(i, j, k)] = n; });
  }
  /// Calls use(coarse node, weight) for the corners of the cell around a fine node.
  template <class Use>
  void forEachCorner(const Vector3i& fine_node, const Use& use) const {
    Vector3i cell;
    Vector3d at;
    for (int c = 0; c < 3; ++c) {
      const Index t = Index{fine_node[c] - coarse_.low[c]} * size_[c], n = coarse_.size[c];
      cell[c] = std::min(static_cast<int>(t / n), size_[c] - 1);
      at[c] = double(t - cell[c] * n) / double(n);
    }
    for (int corner = 0; corner < 8; ++corner) {
      double weight = 1;
      Vector3i node = cell;
      for (int c = 0; c < 3; ++c) {
        const int step = corner >> c & 1;
        weight *= step ? at[c] : 1 - at[c];
        node[c] += step;
      }
      if (weight > 0) use(number_[indexOf(node[0], node[1], node[2])], weight);
    }
  }

 private:
  const CoarseModel& coarse_;
  Vector3i size_;
  std::vector<Index> number_;
  std::size_t indexOf(int i, int j, int k) const {
    return static_cast<std::size_t>(i + Index{size_[0] + 1} * (j + Index{size_[1] + 1} * k));
  }
};

}  // namespace

CoarseModel coarsen(const VoxelModel& fine, const std::vector<Filler>& fillers, int factor, double exponent) {
  CoarseModel out;
  Vector3i high;
  elementBox(fine, out.low, high);
  out.size = high - out.low;
  Filling filling;
  filling.frame = coarseFrame(fine, out.low, out.size, factor);
  auto blocks = blocksOf(fine, fillers, out.low, out.size, filling.frame.size, exponent);
  // The value is the block's number until the mesh stands: exact in a float up to 16.7 million blocks.
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    filling.material.push_back(blocks[b].material.value);
    filling.value.push_back(static_cast<float>(b));
    if (!fine.label.empty()) filling.label.push_back(blocks[b].label.value);
  }
  out.model = buildModel(filling, [&](std::uint16_t, float b, float) {
    const Block& block = blocks[static_cast<std::size_t>(b)];
    return std::pow(block.root, exponent) / block.stiffness.c11 * block.stiffness;
  });
  for (auto& value : out.model.value) value = static_cast<float>(blocks[static_cast<std::size_t>(value)].solid);
  out.fillers = fillers;
  for (auto& filler : out.fillers) filler.law = Filler::Law::SolidFraction;
  return out;
}

Field prolong(const CoarseModel& coarse, const Operator& from, const Field& u, const Operator& to) {
  const NodeGrid grid(coarse);
  Field out = to.zeros();
  const auto& runs = to.model().node_runs;
  core::parallelChunks(static_cast<Index>(runs.size()), 256, [&](Index first, Index last, Index) {
    for (Index r = first; r < last; ++r)
      for (int x = 0; x < runs[r].count; ++x)
        grid.forEachCorner({runs[r].i + x, runs[r].j, runs[r].k}, [&](Index node, double weight) {
          for (int c = 0; c < 3; ++c) out[c * to.stride() + runs[r].node + x] += weight * u[c * from.stride() + node];
        });
  });
  return out;
}

Field restrictForces(const CoarseModel& coarse, const Operator& to, const Field& force, const Operator& from) {
  const NodeGrid grid(coarse);
  Field out = to.zeros();
  forEachNode(from.model(), [&](Index n, int i, int j, int k) {
    const auto value = [&](int c) { return force[c * from.stride() + n]; };
    if (value(0) == 0 && value(1) == 0 && value(2) == 0) return;
    grid.forEachCorner({i, j, k}, [&](Index node, double weight) {
      for (int c = 0; c < 3; ++c) out[c * to.stride() + node] += weight * value(c);
    });
  });
  return out;
}

}  // namespace osteo::simulate
