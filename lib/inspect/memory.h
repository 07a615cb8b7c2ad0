#pragma once
#include <string>
#include <vector>

#include "inspect/compare.h"

/// What a run will take at its peak, told from headers and file sizes without reading the data: for --dry-run. The
/// factors were measured on phantoms of two sizes and hold within a factor of two; in bytes, the program itself
/// included. All throw NoInput and DataError as the headers' readers do.
namespace osteo::inspect {

/// describe(), and with `drawn` a picture of the file.
double describingBytes(const std::string& path, bool drawn);
/// One sheet of several PNG files.
double drawingSheetBytes(const std::vector<std::string>& paths);
double comparingBytes(const std::string& a, const std::string& b, const Criteria& criteria);

}  // namespace osteo::inspect
