#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "design_scaffold/design.h"
#include "design_scaffold/fixation.h"
#include "design_scaffold/insertion.h"
#include "design_scaffold/plan.h"

namespace osteo::design_scaffold {

/// What is asked for beside the lattice: how the implant gets in, what it keeps off, how it is held.
struct Seating {
  bool insertion = true;                       ///< look for a way in, and trim what bars it
  std::optional<Eigen::Vector3d> direction{};  ///< along which it is pushed in; else the best is sought
  double most_trimmed_percent = 20;            ///< more to trim is refused
  bool flush = true;                           ///< the outer surface is made to meet the host's around the rim
  std::vector<KeepOut> keep_outs = {};
  std::optional<FixationSpec> fixation = {};
  std::optional<image::CtVolume> ct = {};
};

/// What came of it.
struct Seated {
  levelset::LevelSet defect;  ///< fitted to the host
  std::optional<Insertion> insertion;
  std::optional<Fixation> fixation;
  bool bridges = false;  ///< by a plate or a nail
  std::vector<KeepOut> keep_outs;
  std::vector<Screw> screws() const { return fixation ? fixation->screws : std::vector<Screw>{}; }
  /// Points into this.
  Surroundings around(const levelset::LevelSet* host) const;
};

/// What is usual for a kind: cranial flanges with 1.6 mm screws, or plate and nail of a large long bone with 4.5 mm
/// screws through both cortices.
FixationSpec usualFixation(const std::string& kind);  ///< flanges, plate or nail
/// The lengths of a fixation by the names under which they are asked for.
const std::vector<std::pair<std::string, double FixationSpec::*>>& fixationLengths();

/// Finds the way in and places the fixation; both go to `results`. Throws DataError where no way is free or screws find
/// no bone, Usage where a wish needs a host that there isn't.
Seated seat(const levelset::LevelSet& defect, const levelset::LevelSet* host, const Fit& fit, const Seating& seating,
            nlohmann::json& results);

/// The way out as a unit vector: against the way in, or away from the host's middle.
Eigen::Vector3d outwardOf(const levelset::LevelSet& defect, const levelset::LevelSet& host,
                          const std::optional<Insertion>& insertion);

/// Looks at the finished implant: the least gap to the host on the way in, and the step at the rim.
void checkSeated(const Design& made, const levelset::LevelSet& host, const Seated& seated, nlohmann::json& results);

/// Where an implant was written, and what the file will be called.
struct ImplantFile {
  std::string path, final_path;
};
/// The plan of a finished implant, which names its file by hash.
Plan planOf(const Design& made, const levelset::LevelSet* host, const Seated& seated, const ImplantFile& file);

}  // namespace osteo::design_scaffold
