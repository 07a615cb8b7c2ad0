#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "image/dicom.h"

namespace osteo::image {

/// What may be mended on the way in: nothing, rounding errors of the axes below 0.1°, or everything by resampling.
enum class Repair { None, Orthonormalize, Resample };

/// A volume about to be imported: its geometry is read and judged, its voxels are not.
struct Intake {
  std::string path;
  std::optional<Header> header;       ///< of a NRRD or NIfTI file …
  std::optional<DicomSeries> series;  ///< … or the DICOM series that was chosen
  SliceStack stack;                   ///< sorted along the normal
  bool reversed = false;              ///< a file's slices run against the normal (left-handed axes)
  StackGeometry geometry;
  double slice_gap_mm = 0;       ///< the largest true one
  Repair repair = Repair::None;  ///< what will be done
  double peakBytes() const;
};

/// Reads headers, chooses the series (`series`: a number of the index from 1 on or a SeriesInstanceUID; empty: the
/// largest CT) and judges the geometry. Throws NoInput; Usage for an unknown series; DataError naming file, angle and
/// gap for what is tilted, sheared, uneven, missing, repeated or no volume, unless `repair` covers it. `results` takes
/// the numbers for the run record, without identifiers.
Intake planIntake(const std::string& path, const std::string& series, Repair repair, nlohmann::json& results);

/// Decodes the voxels and repairs what the plan says; `results` takes what is measured on voxels.
CtVolume runIntake(const Intake& intake, nlohmann::json& results);

/// A TSV table of all DICOM series below a folder, one row each, without names, dates, paths or UIDs.
std::string indexTable(const std::string& folder);

}  // namespace osteo::image
