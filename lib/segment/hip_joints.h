#pragma once
#include "segment/anatomy.h"

namespace osteo::segment {

/// A femoral head in its socket.
struct Head {
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double radius_mm = 0;  ///< to the middle of the joint space
  double score = 0;  ///< how clear that space is between ball and socket, over the directions that the socket covers
};

/// Femoral heads: where the largest balls fit into bone (joint space included, which coarse scans hide), of 17.5 mm and
/// more, with a dark shell between bone within and bone without. A left and a right one, in this order, that lie level
/// and 120 to 260 mm apart; empty where no such pair is seen.
std::vector<Head> findFemoralHeads(const Coarse& scan);

}  // namespace osteo::segment
