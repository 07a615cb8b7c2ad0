#pragma once
#include <functional>
#include <optional>
#include <string>

#include "slice_print/extrusion.h"
#include "slice_print/gcode.h"
#include "slice_print/gcode_read.h"
#include "slice_print/hatch.h"
#include "slice_print/layer.h"
#include "slice_print/mask_process.h"
#include "slice_print/part.h"
#include "slice_print/paste_flow.h"
#include "slice_print/process.h"
#include "slice_print/supports.h"

namespace osteo::slice_print {

/// Inside that lies within some layers of the part's upper or lower surface.
struct Skin {
  int layers = 0;       ///< 0: exposed as core
  double hatch_mm = 0;  ///< between hatch lines; 0: as in the core
};

/// How layers are filled and exposed. The values are those of laser powder bed fusion of Ti-6Al-4V in
/// apps/slice-print.md; defaultsOf() has those of other processes.
struct Settings {
  Process process = Process::PbfLb;
  double layer_mm = 0.03;
  int contours = 1;
  double contour_offset_mm = 0.05;  ///< outline to the first contour: half the beam
  double contour_spacing_mm = 0.1;  ///< between contours
  bool hatch = true;
  double hatch_mm = 0.14;          ///< between hatch lines
  double hatch_offset_mm = 0.05;   ///< innermost contour (or the outline when there is none) to the ends of the hatches
  double hatch_angle_deg = 0;      ///< of the first layer
  double hatch_rotation_deg = 67;  ///< from layer to layer
  double density_g_cm3 = 4.43;     ///< of the printed material
  AdaptiveHeights adaptive = {};   ///< used where its cusp_mm is above 0
  std::vector<double> body_density_g_cm3 = {};  ///< of each body; empty: density_g_cm3
  MaskSettings mask = {};                       ///< of the processes that print masks
  ExtrusionSettings extrusion = {};             ///< of material extrusion, as all to most_shear_stress_pa
  GcodeSettings gcode = {};
  Paste paste = {0, 0, 1};  ///< of consistency 0: not known
  double needle_length_mm = 12.7, most_shear_stress_pa = 0;
  Strategy strategy = Strategy::Meander;
  double cell_mm = 5;            ///< width of stripes, side of islands
  double cell_overlap_mm = 0.1;  ///< of neighbouring stripes or islands
  double least_vector_mm = 0;    ///< shorter hatches are joined to their neighbour in line or left out
  double least_corner_deg = 60;  ///< contours' corners with a smaller inner angle are rounded
  double corner_radius_mm = 0;   ///< to this radius; 0 leaves corners as they are
  Skin up_skin = {}, down_skin = {};
  SupportSettings supports = {};
  double spacingOf(Zone zone) const;  ///< of hatch lines, mm
};

/// Zones that a job's hatches may belong to beside the core.
std::vector<Zone> zonesOf(const Settings& settings);

/// Walls as thick as one track or bead, and the gap that lets a process's supports break away; the rest as in
/// SupportSettings.
SupportSettings supportDefaults(const Settings& settings);

/// Throws Usage for settings that contradict each other, such as adaptive layers under one exposure.
void requireFit(const Settings& settings);
/// Throws Usage for another number of densities than the part has bodies.
void requireDensities(const Settings& settings, const Part& part);

/// Equal layers of settings.layer_mm, or adaptive ones. Throws DataError above 100,000.
Stack stackOf(const Part& part, const Settings& settings);

/// What is narrower is not printed as it should be: twice the contour offset, or a pixel.
double thinnest_mm(const Settings& settings);

/// Speeds and waits for the estimate of the build time.
struct Machine {
  double scan_mm_s = 1200, jump_mm_s = 5000, recoat_s = 10;
  std::array<double, kZones> zone_mm_s = {};  ///< of the hatches of a zone; 0: as scan_mm_s
  double speedOf_mm_s(Zone zone) const;
};

/// Sums of material extrusion; lengths and volumes without supports, skirt and brim, unless they are named.
struct ExtrusionTotals {
  double volume_mm3 = 0, support_mm3 = 0, skirt_mm3 = 0, unfilled_mm3 = 0;
  double perimeter_mm = 0, infill_mm = 0;  ///< thin walls among perimeters
  std::int64_t beads = 0, infill_lines = 0;
  double least_width_mm = 1e300, most_width_mm = 0;
  double least_factor = 1e300, most_factor = 0;  ///< layers' flow factors
  GcodeSums gcode = {};
};

/// Sums over all layers, in layer order.
struct Totals {
  Stack stack;
  double sliced_volume_mm3 = 0, contour_length_mm = 0, hatch_length_mm = 0, jump_length_mm = 0;
  std::int64_t hatch_lines = 0, contour_loops = 0, slice_loops = 0, empty_layers = 0;
  std::array<double, kZones> zone_length_mm = {};  ///< of hatches
  std::array<std::int64_t, kZones> zone_lines = {};
  std::int64_t dropped_vectors = 0, merged_vectors = 0, rounded_corners = 0;
  double support_volume_mm3 = 0, supported_area_mm2 = 0;
  std::int64_t support_contacts = 0, supports_on_part = 0, islands = 0, unsupported_islands = 0;
  std::vector<double> body_volume_mm3 = {};  ///< of each body, overlaps counted once
  std::vector<double> mask_volume_mm3 = {};  ///< of each mask stack
  std::int64_t overlapping_layers = 0;       ///< where outlines of one body or of several overlapped and were united
  ExtrusionTotals extrusion = {};
  double thin_share = 0;  ///< of the sampled slices' area, narrower than the beam
  double buildTime_s(const Machine& machine) const;
};

/// Writes a job layer by layer: encode() may run in parallel, append() is called in layer order.
struct JobWriter {
  std::function<std::string(const Layer&)> encode;
  std::function<void(const std::string&)> append;
  std::function<void()> finish;
};

/// Slices the part, lays contours and hatches and feeds the writer, a batch of layers at a time. `keep_layer` is copied
/// to `kept` (for a picture).
Totals run(const Part& part, const Settings& settings, const JobWriter& writer, int keep_layer, Layer& kept);

/// Volumetric energy density P / (v·h·t), J/mm³.
double energyDensity_j_mm3(double power_w, double scan_mm_s, double hatch_mm, double layer_mm);

}  // namespace osteo::slice_print
