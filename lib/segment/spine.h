#pragma once
#include "segment/anatomy.h"

namespace osteo::segment {

/// The vertebral column, by the spinal canal: places every millimetre of its length, from the lowest up.
struct Column {
  std::vector<Eigen::Vector3d> canal_mm, up, front;  ///< middle of the canal; unit vectors along it and to the bodies
  double score = 0;                                  ///< how much it looks like a canal, 0 to 1
  struct Disc {
    int at = 0;        ///< place along the canal
    double depth = 0;  ///< how far it is darker than the endplates beside it, against the scan's clear discs: 0 to 1
    double tilt = 0;   ///< of the section that shows it, radians, front up
  };
  std::vector<Disc> discs;  ///< from the lowest up
  int sacrum_disc = -1;     ///< the disc that lies on the sacrum; -1: not in view
  double sacrum_score = 0;  ///< how sure that is, 0 to 1
  bool empty() const { return canal_mm.empty(); }
  Eigen::Vector3d normal(const Disc& disc) const;  ///< of the disc's plane, upwards
  Eigen::Vector3d body(int at) const;              ///< middle of the vertebral body in front of the canal
  Eigen::Vector3d left(int at) const;
};

/// The canal is the way through the slices that keeps bone in front, behind and on both sides and none within (dynamic
/// programming); discs are dark between two endplates, at distances that change slowly along the column. Empty where no
/// such way of at least 30 mm is found.
Column findColumn(const Coarse& scan);

/// The way alone, without discs.
Column findCanal(const Coarse& scan);

}  // namespace osteo::segment
