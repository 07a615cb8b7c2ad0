#pragma once
#include "slice_print/columns.h"
#include "slice_print/islands.h"

namespace osteo::slice_print {

/// An island and the height of its layer's lower face.
struct PlacedIsland {
  double z_mm = 0;
  Island island;
};

/// What asks for support.
struct OverhangRule {
  double overhang_deg = 45;  ///< down-facing surface flatter than this
  double spacing_mm = 1;     ///< farthest from any place of it to a contact
  double least_mm2 = 0;      ///< connected overhangs below this area hold themselves, unless they are islands
  bool from_plate = false;   ///< only where a line down reaches the plate
};

constexpr int kCellsPerSpacing = 5;  // odd, so that a line of contacts runs through the middle of cells

/// The free stretch of a column below an overhang.
struct Gap {
  int i = 0, j = 0;
  float low = 0, high = 0;
  float area_mm2 = 0;    ///< of the surface above the cell
  bool on_part = false;  ///< ends on the part below, not on the plate
};

/// A place where a support meets the part from below.
struct Contact {
  Point at = Point::Zero();
  double top_mm = 0, base_mm = 0;
  bool on_part = false;
  bool node = false;  ///< lies where walls of a block cross
};

struct Demand {
  std::vector<Gap> gaps;
  std::vector<Contact> contacts;
  double area_mm2 = 0;
};

/// Overhangs and islands of a part, and contacts below them: on a square lattice of the rule's spacing, and where that
/// leaves a place farther than the spacing from any contact. `columns` have a pitch of spacing / kCellsPerSpacing.
Demand demandOf(const Columns& columns, const std::vector<PlacedIsland>& islands, const OverhangRule& rule);

}  // namespace osteo::slice_print
