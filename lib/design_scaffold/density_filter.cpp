#include "design_scaffold/density_filter.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::design_scaffold {
namespace {

constexpr std::int64_t kChunk = 1024;

int mirrored(int i, int size) {
  while (i < 0 || i >= size) i = i < 0 ? -1 - i : 2 * size - 1 - i;
  return i;
}

}  // namespace

ElementGrid::ElementGrid(const simulate::VoxelModel& model)
    : size(model.frame.size),
      place(static_cast<std::size_t>(model.elements)),
      element_at(static_cast<std::size_t>(model.frame.voxelCount()), -1) {
  simulate::forEachElement(model, [&](std::int64_t e, int i, int j, int k, const auto&) {
    place[static_cast<std::size_t>(e)] = {i, j, k};
    element_at[static_cast<std::size_t>(i + std::int64_t{size[0]} * (j + std::int64_t{size[1]} * k))] = e;
  });
}

DensityFilter::DensityFilter(const ElementGrid& grid, double radius_elements, Border border)
    : grid_(grid), border_(border) {
  const int reach = static_cast<int>(std::ceil(radius_elements));
  for (int c = -reach; c <= reach; ++c)
    for (int b = -reach; b <= reach; ++b)
      for (int a = -reach; a <= reach; ++a) {
        const double weight = radius_elements - Eigen::Vector3d(a, b, c).norm();
        if (weight > 1e-12) offsets_.push_back({{a, b, c}, weight});
      }
  if (offsets_.empty()) offsets_.push_back({Eigen::Vector3i::Zero(), 1});  // a radius of 0 filters nothing
  sum_ = gathered(std::vector<double>(grid.place.size(), 1.0));
}

std::vector<double> DensityFilter::gathered(const std::vector<double>& values) const {
  std::vector<double> out(values.size(), 0.0);
  core::parallelChunks(static_cast<std::int64_t>(values.size()), kChunk, [&](auto first, auto last, auto) {
    for (auto e = first; e < last; ++e)
      for (const Offset& offset : offsets_) {
        Eigen::Vector3i at = grid_.place[e] + offset.by;
        if (!grid_.holds(at)) {
          if (border_ == Border::Nothing) continue;
          for (int axis = 0; axis < 3; ++axis) at[axis] = mirrored(at[axis], grid_.size[axis]);
        }
        const auto other = grid_.at(at);
        if (other >= 0) out[e] += offset.weight * values[other];
      }
  });
  return out;
}

std::vector<double> DensityFilter::apply(const std::vector<double>& density) const {
  std::vector<double> out = gathered(density);
  for (std::size_t e = 0; e < out.size(); ++e) out[e] /= sum_[e];
  return out;
}

std::vector<double> DensityFilter::transposed(const std::vector<double>& derivative) const {
  // Weights are the same in both directions, also across a mirror: what differs is who they are divided by.
  std::vector<double> scaled(derivative.size());
  for (std::size_t e = 0; e < scaled.size(); ++e) scaled[e] = derivative[e] / sum_[e];
  return gathered(scaled);
}

}  // namespace osteo::design_scaffold
