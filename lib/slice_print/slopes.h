#pragma once
#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"
#include "slice_print/heights.h"

namespace osteo::slice_print {

/// Gathers the slopes of a part's surface for adaptive heights. Level faces count as such when they cover together at
/// least kFlatShare of the part's rectangle; the plate and the top are no faces to stop at.
class SlopeCollector {
 public:
  SlopeCollector(const Eigen::Vector3d& size_mm, double bin_mm);
  void add(const mesh::TriangleMesh& mesh);  ///< machine frame
  /// In LPS, `shift_mm` below the machine's z; its level faces count as slopes except at the plate and the top.
  void add(const levelset::LevelSet& level_set, double shift_mm);
  SlopeProfile take();

  static constexpr double kFlatShare = 5e-3;

 private:
  void cover(double low_mm, double high_mm, double steepness);

  Eigen::Vector3d size_mm_;
  SlopeProfile profile_;
  std::vector<std::pair<double, double>> flats_;  // z, area
};

}  // namespace osteo::slice_print
