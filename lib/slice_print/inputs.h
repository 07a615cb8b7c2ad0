#pragma once
#include <string>
#include <vector>

#include "slice_print/part.h"

namespace osteo::slice_print {

/// The bodies of level-set and mesh files in LPS, in the order of the files; beams are triangulated. Materials named
/// for files replace those in them. Throws NoInput, DataError; Usage for another number of materials than files.
std::vector<Solid> readSolids(const std::vector<std::string>& paths, const std::vector<std::string>& materials);

/// Peak memory of slicing these files, in bytes.
double estimatedBytes(const std::vector<std::string>& paths);

/// Throws DataError when the part is larger than the machine's box, in x, y or z.
void requireRoom(const Part& part, const std::vector<double>& machine_mm);

}  // namespace osteo::slice_print
