#pragma once
#include <string>

#include "slice_print/layer.h"

namespace osteo::slice_print {

/// What presses the material out: a filament driven by a wheel, a plunger in a syringe, or air pressure behind a valve.
enum class Feed { Filament, Syringe, Pressure };

/// How beads become moves of a machine. The values are those of apps/slice-print.md.
struct GcodeSettings {
  Feed feed = Feed::Filament;
  double feed_diameter_mm = 1.75;  ///< of the filament or the plunger
  double print_speed_mm_s = 40, outer_speed_mm_s = 25, infill_speed_mm_s = 40, first_layer_speed_mm_s = 20;
  double travel_speed_mm_s = 150, acceleration_mm_s2 = 1000;
  double most_flow_mm3_s = 8;    ///< beads are printed slower where they would need more
  double usual_area_mm2 = 0.08;  ///< cross-section of a bead of the usual width, for constant flow
  double retract_mm = 1, retract_speed_mm_s = 35;
  double least_retract_travel_mm = 1.5;  ///< shorter travel goes without
  double nozzle_c = 0, bed_c = 0;        ///< 0: left as it is
  double fan_percent = 0;                ///< from the second layer on
  double pressure_kpa = 0;               ///< of Feed::Pressure
  Point place_mm = {20, 20};             ///< of the part's lowest corner on the bed
  std::string start = {}, end = {};      ///< the machine's own lines before and after the job
};

/// E of one cubic millimetre; 0 under pressure.
double feedPerVolume_mm2(const GcodeSettings& settings);

/// Marlin's dialect: absolute positions, relative E (M83), mm and mm/min, no clock. Starts with the feed retracted.
std::string gcodeStart(const GcodeSettings& settings, const Stack& stack);
/// One layer, from a retracted feed to a retracted feed, so that layers can be written apart. Under pressure the speed
/// follows the bead's width at constant flow, between M126 (valve open, Marlin with a
/// Baricuda) and M127; the pressure is set by hand and stands in a comment.
std::string gcodeLayer(const GcodeSettings& settings, const Layer& layer);
std::string gcodeEnd(const GcodeSettings& settings);

}  // namespace osteo::slice_print
