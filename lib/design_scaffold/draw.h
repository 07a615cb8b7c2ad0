#pragma once
#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"

namespace osteo::design_scaffold {

/// A picture of the scaffold: whole, cut open through its thickness, and in its host (when there is one).
void draw(const mesh::TriangleMesh& scaffold, const levelset::LevelSet* host, const std::string& png_path);

}  // namespace osteo::design_scaffold
