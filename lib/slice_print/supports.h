#pragma once
#include <memory>
#include <string>
#include <vector>

#include "slice_print/layer.h"
#include "slice_print/overhangs.h"
#include "slice_print/part.h"

namespace osteo::slice_print {

enum class SupportKind { None, Block, Tree, Struts };

/// "none" …, in the order of the enumeration.
const std::vector<std::string>& supportKindNames();
/// Throws Usage for an unknown name.
SupportKind supportKindNamed(const std::string& name);

/// Supports and how they are shaped; lengths in mm.
struct SupportSettings {
  SupportKind kind = SupportKind::None;
  OverhangRule rule;
  double width_mm = 0.8;           ///< of a strut, a twig or a block's posts
  double wall_mm = 0.1;            ///< thickness of a block's walls
  double tip_mm = 0.4;             ///< width where they meet the part
  double gap_mm = 0;               ///< from their upper end to the part
  double clearance_mm = 0.3;       ///< sideways to the part
  double lean_deg = 40;            ///< greatest tilt of a tree's branches to the vertical
  double perforation_percent = 0;  ///< open share of a block's walls
};

/// Supports in one layer.
struct SupportSection {
  Rings region;                ///< walls, posts and bars together, none overlapping the part's slice
  Rings bars;                  ///< posts and bars alone
  std::vector<Segment> walls;  ///< middle lines of a block's walls, in scan order
};

/// Supports of a part, planned once on a grid of columns and cut at any height.
class Supports {
 public:
  /// Without islands none are planned for any but the surface that overhangs.
  Supports(const Part& part, const std::vector<PlacedIsland>& islands, const SupportSettings& settings);
  ~Supports();
  Supports(Supports&&) noexcept;

  SupportSection at(double z_mm, const Rings& slice) const;
  double supportedArea_mm2() const;  ///< overhanging surface that they hold
  std::int64_t contacts() const;
  std::int64_t onPart() const;  ///< contacts, or branches of a tree, that stand on the part

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// Islands of all layers, found in runs of layers at once.
std::vector<PlacedIsland> findIslands(const std::vector<Slicer>& bodies, const Stack& stack, double spacing_mm);

}  // namespace osteo::slice_print
