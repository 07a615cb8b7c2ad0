#include "slice_print/slopes.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "slice_print/level_set_slicer.h"

namespace osteo::slice_print {

SlopeCollector::SlopeCollector(const Eigen::Vector3d& size_mm, double bin_mm) : size_mm_(size_mm) {
  profile_.bin_mm = bin_mm;
  profile_.steepest.assign(static_cast<std::size_t>(std::ceil(size_mm.z() / bin_mm)) + 1, 0);
}

void SlopeCollector::cover(double low_mm, double high_mm, double steepness) {
  const auto bins = static_cast<double>(profile_.steepest.size() - 1);
  const auto first = static_cast<std::size_t>(std::clamp(low_mm / profile_.bin_mm, 0.0, bins)),
             last = static_cast<std::size_t>(std::clamp(high_mm / profile_.bin_mm, 0.0, bins));
  for (std::size_t bin = first; bin <= last; ++bin)
    profile_.steepest[bin] = std::max(profile_.steepest[bin], static_cast<float>(steepness));
}

void SlopeCollector::add(const mesh::TriangleMesh& mesh) {
  for (const mesh::Triangle& t : mesh.triangles) {
    const Eigen::Vector3d &a = mesh.vertices[t[0]], &b = mesh.vertices[t[1]], &c = mesh.vertices[t[2]];
    const Eigen::Vector3d normal = (b - a).cross(c - a);
    const double length = normal.norm();
    if (!(length > 0)) continue;
    const double steepness = std::abs(normal.z()) / length, low = std::min({a.z(), b.z(), c.z()}),
                 high = std::max({a.z(), b.z(), c.z()});
    if (steepness > kLevel) {
      flats_.emplace_back((low + high) / 2, length / 2);
    } else {
      cover(low, high, steepness);
    }
  }
}

void SlopeCollector::add(const levelset::LevelSet& level_set, double shift_mm) {
  const double reach = level_set.voxel_mm() / 2;
  visitSlopes(level_set, [&](double z_mm, double steepness) {
    const double z = z_mm + shift_mm;
    const bool at_end = z < 2 * reach || z > size_mm_.z() - 2 * reach;
    if (at_end && steepness > 0.99) return;
    cover(z - reach, z + reach, steepness);
  });
}

SlopeProfile SlopeCollector::take() {
  std::sort(flats_.begin(), flats_.end());
  const double wanted_mm2 = kFlatShare * size_mm_.x() * size_mm_.y(), same_mm = profile_.bin_mm / 4;
  for (std::size_t first = 0, end = 0; first < flats_.size(); first = end) {
    double area = 0;
    while (end < flats_.size() && flats_[end].first <= flats_[first].first + same_mm) area += flats_[end++].second;
    const double z = flats_[first].first;
    const bool at_end = z < same_mm || z > size_mm_.z() - same_mm;
    if (area >= wanted_mm2) {
      profile_.flats_mm.push_back(z);
    } else if (!at_end) {
      cover(z, z, 1);
    }
  }
  return std::move(profile_);
}

}  // namespace osteo::slice_print
