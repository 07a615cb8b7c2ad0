#pragma once
#include <nlohmann/json_fwd.hpp>

#include "slice_print/job.h"
#include "slice_print/orientation.h"

namespace osteo::slice_print {

/// What a job is judged by beside its geometry.
struct Bill {
  Machine machine;
  double laser_power_w = 280;
  double overhang_deg = 45;                      ///< down-facing surface flatter than this counts as overhang
  std::array<double, kZones> zone_power_w = {};  ///< of the hatches of a zone; 0: as laser_power_w
};

/// The settings as they were resolved, by the names of the options.
nlohmann::json settingsRecord(const Settings& settings);

nlohmann::json extrusionSettingsRecord(const Settings& settings);

/// The record of a job: geometry, lengths, energy, time and mass. Warns of slices narrower than the beam.
nlohmann::json summarise(const Part& part, const Settings& settings, const Totals& totals, const Bill& bill);

/// Adds the scan strategy (of pbf-lb) and the supports, where there are any, to the resolved settings.
void addPathSettings(nlohmann::json& record, const Settings& settings);
/// What the record says of zones, rules for vectors, islands and supports. Warns of islands that nothing holds.
void addExposureResults(nlohmann::json& results, const Settings& settings, const Totals& totals, const Bill& bill);
/// What the record says of material extrusion, in place of exposures. Warns of what no bead can fill and of a paste
/// that is sheared too much.
void addExtrusionResults(nlohmann::json& results, const Settings& settings, const Totals& totals);
/// Build directions with their terms, as the record lists them.
nlohmann::json orientationRecord(const std::vector<Orientation>& found);

}  // namespace osteo::slice_print
