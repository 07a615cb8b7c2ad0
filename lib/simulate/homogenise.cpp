#include <algorithm>
#include <cmath>

#include "image/morphology.h"
#include "simulate/fillings.h"

namespace osteo::simulate {
namespace {

/// Sums over the box of ±radius voxels, one axis after the other, by running sums; outside counts as 0.
void boxSum(std::vector<double>& values, const Eigen::Vector3i& size, const Eigen::Vector3i& radii) {
  std::int64_t stride = 1;
  std::vector<double> line, sums;
  for (int axis = 0; axis < 3; ++axis) {
    const int n = size[axis], radius = radii[axis];
    const std::int64_t lines = static_cast<std::int64_t>(values.size()) / n;
    line.resize(n), sums.resize(n + 1);
    for (std::int64_t l = 0; l < lines; ++l) {
      const std::int64_t first = l % stride + l / stride * stride * n;
      sums[0] = 0;
      for (int i = 0; i < n; ++i) sums[i + 1] = sums[i] + values[first + i * stride];
      for (int i = 0; i < n; ++i)
        values[first + i * stride] = sums[std::min(n, i + radius + 1)] - sums[std::max(0, i - radius)];
    }
    stride *= n;
  }
}

/// Largest value within the box of ±radius voxels.
std::vector<float> boxMax(std::vector<float> values, const Eigen::Vector3i& size, const Eigen::Vector3i& radii) {
  std::int64_t stride = 1;
  std::vector<float> line;
  for (int axis = 0; axis < 3; ++axis) {
    const int n = size[axis], radius = radii[axis];
    line.resize(n);
    for (std::int64_t l = 0; l < static_cast<std::int64_t>(values.size()) / n; ++l) {
      const std::int64_t first = l % stride + l / stride * stride * n;
      for (int i = 0; i < n; ++i) line[i] = values[first + i * stride];
      for (int i = 0; i < n; ++i)
        values[first + i * stride] =
            *std::max_element(line.begin() + std::max(0, i - radius), line.begin() + std::min(n, i + radius + 1));
    }
    stride *= n;
  }
  return values;
}

}  // namespace

void homogenise(Filling& filling, double cell_mm, double wall_mm, std::uint16_t solid, std::uint16_t lattice) {
  const double h = std::cbrt(filling.frame.spacing_mm.prod());
  Eigen::Vector3i radius;
  for (int c = 0; c < 3; ++c)
    radius[c] = std::max(1, static_cast<int>(std::lround(0.5 * (cell_mm / filling.frame.spacing_mm[c] - 1))));
  // Half of what elements nearby reach: 1 where elements are finer than walls, the lattice's fraction where they are as
  // coarse as cells. So the envelope ends in the middle of the elements that it cuts.
  const auto most = boxMax(filling.value, filling.frame.size, radius);
  image::LabelVolume filled(filling.frame);
  for (std::size_t v = 0; v < filled.voxels.size(); ++v)
    filled.voxels[v] = filling.value[v] >= std::max(0.02F, 0.5F * most[v]);
  // Pores are narrower than a cell (the largest sphere of a gyroid has a diameter of 0.92 cells), so closing finds the
  // envelope; the large ball dips little into pores that are open to the outside. What a ball of twice the walls' width
  // fits into is no lattice, nor a junction of its walls.
  const image::LabelVolume envelope = image::close(filled, 2 * cell_mm);
  const image::LabelVolume massive = image::open(filled, wall_mm + 0.5 * h);
  std::vector<double> share(filling.value.size(), 0.0), weight(filling.value.size(), 0.0);
  for (std::size_t v = 0; v < share.size(); ++v) {
    if (!envelope.voxels[v] || massive.voxels[v]) continue;
    share[v] = filling.value[v];
    weight[v] = 1;
  }
  // Once for the fraction in a window, and once more weighted by how much of each window lies inside: at the border a
  // window holds a part of a cell only, and what part that is says nothing of the lattice.
  const std::vector<double> inside = weight;
  boxSum(share, filling.frame.size, radius);
  boxSum(weight, filling.frame.size, radius);
  for (std::size_t v = 0; v < share.size(); ++v) {
    share[v] *= inside[v];
    weight[v] *= inside[v];
  }
  boxSum(share, filling.frame.size, radius);
  boxSum(weight, filling.frame.size, radius);
  for (std::size_t v = 0; v < share.size(); ++v) {
    if (!envelope.voxels[v] || (massive.voxels[v] && filling.value[v] < kMinFraction)) {
      filling.material[v] = 0;
    } else if (massive.voxels[v]) {
      filling.material[v] = solid;
    } else {
      filling.value[v] = static_cast<float>(std::min(1.0, share[v] / weight[v]));
      filling.material[v] = filling.value[v] >= 0.01F ? lattice : 0;
    }
  }
}

}  // namespace osteo::simulate
