#include <openvdb/tools/FastSweeping.h>
#include <openvdb/tools/Morphology.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "core/progress.h"
#include "design_scaffold/blocks.h"
#include "design_scaffold/solid.h"
#include "levelset/components.h"

namespace osteo::design_scaffold {
namespace {

using levelset::Components;
using levelset::LevelSet;
using levelset::Piece;
using openvdb::Coord;

constexpr std::array<std::array<int, 3>, 6> kFaces{
    {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}}};

using Voxels = std::vector<Coord>;

/// Gives voxels to the other side.
void flip(openvdb::FloatGrid& grid, const Voxels& voxels, bool to_inside) {
  auto values = grid.getAccessor();
  for (const Coord& ijk : voxels) values.setValueOnly(ijk, to_inside ? -grid.background() : grid.background());
}

Voxels others(const Components& components, const std::function<bool(const Piece&)>& keep) {
  Voxels voxels;
  components.forOthers(keep, [&](const Eigen::Vector3i& at) { voxels.emplace_back(at[0], at[1], at[2]); });
  return voxels;
}

/// The leaves of a grid that a mask touches, on a grid of their own.
openvdb::FloatGrid::Ptr partUnder(const openvdb::BoolGrid& mask, const openvdb::FloatGrid& grid) {
  auto part = openvdb::FloatGrid::create(grid.background());
  part->setGridClass(openvdb::GRID_LEVEL_SET);
  part->setTransform(grid.transform().copy());
  for (auto leaf = mask.tree().cbeginLeaf(); leaf; ++leaf)
    for (int n = 0; n < 27; ++n) {
      const Coord origin = leaf->origin().offsetBy(8 * (n % 3 - 1), 8 * (n / 3 % 3 - 1), 8 * (n / 9 - 1));
      if (part->tree().probeConstLeaf(origin) != nullptr) continue;
      if (const auto* own = grid.tree().probeConstLeaf(origin))
        part->tree().addLeaf(new openvdb::FloatTree::LeafNodeType(*own));
      else
        part->tree().addTile(1, origin, grid.tree().getValue(origin), false);
    }
  return part;
}

/// Around what changed sides, distances led to a surface that is gone: all but those next to a remaining surface are
/// made anew.
void mend(openvdb::FloatGrid& grid, const Voxels& changed) {
  openvdb::BoolGrid mask(false);
  mask.setTransform(grid.transform().copy());
  auto marks = mask.getAccessor();
  for (const Coord& ijk : changed) marks.setValueOn(ijk);
  openvdb::tools::dilateActiveValues(mask.tree(), static_cast<int>(levelset::kHalfWidth_voxels),
                                     openvdb::tools::NN_FACE_EDGE_VERTEX);
  const auto part = partUnder(mask, grid);
  {
    auto out = part->getAccessor();
    const auto values = grid.getConstAccessor();
    for (auto mark = mask.cbeginValueOn(); mark; ++mark) {
      const Coord ijk = mark.getCoord();
      const bool inside = values.getValue(ijk) < 0;
      const bool at_surface = std::any_of(kFaces.begin(), kFaces.end(), [&](const auto& face) {
        return (values.getValue(ijk.offsetBy(face[0], face[1], face[2])) < 0) != inside;
      });
      if (!at_surface) out.setValueOff(ijk, inside ? -grid.background() : grid.background());
    }
  }
  const auto mended = openvdb::tools::maskSdf(*part, mask);
  const auto from = mended->getConstAccessor();
  auto to = grid.getAccessor();
  for (auto mark = mask.cbeginValueOn(); mark; ++mark) {
    const Coord ijk = mark.getCoord();
    const float value = from.getValue(ijk);
    if (std::abs(value) < grid.background())
      to.setValue(ijk, value);
    else
      to.setValueOff(ijk, value < 0 ? -grid.background() : grid.background());
  }
}

}  // namespace

void clean(LevelSet& solid, Cleaning& cleaning) {
  core::Progress progress("one piece, no closed pores", 3);
  openvdb::FloatGrid& grid = *solid.grid().vdb;
  Voxels changed;
  {
    const Components pieces(solid, Components::Side::Inside);
    const auto largest = std::max_element(pieces.pieces().begin(), pieces.pieces().end(),
                                          [](const Piece& a, const Piece& b) { return a.volume_mm3 < b.volume_mm3; });
    for (const Piece& piece : pieces.pieces())
      if (&piece != &*largest) {
        ++cleaning.pieces_removed;
        cleaning.dust_removed_mm3 += piece.volume_mm3;
      }
    changed = others(pieces, [&](const Piece& piece) { return &piece == &*largest; });
  }
  flip(grid, changed, false);
  progress.advance();
  {
    const Components voids(solid, Components::Side::Outside);
    for (const Piece& piece : voids.pieces())
      if (!piece.reaches_border) {
        ++cleaning.voids_filled;
        cleaning.voids_filled_mm3 += piece.volume_mm3;
      }
    const Voxels filled = others(voids, [](const Piece& piece) { return piece.reaches_border; });
    flip(grid, filled, true);
    changed.insert(changed.end(), filled.begin(), filled.end());
  }
  progress.advance();
  if (!changed.empty()) mend(grid, changed);
}

}  // namespace osteo::design_scaffold
