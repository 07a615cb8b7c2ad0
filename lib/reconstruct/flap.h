#pragma once
#include <optional>

#include "reconstruct/host.h"

namespace osteo::reconstruct {

/// A loose piece that lies in the wall of the bone, with a gap along its edge: a bone flap after a craniotomy.
struct Flap {
  levelset::LevelSet host;  ///< the bone without it
  double volume_mm3 = 0;
  double open_share = 0;  ///< of its edge: the gap; the rest hangs together with the bone, as thin bone and blur do
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
};

/// Looks for a gap through the wall, narrower than twice the closing, that bends around a piece much smaller than the
/// bone. Where the piece hangs together with the bone, as thin bone and blur do, it is parted by the smallest cut. None
/// when no gap makes up a third of such a piece's edge. Pieces below `least_mm3` are not considered, nor left behind.
std::optional<Flap> findFlap(const levelset::LevelSet& bone, const Host& host, double least_mm3);

}  // namespace osteo::reconstruct
