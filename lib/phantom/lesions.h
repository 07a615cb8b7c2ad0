#pragma once
#include <optional>

#include "phantom/scene_builder.h"

namespace osteo::phantom {

/// What a lesion is asked to be, and where it must lie.
struct LesionWish {
  std::string form;  ///< "breach", "hole", "cavity", "bite", "gap"
  Margin margin = Margin::Sharp;
  bool fragments = false;
  Eigen::Vector3d around_mm = Eigen::Vector3d::Zero();  ///< middle of what is shown, in the anatomy's frame
  double within_mm = 50;                                ///< from there to the lesion's middle
};

/// Puts a lesion into one of the plan's bones; nothing where none of the tries fits.
std::optional<Lesion> drawLesion(const Plan& plan, const LesionWish& wish, Draw& draw);

/// A surface point of a bone within a ball, and the outward normal there.
struct Site {
  Eigen::Vector3d point_mm, normal;
};
std::optional<Site> surfaceSite(const Plan& plan, int bone, const LesionWish& where, Draw& draw);

/// The shafts that pass through what is shown.
std::vector<Shaft> shaftsShown(const Plan& plan, const LesionWish& where);

/// Distance to a bone's surface with what its joints take away.
double boneDistance(const Scene& scene, int bone, const Eigen::Vector3d& p);

}  // namespace osteo::phantom
