#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// How material extrusion fills a layer with beads. The values are those of a 0.4 mm nozzle in apps/slice-print.md.
struct ExtrusionSettings {
  double nozzle_mm = 0.4;                  ///< diameter of its opening
  double line_width_mm = 0;                ///< of a bead where nothing else decides it; 0: 1.125 nozzles
  double least_width_percent = 50;         ///< of that, in spacings: the narrowest bead
  double perimeters = 2;                   ///< turns of beads along the walls
  bool outer_first = false;                ///< outermost turn first, else last
  double infill_percent = 100;             ///< of the region inside the perimeters
  double solid_layers = 4;                 ///< below a top and above a bottom, when the infill is not 100 %
  double infill_angle_deg = 45;            ///< of the first layer's lines to +x
  double infill_rotation_deg = 90;         ///< from layer to layer
  double skirt_loops = 1, brim_loops = 0;  ///< around the first layer: at a distance, and attached
  double lineWidth_mm() const { return line_width_mm > 0 ? line_width_mm : 1.125 * nozzle_mm; }
};

/// Lays the beads of one layer in printing order into `layer.beads`, from `layer.slice` and `layer.support`: perimeters
/// of varying width, then infill. They fill the slice's area: what width and length leave over or short is shared by
/// all beads of the layer (`layer.flow_factor`, within kLeastFactor … kMostFactor). `covered` are the slices of the
/// layers nearby that must all cover a place for its infill to be sparse; empty when the infill is solid anyway.
void layBeads(Layer& layer, const ExtrusionSettings& settings, const std::vector<const Rings*>& covered,
              const Point& centre);

constexpr double kLeastFlowFactor = 0.8, kMostFlowFactor = 1.25;

}  // namespace osteo::slice_print
