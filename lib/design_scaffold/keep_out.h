#pragma once
#include <string>
#include <vector>

#include "levelset/level_set.h"

namespace osteo::design_scaffold {

/// A structure that the implant, its way in and its screws keep clear of: an orbit, a sinus, a nerve's canal, a vessel.
struct KeepOut {
  std::string name;
  levelset::LevelSet shape;
  double distance_mm = 0;  ///< that is kept at least
};

}  // namespace osteo::design_scaffold
