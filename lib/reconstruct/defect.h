#pragma once
#include <Eigen/Core>
#include <vector>

#include "levelset/level_set.h"
#include "reconstruct/host.h"

namespace osteo::reconstruct {

/// What a surgeon and a designer ask of a missing piece.
struct PieceMeasures {
  double volume_mm3 = 0;
  double outer_area_mm2 = 0;                            ///< of the surface that faces outwards, off the host
  double depth_mm = 0;                                  ///< extent along the normal
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();  ///< of mass
  Eigen::Vector3d normal = Eigen::Vector3d::UnitZ();    ///< mean direction of the outer surface
  std::vector<Eigen::Vector3d> rim_mm;                  ///< closed curve around the outer surface, a point a millimetre
  double rim_length_mm = 0;                             ///< of that curve
};

/// The outer surface faces away from the host's centre and does not touch the host; its longest border is the rim.
PieceMeasures measurePiece(const levelset::LevelSet& piece, const levelset::LevelSet& bone, const Host& host);

}  // namespace osteo::reconstruct
