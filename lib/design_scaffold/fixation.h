#pragma once
#include <Eigen/Core>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "design_scaffold/keep_out.h"
#include "image/volume.h"
#include "levelset/level_set.h"

namespace osteo::design_scaffold {

/// How an implant is held. Lengths in mm.
struct FixationSpec {
  enum class Kind {
    Flanges,  ///< tabs around the rim, over the host's outer surface, a screw in each (cranial)
    Plate,    ///< one plate along the bone's side, over the gap, with screws in both stumps (mandible, long bones)
    Nail      ///< a stem along the axis of both stumps, locked by cross screws through both cortices
  };
  Kind kind = Kind::Flanges;
  int screws = 4;              ///< flanges: in all; plate and nail: in each stump
  double thickness_mm = 1.0;   ///< of flange or plate
  double width_mm = 8.0;       ///< of flange or plate; the nail's diameter
  double screw_mm = 1.6;       ///< thread's diameter
  double head_mm = 3.0;        ///< head's diameter, countersunk by 90 degrees
  double spacing_mm = 8.0;     ///< least distance between the axes of two screws, all along
  double edge_mm = 4.0;        ///< least bone from a head to the cut, and from an axis to the bone's other borders
  double least_bone_mm = 3.0;  ///< bone that a screw's thread needs along its axis
  double longest_mm = 20.0;    ///< longest screw
  bool bicortical = false;     ///< through both cortices
};

/// One screw. It runs from entry_mm − standing_mm · direction, the top of its head, to tip().
struct Screw {
  std::string name;
  Eigen::Vector3d entry_mm = Eigen::Vector3d::Zero();    ///< where the axis meets the bone's surface
  Eigen::Vector3d direction = Eigen::Vector3d::UnitZ();  ///< unit vector into the bone
  double length_mm = 0;    ///< from the top of the countersunk head to the tip, gap and plate included; in steps of 0.5
  double standing_mm = 0;  ///< of the length, what stands above the bone: gap and plate; 0 for a nail's cross screws
  double diameter_mm = 0;
  double bone_mm = 0;                      ///< bone along the axis between entry and tip; canal and nail don't count
  int cortices = 1;                        ///< 2: it leaves the bone on the other side, by 0.5 to 1 mm
  double edge_mm = 0;                      ///< from the axis, between head and tip, to the defect
  std::optional<double> nearest_screw_mm;  ///< between the axes, from head to tip; none: there is one screw
  std::optional<double> mean_hu;           ///< along the bone, when a CT is given
  Eigen::Vector3d head() const { return entry_mm - standing_mm * direction; }
  Eigen::Vector3d tip() const { return head() + length_mm * direction; }
};

/// What holds the implant: parts that become solid, holes to be cut, and the screws that go through them.
struct Fixation {
  levelset::LevelSet solid;    ///< flanges, plate or nail; flanges and plate keep the clearance to the host themselves
  levelset::LevelSet holes;    ///< shafts, countersinks and the way of the screwdriver above them
  levelset::LevelSet collars;  ///< what is to be solid around the holes
  /// What is reamed from the host before the clearance is kept to it: the nail's bed. Flanges and plates need none.
  std::optional<levelset::LevelSet> bed;
  std::vector<Screw> screws;
};

/// Where the implant goes.
struct FixationSite {
  const levelset::LevelSet& defect;
  const levelset::LevelSet& host;
  const std::vector<KeepOut>& keep_outs;
  /// Unit vector against the way in: flanges lie on what looks along it, plates on the side that does; a nail's cross
  /// screws come from there. Along the axis of a long bone it names no side, and the straightest is taken.
  Eigen::Vector3d outward = Eigen::Vector3d::UnitZ();
  double clearance_mm = 0.3;
  const image::CtVolume* ct = nullptr;
};

/// Places flanges, plate or nail and their screws, and reports them in results["fixation"]. Throws DataError, naming
/// which wish conflicts with what, when fewer than the wanted screws find bone; Config for wishes that can't be made.
Fixation fixate(const FixationSite& site, const FixationSpec& spec, nlohmann::json& results);

/// A screw as records and plans hold it.
nlohmann::json describe(const Screw& screw);

}  // namespace osteo::design_scaffold
