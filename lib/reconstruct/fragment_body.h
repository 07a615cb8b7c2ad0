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
  int patch = -1;  ///< 0: intact bone; -1: unknown
};

/// A fragment as the fits see it, in the CT's frame.
struct Body {
  std::vector<BodyPoint> points;   ///< on the surface, a patch of spacing_mm each
  std::vector<BodyPoint> fine;     ///< twice as dense
  std::vector<char> broken, band;  ///< of the fine points: on a fracture surface; intact and next to one
  std::vector<Patch> patches;      ///< intact bone first
  image::CtVolume distance;        ///< signed, mm
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double spacing_mm = 2, radius_mm = 1, area_mm2 = 0;
};

/// Samples the surface and finds fracture surfaces: parts that are roughly plane, rough or not, and end at sharp edges
/// (Papaioannou et al., CVIU 2003). The rest is patch 0.
Body makeBody(const levelset::LevelSet& solid, const mesh::TriangleMesh& surface, double spacing_mm);

/// Takes those patches for broken of which enough faces another fragment; shares by patch.
void markFacing(Body& body, const std::vector<double>& share);

/// Marks as intact and next to a fracture what lies within a few spacings of the broken points.
void markBand(Body& body);

/// Distances on an axis-aligned grid with this margin around a level set.
image::CtVolume distanceAround(const levelset::LevelSet& solid, double grid_mm, double margin_mm);

}  // namespace osteo::reconstruct
