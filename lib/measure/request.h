#pragma once
#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "image/volume.h"

namespace osteo::measure {

/// What is to be measured.
struct Request {
  std::vector<std::string> bone;    ///< labels by name or value that are bone; none: all but metal, defect and implant
  std::vector<std::string> within;  ///< labels that make up the region; none: the whole image
  bool size = true, trabecular = true, cortical = true;
  /// Density in mg/cm³ for 0 HU and per HU.
  std::optional<std::array<double, 2>> density = {};
};

/// Peak memory of measuring, in bytes.
double estimatedBytes(const image::Frame& frame, bool with_ct, const Request& request);

/// Sizes of all labels, trabecular structure, thickness of the label Cortical, and with a CT (may be null, else on the
/// labels' grid) the mean HU and density of each label and of the region. Throws Usage for labels that are not there.
nlohmann::json measured(const image::Segmentation& segmentation, const image::CtVolume* ct, const Request& request);

/// The numbers as rows of subject, quantity and value, tab-separated, with a head.
std::string asTable(const nlohmann::json& measures);

}  // namespace osteo::measure
