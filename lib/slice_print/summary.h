#pragma once
#include <nlohmann/json_fwd.hpp>

#include "slice_print/job.h"
#include "slice_print/orientation.h"

namespace osteo::slice_print {

/// What a job is judged by beside its geometry.
struct Bill {
  Machine machine;
  double laser_power_w = 280;
  double density_g_cm3 = 4.43;
  double overhang_deg = 45;                      ///< down-facing surface flatter than this counts as overhang
  std::array<double, kZones> zone_power_w = {};  ///< of the hatches of a zone; 0: as laser_power_w
};

/// The record of a job: geometry, lengths, energy, time and mass. Warns of slices narrower than the beam.
nlohmann::json summarise(const Part& part, const Settings& settings, const Totals& totals, const Bill& bill);

/// Build directions with their terms, as the record lists them.
nlohmann::json orientationRecord(const std::vector<Orientation>& found);

}  // namespace osteo::slice_print
