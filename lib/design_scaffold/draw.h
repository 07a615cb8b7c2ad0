#pragma once
#include <string>

#include "design_scaffold/seating.h"

namespace osteo::design_scaffold {

/// A picture of the scaffold: whole, cut open through its thickness, and in its host (when there is one) with its
/// screws and what bars its way in.
void draw(const Design& made, const levelset::LevelSet* host, const Seated& seated, const std::string& png_path);

}  // namespace osteo::design_scaffold
