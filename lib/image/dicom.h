#pragma once
#include <string>
#include <vector>

#include "image/stack.h"

namespace osteo::image {

/// One slice of a DICOM series: a file, or one frame of an enhanced multi-frame file.
struct DicomSlice {
  std::string path;
  int frame = 0;
  double slope = 1, intercept = 0;
  std::string instance_uid;
  int acquisition = 0;
};

/// Slices of one series, size and orientation, sorted along their normal. UIDs and names stay in memory: none of them
/// is ever written.
struct DicomSeries {
  std::string uid, frame_of_reference, patient_key, study_uid;  ///< for grouping and hashing only
  std::string modality, body_part, kernel;
  double thickness_mm = 0, kvp = 0;
  int samples_per_pixel = 1;
  SliceStack stack;
  std::vector<DicomSlice> slices;
  int copies = 0;         ///< files left out because they repeat another's SOPInstanceUID
  bool repeated = false;  ///< several different slices lie at one position
  std::string flaw;       ///< why its geometry can't be told (a tag is missing), empty when it can
};

/// Finds all series in a folder tree (or in one file), in the order of the files' names. Files that are no DICOM images
/// are passed over; damaged ones are counted in `damaged`. Headers are read in parallel. Throws NoInput.
std::vector<DicomSeries> findSeries(const std::string& path, int& damaged);

/// Decodes all voxels of a series to its modality's values (HU), slice after slice; pixel padding becomes -1024.
/// Any transfer syntax that GDCM knows. Throws DataError naming the file that is cut short or damaged.
std::vector<float> readSeries(const DicomSeries& series);

}  // namespace osteo::image
