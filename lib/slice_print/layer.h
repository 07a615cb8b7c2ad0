#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "slice_print/bead.h"

namespace osteo::slice_print {

using Point = Eigen::Vector2d;    ///< mm, machine frame
using Ring = std::vector<Point>;  ///< closed without repeating the first point; solid lies on the left
using Rings = std::vector<Ring>;  ///< outer rings counter-clockwise, holes clockwise, filled even-odd

/// One straight exposure from a to b.
struct Segment {
  Point a, b;
};

/// What is exposed alike: the inside, what lies just below or above the part's surface, and supports.
enum class Zone : std::uint8_t { Core, UpSkin, DownSkin, Support };
constexpr int kZones = 4;

/// Hatches of one zone in a row, up to `end`; they begin where the run before ends.
struct ZoneRun {
  Zone zone = Zone::Core;
  std::size_t end = 0;
};

/// One layer of a job, in the machine frame.
struct Layer {
  int index = 0;
  double top_mm = 0;                  ///< upper face; the part is cut at mid-height
  double height_mm = 0;               ///< of this layer
  Rings slice = {};                   ///< the part's own outline: of all bodies together
  std::vector<Rings> bodies = {};     ///< outline of each body; empty when there is only one
  std::vector<Rings> masks = {};      ///< what light, binder or drops reach, by mask stack (processes that print masks)
  Rings contours = {};                ///< what the beam's centre follows
  std::vector<Segment> hatches = {};  ///< in scan order
  std::vector<ZoneRun> runs = {};     ///< zones of `hatches`; what no run names is core
  std::size_t fill_contours = 0;      ///< as many of the last contours fill the inside (concentric strategy)
  Rings support = {};                 ///< regions of supports
  std::vector<Bead> beads = {};       ///< in printing order (material extrusion)
  double flow_factor = 1;             ///< by which all beads were widened to fill the slice
  double unfilled_mm2 = 0;            ///< of the slice, too narrow for any bead
  double area_mm2 = 0;                ///< of `slice`
  double contour_length_mm = 0, hatch_length_mm = 0, jump_length_mm = 0;  ///< hatches without those of supports
  std::array<double, kZones> zone_length_mm = {};                         ///< of hatches and of contours that fill
};

/// Layers above z = 0, of equal height or each of its own.
struct Stack {
  double layer_mm = 0.03;  ///< of equal layers; otherwise the mean
  int layers = 0;
  std::vector<double> tops_mm = {};  ///< upper faces, ascending; empty for equal layers

  double top_mm(int layer) const { return tops_mm.empty() ? (layer + 1) * layer_mm : tops_mm[layer]; }
  double bottom_mm(int layer) const { return layer == 0 ? 0 : top_mm(layer - 1); }
  double height_mm(int layer) const { return tops_mm.empty() ? layer_mm : top_mm(layer) - bottom_mm(layer); }
  double middle_mm(int layer) const {
    return tops_mm.empty() ? (layer + 0.5) * layer_mm : (bottom_mm(layer) + top_mm(layer)) / 2;
  }
  /// How many layers have their mid-height at or below z.
  int layersUpTo(double z_mm) const;
};

/// As many layers as cover the height; an excess below a thousandth of a layer makes none. Throws DataError above
/// 100,000.
Stack stackOver(double height_mm, double layer_mm);

/// Outlines of the layers [first, last), written to rings[0 … last − first).
using Slicer = std::function<void(int first, int last, Rings* rings)>;

double signedArea_mm2(const Ring& ring);  ///< positive for counter-clockwise
double area_mm2(const Rings& rings);      ///< holes count negative
double perimeter_mm(const Rings& rings);

/// Calls visit(zone, first, end) for the runs of hatches, in scan order; empty ones are left out.
template <class Visit>
void forEachRun(const Layer& layer, const Visit& visit) {
  std::size_t first = 0;
  for (const ZoneRun& run : layer.runs) {
    if (run.end > first) visit(run.zone, first, run.end);
    first = std::max(first, run.end);
  }
  if (layer.hatches.size() > first) visit(Zone::Core, first, layer.hatches.size());
}

/// Drops vertices that lie within tolerance_mm of the line between kept ones (Douglas, Peucker 1973).
Rings simplified(const Rings& rings, double tolerance_mm);

}  // namespace osteo::slice_print
