#pragma once
#include <string>

#include "design_scaffold/seating.h"
#include "image/volume.h"

namespace osteo::design_scaffold {

/// The implant on the grid of the patient's CT, for a surgeon to check: Implant where the envelope lies, Metal along
/// screws. Written as labels, and as slices through its middle with and without it, where a path is not empty. Throws
/// DataError when the CT shows another frame or none of the implant.
void showOnCt(const image::CtVolume& ct, const Design& made, const Seated& seated, const std::string& labels_path,
              const std::string& png_path);

}  // namespace osteo::design_scaffold
