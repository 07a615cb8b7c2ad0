#pragma once
#include <vector>

#include "mesh/triangle_mesh.h"
#include "reconstruct/fragment_body.h"

namespace osteo::reconstruct {

/// A template as signed distances, and how the patient (with the anchor in its place) lies in them.
struct Reference {
  image::CtVolume distance;
  Eigen::Isometry3d from_patient = Eigen::Isometry3d::Identity();
  bool mirrored = false;
  double fitting_share = 0;  ///< of the anchor's surface, within 3 mm of the template with a like normal
  double residual_mm = 0;    ///< their median distance
  double weight = 0.2;       ///< of a square millimetre on it against one of a break, in refineTogether
};

/// How a body lies on a template.
struct ReferenceFit {
  Eigen::Isometry3d pose = Eigen::Isometry3d::Identity();
  double cost = 1e300;  ///< mean distance over 4 mm, at most 1, and what it overlaps with others
  double fitting_share = 0, residual_mm = 0;
};

/// Lays the template, or its mirror image, onto the anchor: poses of the whole bone by all fragments, as they are
/// displaced, then the anchor alone; taken is what all fragments fit best. Throws DataError when none fits.
Reference findReference(const mesh::TriangleMesh& surface, const std::vector<Body>& bodies, std::size_t anchor);

/// The best pose of a body on the template near its own, from many starts; `others` must not be overlapped.
ReferenceFit fitToReference(const Body& body, const Reference& reference, const std::vector<const Body*>& others);

/// A part of a fragment's surface that may be a break: plane on the whole and bounded by sharp edges.
struct BreakFace {
  Eigen::Vector3d centre = Eigen::Vector3d::Zero(), normal = Eigen::Vector3d::UnitZ();
  std::vector<registration::OrientedPoint> points;
  double area_mm2 = 0, merit = 0;
};

/// The most likely breaks, best first.
std::vector<BreakFace> breakFaces(const Body& body);

struct ContactFit {
  Eigen::Isometry3d pose = Eigen::Isometry3d::Identity();
  double score = -1e300;  ///< Touch::score
  double break_mm2 = 1;   ///< of the smaller of the two breaks
  double share() const { return score / break_mm2; }
};

/// Lays each break of a body onto each break of another and keeps what touches most without overlap.
std::vector<ContactFit> fitContacts(const Body& body, const std::vector<BreakFace>& faces, const Body& other,
                                    const std::vector<BreakFace>& other_faces, const std::vector<const Body*>& placed);

/// Moves the free bodies together by Gauss–Newton with Tukey weights: outer surfaces onto the template (may be null),
/// facing fracture surfaces onto one another, and out of what they overlap.
void refineTogether(std::vector<Body>& bodies, const std::vector<char>& is_placed, const std::vector<char>& is_free,
                    const Reference* reference, double reach_mm);

}  // namespace osteo::reconstruct
