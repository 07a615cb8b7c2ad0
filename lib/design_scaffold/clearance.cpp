#include "design_scaffold/clearance.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "image/volume.h"
#include "simulate/document.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using nlohmann::json;

constexpr double kBlend_mm = 1.0;

Vector3d vectorOf(const json& j) { return {j[0].get<double>(), j[1].get<double>(), j[2].get<double>()}; }

double boxDistance(const FitRegion::Box& box, const Vector3d& p) {
  const Vector3d d = (p - 0.5 * (box.min_mm + box.max_mm)).cwiseAbs() - 0.5 * (box.max_mm - box.min_mm);
  return d.cwiseMax(0).norm() + std::min(d.maxCoeff(), 0.0);
}

/// How far a point lies outside a region.
double distance(const FitRegion& region, const Vector3d& p) {
  double far = -1e9;
  if (region.sphere) far = std::max(far, (p - region.sphere->centre_mm).norm() - region.sphere->radius_mm);
  if (region.box) far = std::max(far, boxDistance(*region.box, p));
  if (region.plane) far = std::max(far, -region.plane->normal.dot(p - region.plane->through_mm));
  return far;
}

}  // namespace

Clearance::Clearance(double everywhere_mm, std::vector<FitRegion> regions)
    : everywhere_(everywhere_mm), most_(everywhere_mm), least_(everywhere_mm), regions_(std::move(regions)) {
  for (const FitRegion& region : regions_) {
    most_ = std::max(most_, region.clearance_mm);
    least_ = std::min(least_, region.clearance_mm);
  }
}

double Clearance::operator()(const Vector3d& p) const {
  double value = everywhere_;
  for (const FitRegion& region : regions_)
    value += std::clamp(0.5 - distance(region, p) / kBlend_mm, 0.0, 1.0) * (region.clearance_mm - value);
  return value;
}

std::vector<FitRegion> readFitRegions(const std::string& path, const std::string& frame_id) {
  const json document = simulate::readDocument(path, "fit");
  image::requireSameFrame(document.value("frame_id", ""), "the fit in " + path, frame_id, "the defect");
  std::vector<FitRegion> regions;
  for (const json& j : document["regions"]) {
    FitRegion region{.name = j["name"], .clearance_mm = j["clearance_mm"]};
    if (j.contains("sphere")) region.sphere = {vectorOf(j["sphere"]["centre_mm"]), j["sphere"]["radius_mm"]};
    if (j.contains("box")) region.box = {vectorOf(j["box"]["min_mm"]), vectorOf(j["box"]["max_mm"])};
    if (j.contains("plane"))
      region.plane = {vectorOf(j["plane"]["through_mm"]), vectorOf(j["plane"]["normal"]).normalized()};
    regions.push_back(region);
  }
  return regions;
}

}  // namespace osteo::design_scaffold
