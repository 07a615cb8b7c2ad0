#include <openvdb/tools/FastSweeping.h>
#include <openvdb/tools/Morphology.h>

#include <algorithm>
#include <array>

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

/// Voxels whose side differs between two grids, and all within the band around them.
openvdb::BoolGrid::Ptr changedBand(const openvdb::FloatGrid& before, const openvdb::FloatGrid& after) {
  auto mask = openvdb::BoolGrid::create();
  mask->setTransform(after.transform().copy());
  auto old_values = before.getConstAccessor();
  auto marks = mask->getAccessor();
  for (auto leaf = after.tree().cbeginLeaf(); leaf; ++leaf)
    for (auto value = leaf->cbeginValueAll(); value; ++value)
      if ((*value < 0) != (old_values.getValue(value.getCoord()) < 0)) marks.setValueOn(value.getCoord());
  openvdb::tools::dilateActiveValues(mask->tree(), static_cast<int>(levelset::kHalfWidth_voxels),
                                     openvdb::tools::NN_FACE_EDGE_VERTEX);
  return mask;
}

/// Around what changed sides, distances led to a surface that is gone: all but those next to a remaining surface are
/// made anew.
LevelSet mended(const LevelSet& before, const LevelSet& after) {
  const openvdb::FloatGrid& grid = *after.grid().vdb;
  const auto mask = changedBand(*before.grid().vdb, grid);
  auto cut = grid.deepCopy();
  auto out = cut->getAccessor();
  auto values = grid.getConstAccessor();
  for (auto mark = mask->cbeginValueOn(); mark; ++mark) {
    const Coord ijk = mark.getCoord();
    const bool inside = values.getValue(ijk) < 0;
    const bool at_surface = std::any_of(kFaces.begin(), kFaces.end(), [&](const auto& face) {
      return (values.getValue(ijk.offsetBy(face[0], face[1], face[2])) < 0) != inside;
    });
    if (!at_surface) out.setValueOff(ijk, inside ? -grid.background() : grid.background());
  }
  auto mended = openvdb::tools::maskSdf(*cut, *mask);
  clampToBand(*mended, grid.background());
  return levelset::wrap(mended);
}

}  // namespace

LevelSet cleaned(const LevelSet& solid, Cleaning& cleaning) {
  core::Progress progress("one piece, no closed pores", 3);
  const Components pieces(solid, Components::Side::Inside);
  const auto largest = std::max_element(pieces.pieces().begin(), pieces.pieces().end(),
                                        [](const Piece& a, const Piece& b) { return a.volume_mm3 < b.volume_mm3; });
  for (const Piece& piece : pieces.pieces())
    if (&piece != &*largest) {
      ++cleaning.pieces_removed;
      cleaning.dust_removed_mm3 += piece.volume_mm3;
    }
  const LevelSet one = pieces.filtered([&](const Piece& piece) { return &piece == &*largest; }, false);
  progress.advance();
  const Components voids(one, Components::Side::Outside);
  for (const Piece& piece : voids.pieces())
    if (!piece.reaches_border) {
      ++cleaning.voids_filled;
      cleaning.voids_filled_mm3 += piece.volume_mm3;
    }
  const LevelSet filled = voids.filtered([](const Piece& piece) { return piece.reaches_border; }, false);
  progress.advance();
  if (cleaning.pieces_removed == 0 && cleaning.voids_filled == 0) return solid;
  return mended(solid, filled);
}

}  // namespace osteo::design_scaffold
