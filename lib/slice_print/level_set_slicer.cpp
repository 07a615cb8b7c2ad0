#include "slice_print/level_set_slicer.h"

#include <array>
#include <cmath>
#include <map>
#include <memory>

#include "core/error.h"
#include "levelset/grid.h"
#include "slice_print/chain.h"

namespace osteo::slice_print {

namespace {

using Leaf = openvdb::FloatTree::LeafNodeType;
constexpr int kLeaf = 8;
static_assert(Leaf::DIM == kLeaf);

int blockOf(int index) { return index >> 3; }

// The grid sorted by horizontal plates of leaves.
struct Plates {
  double voxel_mm = 0;
  int i0 = 0, j0 = 0, nx = 0, ny = 0;  // columns covered by slabs, whole leaves
  float outside = 0;
  std::map<int, std::vector<const Leaf*>> leaves;  // by block in z
  std::vector<openvdb::CoordBBox> solid_tiles;
  levelset::LevelSet keep_alive;
};

std::shared_ptr<const Plates> sortIntoPlates(const levelset::LevelSet& level_set) {
  auto plates = std::make_shared<Plates>();
  const auto& grid = *level_set.grid().vdb;
  plates->keep_alive = level_set;
  plates->voxel_mm = level_set.voxel_mm();
  plates->outside = std::abs(grid.background());
  openvdb::CoordBBox box;
  for (auto leaf = grid.tree().cbeginLeaf(); leaf; ++leaf) {
    plates->leaves[blockOf(leaf->origin().z())].push_back(&*leaf);
    box.expand(leaf->origin(), kLeaf);
  }
  plates->i0 = box.min().x(), plates->j0 = box.min().y();
  plates->nx = box.dim().x(), plates->ny = box.dim().y();
  auto tile = grid.tree().cbeginValueAll();
  tile.setMaxDepth(decltype(tile)::LEAF_DEPTH - 1);
  for (; tile; ++tile) {
    if (*tile < 0) plates->solid_tiles.push_back(tile.getBoundingBox());
  }
  return plates;
}

// Values of one index plane k, x fastest.
void fillSlab(const Plates& plates, int k, std::vector<float>& slab) {
  slab.assign(static_cast<std::size_t>(plates.nx) * plates.ny, plates.outside);
  for (const auto& tile : plates.solid_tiles) {
    if (k < tile.min().z() || k > tile.max().z()) continue;
    const int i_first = std::max(tile.min().x() - plates.i0, 0),
              i_last = std::min(tile.max().x() - plates.i0, plates.nx - 1);
    const int j_first = std::max(tile.min().y() - plates.j0, 0),
              j_last = std::min(tile.max().y() - plates.j0, plates.ny - 1);
    for (int j = j_first; j <= j_last; ++j) {
      for (int i = i_first; i <= i_last; ++i) slab[static_cast<std::size_t>(j) * plates.nx + i] = -plates.outside;
    }
  }
  const auto found = plates.leaves.find(blockOf(k));
  if (found == plates.leaves.end()) return;
  for (const Leaf* leaf : found->second) {
    const float* values = leaf->buffer().data() + (k - leaf->origin().z());
    float* corner = slab.data() + static_cast<std::size_t>(leaf->origin().y() - plates.j0) * plates.nx +
                    leaf->origin().x() - plates.i0;
    for (int i = 0; i < kLeaf; ++i) {
      for (int j = 0; j < kLeaf; ++j) corner[static_cast<std::size_t>(j) * plates.nx + i] = values[(i << 6) | (j << 3)];
    }
  }
}

// Blocks of cells that may be crossed in planes k and k + 1: those with a leaf at one of their corners.
void markBlocks(const Plates& plates, int k, std::vector<char>& blocks) {
  const int bx = plates.nx / kLeaf, by = plates.ny / kLeaf;
  blocks.assign(static_cast<std::size_t>(bx) * by, 0);
  for (int block_k : {blockOf(k), blockOf(k + 1)}) {
    const auto found = plates.leaves.find(block_k);
    if (found == plates.leaves.end()) continue;
    for (const Leaf* leaf : found->second) {
      const int i = (leaf->origin().x() - plates.i0) / kLeaf, j = (leaf->origin().y() - plates.j0) / kLeaf;
      for (int dj = 0; dj <= std::min(j, 1); ++dj) {
        for (int di = 0; di <= std::min(i, 1); ++di) blocks[static_cast<std::size_t>(j - dj) * bx + i - di] = 1;
      }
    }
  }
}

// Marching squares of one plane; positions in voxels from the slab's corner.
class Squares {
 public:
  Squares(const std::vector<float>& field, int nx, std::vector<Cut>& cuts) : field_(field), nx_(nx), cuts_(cuts) {}

  void cell(int i, int j) {
    const std::size_t at = static_cast<std::size_t>(j) * nx_ + i;
    const std::array<float, 4> f = {field_[at], field_[at + 1], field_[at + nx_ + 1], field_[at + nx_]};
    const int inside = (f[0] < 0) | (f[1] < 0) << 1 | (f[2] < 0) << 2 | (f[3] < 0) << 3;
    if (inside == 0 || inside == 15) return;
    // Side s runs counter-clockwise from corner s to s + 1; outlines go from a side that leaves the solid to one that
    // enters.
    int leaving[2], entering[2], n_leaving = 0, n_entering = 0;
    for (int s = 0; s < 4; ++s) {
      const bool a = inside >> s & 1, b = inside >> (s + 1) % 4 & 1;
      if (a && !b) leaving[n_leaving++] = s;
      if (!a && b) entering[n_entering++] = s;
    }
    if (n_leaving == 1) return join(i, j, leaving[0], entering[0]);
    // Two crossings each way. Going back round the one solid corner joins a leaving side to the entering one before it,
    // which keeps the solid corners apart; going on to the entering one after it makes the solid pass between the empty
    // corners.
    const float diagonal = f[0] * f[2], other = f[1] * f[3];
    const bool solid_centre = (inside == 5) ? diagonal > other : other > diagonal;
    for (int s : leaving) join(i, j, s, solid_centre ? (s + 1) % 4 : (s + 3) % 4);
  }

 private:
  void join(int i, int j, int from, int to) { cuts_.push_back({key(i, j, from), key(i, j, to), crossing(i, j, from)}); }

  // Sides 0 and 2 are edges along x, 1 and 3 along y; an edge is named by its lower corner.
  static std::array<int, 2> lowerCorner(int i, int j, int side) {
    return {side == 1 ? i + 1 : i, side == 2 ? j + 1 : j};
  }
  std::uint64_t key(int i, int j, int side) const {
    const auto [x, y] = lowerCorner(i, j, side);
    return (static_cast<std::uint64_t>(y) * static_cast<std::uint64_t>(nx_) + static_cast<std::uint64_t>(x)) * 2 +
           (side % 2);
  }
  Point crossing(int i, int j, int side) const {
    const auto [x, y] = lowerCorner(i, j, side);
    const std::size_t at = static_cast<std::size_t>(y) * nx_ + x;
    const double a = field_[at], b = field_[at + (side % 2 ? nx_ : 1)];
    const double t = a / (a - b);
    return side % 2 ? Point(x, y + t) : Point(x + t, y);
  }

  const std::vector<float>& field_;
  int nx_;
  std::vector<Cut>& cuts_;
};

// Slices a run of layers, keeping the two index planes around the current height.
class PlaneSlicer {
 public:
  PlaneSlicer(const Plates& plates, const Eigen::Vector3d& origin_mm) : plates_(plates), origin_mm_(origin_mm) {}

  Rings slice(double z_mm) {
    const double height = (origin_mm_.z() + z_mm) / plates_.voxel_mm;
    moveTo(static_cast<int>(std::floor(height)));
    const float t = static_cast<float>(height - k_);
    field_.resize(lower_.size());
    for (std::size_t n = 0; n < field_.size(); ++n) field_[n] = lower_[n] + t * (upper_[n] - lower_[n]);
    cuts_.clear();
    march();
    std::int64_t open = 0;
    Rings rings = chainRings(cuts_, open);
    if (open > 0) throw core::Error(core::Exit::Software, {.what = "a slice of a level set stayed open"});
    const Point corner = Point(plates_.i0, plates_.j0) * plates_.voxel_mm - origin_mm_.head<2>();
    for (Ring& ring : rings) {
      for (Point& p : ring) p = corner + plates_.voxel_mm * p;
    }
    return rings;
  }

 private:
  void moveTo(int k) {
    if (!lower_.empty() && k == k_) return;
    if (!lower_.empty() && k == k_ + 1) {
      lower_.swap(upper_);
    } else {
      fillSlab(plates_, k, lower_);
    }
    fillSlab(plates_, k + 1, upper_);
    markBlocks(plates_, k, blocks_);
    k_ = k;
  }

  void march() {
    Squares squares(field_, plates_.nx, cuts_);
    const int bx = plates_.nx / kLeaf;
    for (int j = 0; j + 1 < plates_.ny; ++j) {
      const char* row = blocks_.data() + static_cast<std::size_t>(j / kLeaf) * bx;
      for (int b = 0; b < bx; ++b) {
        if (!row[b]) continue;
        for (int i = b * kLeaf; i < std::min((b + 1) * kLeaf, plates_.nx - 1); ++i) squares.cell(i, j);
      }
    }
  }

  const Plates& plates_;
  Eigen::Vector3d origin_mm_;
  int k_ = 0;
  std::vector<float> lower_, upper_, field_;
  std::vector<char> blocks_;
  std::vector<Cut> cuts_;
};

}  // namespace

Slicer levelSetSlicer(const levelset::LevelSet& level_set, const Eigen::Vector3d& origin_mm, const Stack& stack) {
  return [plates = sortIntoPlates(level_set), origin_mm, stack](int first, int last, Rings* rings) {
    PlaneSlicer slicer(*plates, origin_mm);
    for (int layer = first; layer < last; ++layer) rings[layer - first] = slicer.slice(stack.middle_mm(layer));
  };
}

}  // namespace osteo::slice_print
