#pragma once
#include <Eigen/Geometry>
#include <vector>

namespace osteo::registration {

/// How two sets of corresponding points lie on one another.
struct PointFit {
  Eigen::Affine3d transform = Eigen::Affine3d::Identity();  ///< moving to fixed, mm
  double scale = 1;
  double fre_mm = 0;                 ///< fiducial registration error: root mean square of the distances left
  std::vector<double> distances_mm;  ///< what is left of each pair
  double mirrored_fre_mm = 0;  ///< of the best reflection: far smaller than fre_mm when left and right are swapped
};

/// The rigid motion, or the similarity, that brings `moving` onto `fixed` with the least squares of the distances, in
/// closed form (Umeyama, IEEE PAMI 1991). Points i correspond. Throws DataError for fewer than three pairs, unequal
/// numbers, or points on one line, which leave a turn open.
PointFit fitPoints(const std::vector<Eigen::Vector3d>& moving, const std::vector<Eigen::Vector3d>& fixed,
                   bool with_scale = false);

/// Root mean square errors in mm to expect at targets after a rigid fit of `fiducials`, each located with an error of
/// `fle_mm` root mean square in space (Fitzpatrick, West & Maurer, IEEE TMI 1998). Throws DataError as fitPoints does.
std::vector<double> predictedTre_mm(const std::vector<Eigen::Vector3d>& fiducials,
                                    const std::vector<Eigen::Vector3d>& targets_mm, double fle_mm);

/// The fiducial registration error in mm to expect of `count` points: sqrt(1 - 2 / count) of fle_mm (same paper).
double predictedFre_mm(std::size_t count, double fle_mm);

}  // namespace osteo::registration
