#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "design_scaffold/fixation.h"

namespace osteo::design_scaffold {

/// A straight round bar with round ends.
struct Stem {
  Eigen::Vector3d from_mm, to_mm;
  double radius_mm = 0;
  double distance_mm(const Eigen::Vector3d& point_mm) const;
};

/// A place that may hold a screw.
struct Place {
  Eigen::Vector3d entry_mm, direction;
  double middle_mm = 0;        ///< depth of the bone's axis: only behind it a surface is the far one
  const Stem* stem = nullptr;  ///< takes the place of bone
};

/// The screw of a place, or why there can be none.
struct Trial {
  Screw screw;
  std::string refusal;  ///< empty: the screw holds
};

/// Places tried, and how many of them each condition ruled out (the first that did).
struct Tally {
  int places = 0;
  std::map<std::string, int> refused;
  void add(const Trial& trial);
  void add(const Tally& other);
};

/// Least distance of two screws' axes from head to tip.
double axisDistance_mm(const Screw& a, const Screw& b);

/// Tries screws on the host: bone along them, distance to the cut and to borders, keep-outs, and a free way for the
/// screwdriver. Keeps references to site and spec.
class ScrewTrials {
 public:
  ScrewTrials(const FixationSite& site, const FixationSpec& spec);
  ~ScrewTrials();
  const FixationSite& site() const { return site_; }
  const FixationSpec& spec() const { return spec_; }

  /// Signed distance to the host, clamped to its band.
  double bone(const Eigen::Vector3d& point_mm) const;
  /// The nearest point of the host's surface, from within its band.
  std::optional<Eigen::Vector3d> foot(const Eigen::Vector3d& point_mm) const;
  /// The host's outer normal, averaged over the diameter of a head.
  Eigen::Vector3d normal(const Eigen::Vector3d& on_surface_mm) const;
  /// Signed distance to the defect, at any range.
  double toCut_mm(const Eigen::Vector3d& point_mm) const;
  /// Least distance of an axis from the defect.
  double fromCut_mm() const { return spec_.edge_mm + 0.5 * spec_.head_mm; }
  /// What stands above the bone.
  double standing_mm() const;
  /// Distance from a point in the bone along a unit vector to the outermost surface within reach; none: no bone there.
  std::optional<double> outermost_mm(const Eigen::Vector3d& from_mm, const Eigen::Vector3d& along,
                                     double reach_mm) const;

  Trial operator()(const Place& place) const;

 private:
  struct Surface;
  struct Way;
  Way follow(const Place& place) const;
  double hollowFrom(const Place& place, double depth_mm, double reach_mm) const;
  bool isCanal(const Place& place, double depth_mm) const;
  bool isReachable(const Place& place) const;
  bool hasBorders(const Place& place) const;
  std::string collision(const Screw& screw) const;
  void describeBone(const Place& place, Screw& screw) const;

  const FixationSite& site_;
  const FixationSpec& spec_;
  double step_mm_;
  std::unique_ptr<Surface> cut_;
  std::vector<std::unique_ptr<Surface>> keep_outs_;
};

/// Throws DataError: how many screws of how many found a place, `where` (" in the first stump"), and what ruled out the
/// others.
[[noreturn]] void tooFewScrews(const ScrewTrials& trials, const Tally& tally, std::size_t found,
                               const std::string& where);

}  // namespace osteo::design_scaffold
