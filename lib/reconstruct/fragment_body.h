#pragma once
#include <vector>

#include "image/volume.h"
#include "levelset/level_set.h"
#include "registration/rigid.h"

namespace osteo::reconstruct {

/// A part of a fragment's surface that sharp edges bound: the intact bone or one fracture surface.
struct Patch {
  double area_mm2 = 0;
  bool broken = false;  ///< a fracture surface
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero(), normal = Eigen::Vector3d::Zero();
};

/// One surface sample of a fragment.
struct BodyPoint {
  Eigen::Vector3d position, normal;
  int patch = -1;  ///< -1: on an edge or in a patch too small to count
};

/// A fragment as the fits see it, in the CT's frame.
struct Body {
  std::vector<BodyPoint> points;   ///< on the surface, a patch of spacing_mm each
  std::vector<BodyPoint> fine;     ///< twice as dense
  std::vector<char> broken, band;  ///< of the fine points: on a fracture surface; intact and next to one
  std::vector<Patch> patches;      ///< the largest, which is taken for intact bone, first
  image::CtVolume distance;        ///< signed, mm
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double spacing_mm = 2, radius_mm = 1, area_mm2 = 0;
};

/// Samples the surface and cuts it at its sharp edges: where a ball about the point holds much less than half bone
/// (integral invariants: Huang et al., SIGGRAPH 2006; Pottmann et al., CAGD 2009). All patches but the largest are
/// marked as broken.
Body makeBody(const levelset::LevelSet& solid, const mesh::TriangleMesh& surface, double spacing_mm);

/// Marks as intact and next to a fracture what lies within a few spacings of the broken points.
void markBand(Body& body);

/// Distances on an axis-aligned grid with this margin around a level set.
image::CtVolume distanceAround(const levelset::LevelSet& solid, double grid_mm, double margin_mm);

}  // namespace osteo::reconstruct
