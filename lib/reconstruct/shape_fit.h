#pragma once
#include <Eigen/Dense>
#include <Eigen/Geometry>
#include <vector>

#include "reconstruct/shape_model.h"
#include "registration/rigid.h"

namespace osteo::reconstruct {

/// How a model lies in the patient: scale, rotation and, for the other body side, a reflection.
struct ShapePose {
  Eigen::Affine3d to_patient = Eigen::Affine3d::Identity();
  double distance_mm = 1e300;  ///< mean distance of the seen points to the mean shape, truncated
};

/// What a shape model says of a bone of which some surface points are known.
struct ShapePosterior {
  Eigen::Affine3d to_patient = Eigen::Affine3d::Identity();
  Eigen::VectorXd coefficients;  ///< most probable z, r
  Eigen::MatrixXd spread;        ///< (r + 6 or 7) × the same: z and pose deviate by spread · N(0, I)
  mesh::TriangleMesh surface;    ///< most probable whole bone, LPS mm
  std::vector<double> sd_mm;     ///< per vertex: along the normal; of the model, and what it leaves of the seen
  double residual_mm = 0;        ///< median distance of the seen points to the surface
  double inlier_share = 0;       ///< of the seen points: used in the last fit
  double missing_share = 0;      ///< of the surface: nothing seen near it
  std::vector<char> is_missing;  ///< per vertex
  bool reflected = false;
};

/// Poses of the model worth refining for points that may cover a part of the bone only, best first: all orientations
/// of the points' principal axes, turns about and shifts along the longest one, both body sides.
std::vector<ShapePose> findPoses(const ShapeModel& model, const std::vector<registration::OrientedPoint>& points);

/// The posterior of a model given points on a part of the bone's surface: pose and coefficients by Gauss–Newton on
/// point-to-plane distances with Tukey weights (Albrecht et al., Med Image Anal 17, 2013, with the pose in the
/// estimate). A known `length_mm` of the whole bone (0: unknown) counts as one more observation. Throws DataError when
/// the model does not fit the points at all.
ShapePosterior fitShape(const ShapeModel& model, const std::vector<registration::OrientedPoint>& points,
                        double length_mm = 0);

/// A bone drawn from the posterior; `normal_draws` are as many standard normal numbers as `spread` has columns.
mesh::TriangleMesh drawShape(const ShapeModel& model, const ShapePosterior& posterior,
                             const Eigen::VectorXd& normal_draws);

/// About one point for each patch of `spacing_mm` on a mesh's surface, with outward normals; fixed order.
std::vector<registration::OrientedPoint> thinned(const std::vector<registration::OrientedPoint>& points,
                                                 double spacing_mm);
std::vector<registration::OrientedPoint> surfacePoints(const mesh::TriangleMesh& mesh);

}  // namespace osteo::reconstruct
