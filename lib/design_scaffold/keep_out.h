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

/// Keep-outs from a label volume (segments by name, all of them without names), a level set or a closed mesh (named
/// after its file). Throws DataError naming the segments there are when a named one is missing or empty; frames are for
/// the caller to compare.
std::vector<KeepOut> readKeepOuts(const std::string& path, const std::vector<std::string>& names, double distance_mm);

}  // namespace osteo::design_scaffold
