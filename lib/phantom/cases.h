#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "phantom/scene_draw.h"

namespace osteo::phantom {

struct CasesWish {
  SceneWish scene;  ///< its seed is the set's; kinds and margins are dealt in turn where they say "any"
  int count = 10;
  double validation_share = 0.15;  ///< of the scenes, spread evenly over the set
  double test_share = 0.15;
  bool instances = false;  ///< written too
};

/// Writes scenes as knee-0000.nrrd, knee-0000.seg.nrrd, … into a folder, in parallel over scenes, with cases.json,
/// which `train segment` reads; returns what was drawn, scene by scene.
nlohmann::json writeCases(const CasesWish& wish, const std::string& folder);

}  // namespace osteo::phantom
