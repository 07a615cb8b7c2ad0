#pragma once
#include "design_scaffold/guide.h"

namespace osteo::design_scaffold {

/// The host, the piece and the guide (may be null) whole, the cut in the host without the piece, and all of it cut
/// open.
void draw(const Resected& resected, const Guide* guide, const std::string& png_path);

}  // namespace osteo::design_scaffold
