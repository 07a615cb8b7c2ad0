#pragma once
#include <functional>
#include <string>
#include <vector>

#include "slice_print/scan_lines.h"

namespace osteo::slice_print {

/// How lines are laid: over the whole region, in bands across their direction, in the fields of a chessboard whose
/// colours are hatched at right angles, or not at all but along the outline.
enum class Strategy { Meander, Stripe, Island, Concentric };

/// "meander" …, in the order of the enumeration.
const std::vector<std::string>& strategyNames();
/// Throws Usage for an unknown name.
Strategy strategyNamed(const std::string& name);

struct HatchPattern {
  double spacing_mm = 0.14;
  double angle_deg = 0;          ///< of the lines to +x
  Point centre = Point::Zero();  ///< lines lie at ±½, ±1½, … spacings from it
  Strategy strategy = Strategy::Meander;
  double cell_mm = 5;           ///< width of a stripe, side of an island
  double overlap_mm = 0;        ///< of neighbouring stripes or islands
  Point shift = Point::Zero();  ///< of the stripes or islands along and across the lines, mm
  double least_mm = 0;          ///< shorter lines are joined to their neighbour in line, or left out
};

/// Coordinates in which the hatch lines run along +x.
class LineFrame {
 public:
  LineFrame(const Point& centre, double angle_deg);
  Point toLines(const Point& p) const;
  Point fromLines(const Point& p) const;
  Rings toLines(Rings rings) const;

 private:
  Point centre_;
  double cosine_, sine_;
};

/// Rows of the region to be filled in the frame of its lines.
using RowSource = std::function<ScanLines(const LineFrame&)>;

struct Hatching {
  std::vector<Segment> lines;
  std::int64_t dropped = 0, merged = 0;  ///< lines shorter than the least, left out or joined to a neighbour
};

/// Lines over a region by the pattern's strategy (any but Concentric). Lines of neighbouring rows that overlap are
/// joined into meanders (boustrophedon cells, Choset 2000); the next meander is the one with the nearest end. Stripes
/// follow each other; of islands, one colour's go first.
Hatching hatch(const RowSource& rows, const HatchPattern& pattern, const Point& start);

/// Meanders over the even-odd region of the rings.
std::vector<Segment> meander(const Rings& rings, const HatchPattern& pattern, const Point& start);

}  // namespace osteo::slice_print
