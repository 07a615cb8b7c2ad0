#pragma once
#include <Eigen/Core>
#include <optional>
#include <string>

#include "design_scaffold/clearance.h"
#include "design_scaffold/keep_out.h"
#include "levelset/level_set.h"

namespace osteo::design_scaffold {

struct Fixation;

/// Where solid material lies over the lattice. The side that faces the host always stays open lattice, so that bone
/// grows in and powder leaves: skins end at the host, and a rim is two frames along the edges with lattice between
/// them.
enum class Skin {
  Outer,  ///< the free surface on the side from which the implant comes, or where no way in is known, that looks away
          ///< from the host's centre (the scalp side of a cranial implant)
  Both,   ///< all free surfaces
  Rim     ///< a frame on the free surfaces, rim_mm wide, along the host
};

/// A box in LPS, mm.
struct Span {
  Eigen::Vector3d low_mm, high_mm;
};

/// How the implant meets the bone around it; lengths in mm.
struct Fit {
  double clearance_mm = 0.3;            ///< gap kept to the host
  std::vector<FitRegion> regions = {};  ///< where it is another
  Skin skin = Skin::Outer;
  double skin_mm = 0.0;  ///< thickness of skin or frame; 0: none
  double rim_mm = 3.0;   ///< width of the frame of Skin::Rim
};

/// The thickness of the skin: 1 mm with a host unless another is wanted, none without. Throws Usage for a skin without
/// a host.
double checkedSkin_mm(std::optional<double> wanted_mm, bool has_host);

/// Slabs of the defect thinner than this can't be printed as a lattice and are taken off unless they border thicker
/// parts.
constexpr double kThinnest_mm = 1.0;

/// The fields from which the implant's body is evaluated at any point: distances in mm at the defect's resolution, in
/// wider bands than a level set's usual three voxels.
struct Envelope {
  levelset::LevelSet defect;               ///< after pruning, before the clearance
  std::optional<levelset::LevelSet> host;  ///< the bone around the defect
  std::optional<levelset::LevelSet> skin;  ///< negative where material is to be solid
  Clearance clearance = {};
  std::vector<KeepOut> obstacles = {};                                     ///< keep-outs, and what bars the way in
  std::optional<levelset::LevelSet> fixed = {}, collars = {}, holes = {};  ///< of the fixation
  int pieces_removed = 0;                                                  ///< parts of the defect beside the largest
  double slivers_removed_mm3 = 0;                                          ///< volume taken off as pieces or slivers
  double keep_outs_removed_mm3 = 0;                                        ///< volume taken off by keep-outs
  /// Box of the body, in mm.
  Span box() const;
};

/// What stands around a defect.
struct Surroundings {
  const levelset::LevelSet* host = nullptr;
  std::vector<KeepOut> keep_outs = {};
  const levelset::LevelSet* barrier = nullptr;  ///< what bars the way in (insertion.h)
  const Fixation* fixation = nullptr;
  std::optional<Eigen::Vector3d> outward = {};  ///< unit vector to the side from which the implant comes
};

/// The defect as a level set. A mesh needs voxels that tell its edges, not the lattice's walls of `voxel_mm`, and no
/// more of them than some ten million around its surface.
levelset::LevelSet readDefect(const std::string& path, double voxel_mm);

/// The host as a level set; skins and gaps need no voxels below 0.4 mm of a mesh.
levelset::LevelSet readHost(const std::string& path, double voxel_mm);

/// Length of a body along the axis of its surface's largest spread, in mm.
double longestExtent_mm(const levelset::LevelSet& body);

/// Throws DataError unless a ball of the cell's diameter fits into the body somewhere.
void requireRoomForCell(const Envelope& envelope, double cell_mm);

/// Defect with its fixation, minus the host grown by the clearance and the other obstacles, one piece, without slivers;
/// a press fit reaches into the host. A skin's depth is measured from the surface of defect and host together, closed
/// across their seam, which is what keeps it off the side that faces the host. Throws DataError when nothing is left,
/// or more than one piece; frames must have been compared before.
Envelope makeEnvelope(const levelset::LevelSet& defect, const Surroundings& surroundings, const Fit& fit);

}  // namespace osteo::design_scaffold
