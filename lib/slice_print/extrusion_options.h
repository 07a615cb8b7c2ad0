#pragma once
#include "slice_print/job.h"

namespace osteo::slice_print {

/// The numbers of material extrusion and the options that set them.
std::vector<NamedNumber> extrusionNumbers(Settings& settings);

/// "filament", "syringe" or "pressure".
Feed feedNamed(const std::string& name);
const char* nameOf(Feed feed);

/// Throws Usage for beads that a layer's height makes impossible and for a pressure without a paste.
void requireExtrusionFit(const Settings& settings);

/// What it takes to press the paste through the needle at the usual bead and speed; nothing when no paste is given.
std::optional<PasteFlow> pasteFlowOf(const Settings& settings);
/// The settings of G-code with what follows from the others: the usual bead's cross-section and the pressure.
GcodeSettings gcodeFor(const Settings& settings);

}  // namespace osteo::slice_print
