#pragma once
#include <Eigen/Core>
#include <optional>
#include <string>
#include <vector>

#include "design_scaffold/keep_out.h"

namespace osteo::design_scaffold {

/// A body and what stands around it while it goes in; lengths in mm.
struct Path {
  const levelset::LevelSet& body;  ///< the defect with what is fixed to it
  const levelset::LevelSet& host;
  double clearance_mm = 0;                  ///< kept to the host at rest; a third of it on the way
  const std::vector<KeepOut>& keep_outs;    ///< their distances hold on the way too
  std::optional<Eigen::Vector3d> wanted{};  ///< unit vector along which it is pushed in; else the best is sought
  std::optional<Eigen::Vector3d> start{};   ///< where the search may begin: the way in of nearly the same body
};

/// A straight way in, what has to come off for it, and where it is barred.
struct Insertion {
  Eigen::Vector3d direction = Eigen::Vector3d::UnitZ();  ///< unit vector, along which the implant is pushed in
  double body_mm3 = 0;                                   ///< the body at rest, clear of host and keep-outs
  double blocked_mm3 = 0;                                ///< of it, what can't go this way and is trimmed
  double cone_deg = 0;                        ///< the direction may be off by this much without more being blocked
  std::vector<Eigen::Vector3d> barred_at_mm;  ///< obstacles on the way, the one that bars most first; three at most
  levelset::LevelSet blocked;                 ///< the part of the body that is trimmed
  levelset::LevelSet barrier;  ///< all places from where the way out is barred: the trimmed body lies outside of it
  double blockedShare() const { return body_mm3 > 0 ? blocked_mm3 / body_mm3 : 0; }
};

/// The unit vector along which most of a body goes in; as findInsertion, without a look at what is barred.
Eigen::Vector3d freestWayIn(const Path& path);

/// Finds the direction in which most of the body goes in without touching anything: rays out of its surface among
/// directions all around, the best of them improved by ever smaller turns. Among free directions the middle of the free
/// cone is taken. Throws DataError when nothing of the body is left at rest.
Insertion findInsertion(const Path& path);

/// Throws DataError with the places that bar the way when more than `most_percent` of the body would be trimmed.
void requireWayIn(const Insertion& insertion, double most_percent);

/// The least distance between a finished solid and the host while it is drawn out along the way, in mm, at most 2:
/// marched from points of its own surface.
double leastGapOnTheWay_mm(const levelset::LevelSet& solid, const levelset::LevelSet& host,
                           const Eigen::Vector3d& direction);

}  // namespace osteo::design_scaffold
