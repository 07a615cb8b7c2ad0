#pragma once
#include <string>

#include "design_scaffold/envelope.h"
#include "design_scaffold/fixation.h"
#include "image/volume.h"

namespace osteo::design_scaffold {

/// The implant on the grid of the patient's CT, for a surgeon to check: Implant where the envelope lies, Metal along
/// screws. Throws DataError when the CT shows another frame or none of the implant.
image::Segmentation overlay(const image::CtVolume& ct, const Envelope& envelope, const std::vector<Screw>& screws,
                            const std::string& frame_id);

/// Slices of the CT through the middle of the overlay, with and without it.
void drawOverlay(const image::CtVolume& ct, const image::Segmentation& overlay, const std::string& png_path);

}  // namespace osteo::design_scaffold
