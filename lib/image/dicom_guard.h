#pragma once
#include <string>

namespace osteo::image {

enum class DicomState { NotDicom, Damaged, CutShort, Sound };  ///< CutShort: within the pixels, the header is whole

/// Walks the elements of a DICOM file (PS3.5 section 7, PS3.10) without holding them: GDCM ends the process on some
/// files that are cut short or damaged and fills missing pixels with zeros, so that only sound ones are given to it.
DicomState inspectDicom(const std::string& path);

}  // namespace osteo::image
