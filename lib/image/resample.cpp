#include "image/resample.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::image {
namespace {

constexpr double kHalf = 0.5 + 1e-6;  // half a voxel, and a point computed to lie on its border

/// Runs body(row pointer, index of the row's first voxel in the source, step of the index along the row) over all rows.
template <class T, class Body>
Volume<T> overRows(const Frame& source, const Frame& target, const Body& body) {
  Volume<T> out(target);
  const Eigen::Matrix3d map = source.spacing_mm.cwiseInverse().asDiagonal() * source.direction.transpose() *
                              target.direction * target.spacing_mm.asDiagonal();
  const Eigen::Vector3d start = source.toIndex(target.origin_mm);
  core::parallelFor(std::int64_t{target.size[1]} * target.size[2], [&](std::int64_t row) {
    const auto j = static_cast<double>(row % target.size[1]), k = static_cast<double>(row / target.size[1]);
    body(out.voxels.data() + row * target.size[0], Eigen::Vector3d(start + map.col(1) * j + map.col(2) * k),
         Eigen::Vector3d(map.col(0)));
  });
  return out;
}

bool withinHalfVoxel(const Eigen::Vector3d& index, const Eigen::Vector3i& size) {
  return (index.array() >= -kHalf).all() && (index.array() <= size.array().cast<double>() - 1 + kHalf).all();
}

Eigen::Vector3d clamped(const Eigen::Vector3d& index, const Eigen::Vector3i& size) {
  return index.cwiseMax(0.0).cwiseMin((size.array() - 1).cast<double>().matrix());
}

}  // namespace

CtVolume resampleLinear(const CtVolume& volume, const Frame& target, float outside) {
  const Eigen::Vector3i& size = volume.frame.size;
  return overRows<float>(
      volume.frame, target, [&](float* row, const Eigen::Vector3d& start, const Eigen::Vector3d& step) {
        for (int i = 0; i < target.size[0]; ++i) {
          const Eigen::Vector3d index = start + step * i;
          row[i] = withinHalfVoxel(index, size) ? sampleLinear(volume, clamped(index, size), outside) : outside;
        }
      });
}

LabelVolume resampleNearest(const LabelVolume& labels, const Frame& target) {
  const Eigen::Vector3i& size = labels.frame.size;
  return overRows<std::uint16_t>(
      labels.frame, target, [&](std::uint16_t* row, const Eigen::Vector3d& start, const Eigen::Vector3d& step) {
        for (int i = 0; i < target.size[0]; ++i) {
          const Eigen::Vector3d index = start + step * i;
          if (!withinHalfVoxel(index, size)) continue;
          // The tiny shift makes ties fall to the lower voxel whatever the rounding of the map.
          const Eigen::Vector3d at = clamped((index.array() + 0.5 - 1e-9).floor().matrix(), size);
          row[i] = labels.at(static_cast<int>(at[0]), static_cast<int>(at[1]), static_cast<int>(at[2]));
        }
      });
}

Box Box::within(const Frame& frame) const {
  const Eigen::Vector3i first = low.cwiseMax(0), end = (low + size).cwiseMin(frame.size);
  return {first, (end - first).cwiseMax(0)};
}

Box boundingBox(const LabelVolume& mask) {
  const Eigen::Vector3i& size = mask.frame.size;
  Eigen::Vector3i low = size, high = Eigen::Vector3i::Constant(-1);
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j) {
      const auto* row = mask.voxels.data() + mask.index(0, j, k);
      const auto* end = row + size[0];
      const auto* first = std::find_if(row, end, [](std::uint16_t v) { return v != 0; });
      if (first == end) continue;
      const auto* last = end - 1;
      while (*last == 0) --last;
      low = low.cwiseMin(Eigen::Vector3i(static_cast<int>(first - row), j, k));
      high = high.cwiseMax(Eigen::Vector3i(static_cast<int>(last - row), j, k));
    }
  return high[0] < 0 ? Box{} : Box{low, high - low + Eigen::Vector3i::Ones()};
}

namespace {

/// Calls body(row of the volume, row of the box, length) for all rows that both share.
template <class Body>
void sharedRows(const Frame& frame, const Box& box, const Body& body) {
  const Box inner = box.within(frame);
  if (inner.empty()) return;
  for (int k = inner.low[2]; k < inner.low[2] + inner.size[2]; ++k)
    for (int j = inner.low[1]; j < inner.low[1] + inner.size[1]; ++j) {
      const std::int64_t in_volume = inner.low[0] + std::int64_t{frame.size[0]} * (j + std::int64_t{frame.size[1]} * k);
      const std::int64_t in_box =
          inner.low[0] - box.low[0] +
          std::int64_t{box.size[0]} * (j - box.low[1] + std::int64_t{box.size[1]} * (k - box.low[2]));
      body(in_volume, in_box, inner.size[0]);
    }
}

}  // namespace

template <class T>
Volume<T> crop(const Volume<T>& volume, const Box& box, T fill) {
  Frame frame = volume.frame;
  frame.size = box.size.cwiseMax(0);
  frame.origin_mm = volume.frame.toWorld(box.low.cast<double>());
  Volume<T> out(frame, fill);
  sharedRows(volume.frame, box, [&](std::int64_t from, std::int64_t to, int n) {
    std::copy_n(volume.voxels.begin() + from, n, out.voxels.begin() + to);
  });
  return out;
}

template <class T>
void paste(const Volume<T>& part, const Box& box, Volume<T>& volume) {
  sharedRows(volume.frame, box, [&](std::int64_t to, std::int64_t from, int n) {
    std::copy_n(part.voxels.begin() + from, n, volume.voxels.begin() + to);
  });
}

template CtVolume crop(const CtVolume&, const Box&, float);
template LabelVolume crop(const LabelVolume&, const Box&, std::uint16_t);
template void paste(const CtVolume&, const Box&, CtVolume&);
template void paste(const LabelVolume&, const Box&, LabelVolume&);

}  // namespace osteo::image
