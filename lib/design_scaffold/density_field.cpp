#include "design_scaffold/density_field.h"

#include <cmath>

namespace osteo::design_scaffold {

image::CtVolume densityField(const simulate::VoxelModel& model, const std::vector<double>& density,
                             const Shares& shares) {
  constexpr int kReach = 6;         // voxels beyond the body
  constexpr double kDecided = 0.2;  // of an element, at least
  image::CtVolume field(model.frame, std::nanf(""));
  double sum = 0, weight = 0;
  simulate::forEachElement(model, [&](std::int64_t e, int i, int j, int k, const auto&) {
    const auto n = static_cast<std::size_t>(e);
    if (shares.open(n) < kDecided) return;
    field.at(i, j, k) = static_cast<float>(density[n]);
    sum += shares.open(n) * density[n], weight += shares.open(n);
  });
  for (int round = 0; round < kReach; ++round) {
    const std::vector<float> before = field.voxels;
    for (std::int64_t v = 0; v < field.frame.voxelCount(); ++v) {
      if (!std::isnan(before[v])) continue;
      float near = 0, count = 0;
      image::forFaceNeighbours(field.frame, v, [&](std::int64_t n) {
        if (!std::isnan(before[n])) near += before[n], ++count;
      });
      if (count > 0) field.voxels[v] = near / count;
    }
  }
  const auto mean = static_cast<float>(weight > 0 ? sum / weight : 0);
  for (float& v : field.voxels)
    if (std::isnan(v)) v = mean;
  return field;
}

}  // namespace osteo::design_scaffold
