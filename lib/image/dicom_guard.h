#pragma once
#include <cstdint>
#include <string>

namespace osteo::image {

enum class DicomState { NotDicom, Damaged, CutShort, Sound };  ///< CutShort: within the pixels, the header is whole

struct DicomWalk {
  DicomState state = DicomState::NotDicom;
  std::int64_t header_bytes = 0;  ///< what lies before the pixels
  std::int64_t end_bytes = 0;     ///< where the pixels end; GDCM ends the process on some of what may follow
};

/// Walks the elements of a DICOM file (PS3.5 section 7, PS3.10) without holding them: GDCM ends the process on some
/// files that are cut short or damaged, and fills missing pixels with zeros, so that only sound ones are given to it.
DicomWalk walkDicom(const std::string& path);

}  // namespace osteo::image
