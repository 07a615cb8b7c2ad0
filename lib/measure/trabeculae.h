#pragma once
#include "image/volume.h"
#include "measure/anisotropy.h"
#include "measure/local_thickness.h"

namespace osteo::measure {

/// Structure of bone in a region, in the terms of Bouxsein et al., J Bone Miner Res 25, 1468, 2010.
struct Trabeculae {
  double bv_mm3 = 0, tv_mm3 = 0;
  Spread tb_th, tb_sp;           ///< of bone and of what lies between, by local thickness
  double connectivity = 0;       ///< 1 − Euler characteristic of the bone's largest part, cut surfaces corrected for
  double connectivity_body = 0;  ///< the same of that part as a body of its own: a torus has 1
  int parts = 0;                 ///< of the bone, connected by corners
  Fabric fabric;
  double bvTv() const { return tv_mm3 > 0 ? bv_mm3 / tv_mm3 : 0; }
  double tbN_per_mm() const {
    const double period = tb_th.mean_mm + tb_sp.mean_mm;
    return period > 0 ? 1 / period : 0;
  }
  double connectivityDensity_per_mm3() const { return tv_mm3 > 0 ? connectivity / tv_mm3 : 0; }
};

/// Both masks: nonzero, on one grid. Bone outside the region does not count, but bounds what lies between. Throws
/// DataError for a region without bone, or without anything else.
Trabeculae measureTrabeculae(const image::LabelVolume& bone, const image::LabelVolume& region);

}  // namespace osteo::measure
