#pragma once
#include <Eigen/Core>
#include <optional>
#include <string>
#include <vector>

namespace osteo::design_scaffold {

/// A part of space in which the implant meets the host otherwise: what lies in all its given shapes. Lengths in mm.
struct FitRegion {
  struct Sphere {
    Eigen::Vector3d centre_mm;
    double radius_mm;
  };
  struct Box {
    Eigen::Vector3d min_mm, max_mm;
  };
  struct Plane {
    Eigen::Vector3d through_mm, normal;  ///< the side to which the unit normal points
  };
  std::string name;
  double clearance_mm = 0;  ///< negative: press fit, the implant reaches this deep into the host
  std::optional<Sphere> sphere = {};
  std::optional<Box> box = {};
  std::optional<Plane> plane = {};
};

/// The gap that is kept to the host, place by place; from one region to the next it changes over 1 mm.
class Clearance {
 public:
  Clearance(double everywhere_mm = 0, std::vector<FitRegion> regions = {});  // NOLINT(google-explicit-constructor)
  double operator()(const Eigen::Vector3d& point_mm) const;
  double most_mm() const { return most_; }
  double least_mm() const { return least_; }

 private:
  double everywhere_, most_, least_;
  std::vector<FitRegion> regions_;
};

/// Reads regions from a document (configs/schema/fit.json); later ones go before earlier ones. Throws Config for what
/// the schema doesn't allow, DataError for another frame than `frame_id`.
std::vector<FitRegion> readFitRegions(const std::string& path, const std::string& frame_id);

}  // namespace osteo::design_scaffold
