#pragma once
#include "slice_print/overhangs.h"
#include "slice_print/slabs.h"

namespace osteo::slice_print {

struct BlockShape {
  double spacing_mm = 1;         ///< between walls
  double tip_mm = 0.4;           ///< width of a tooth where it meets the part
  double gap_mm = 0;             ///< from the teeth to the part
  double clearance_mm = 0;       ///< sideways to the part, below the teeth
  double perforation_share = 0;  ///< of a wall's area that is open
};

/// Thin walls in a square lattice below overhangs. They meet the part with teeth where they cross, and have
/// diamond-shaped windows halfway between, through which powder flows out.
class Block {
 public:
  Block(const std::vector<Gap>& gaps, const Columns& columns, const BlockShape& shape);
  /// Middle lines of the walls at a height, cut where the part's slice lies, in scan order.
  std::vector<Segment> walls(double z_mm, const Rings& slice) const;

 private:
  struct Piece {
    bool along_y;
    int line, cell;
    float low, high;
    bool on_part;
  };
  BlockShape shape_;
  double pitch_;
  std::vector<Piece> pieces_;  // by direction, line and cell
  Slabs slabs_;
};

}  // namespace osteo::slice_print
