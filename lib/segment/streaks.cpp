#include "segment/streaks.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "image/distance.h"

namespace osteo::segment {

namespace {

constexpr double kStep_mm = 2;                ///< to the voxels that one is compared with
constexpr double kNear_mm = 3, kFar_mm = 15;  ///< from the part
constexpr double kClear_mm = 30;              ///< beyond this bright voxels hardly matter
constexpr double kBelow_hu = 300, kAbove_hu = 160, kBone_hu = 250;
constexpr int kSparse = 2;  ///< every second voxel along each axis is looked at elsewhere
constexpr std::size_t kSlices = 9;
constexpr std::int64_t kLeastBeside = 30, kLeastElsewhere = 300;

}  // namespace

/// A median by counting.
class Unevenness::Counts {
 public:
  void add(double hu) {
    if (hu < 0) return;
    ++counts_[std::min(counts_.size() - 1, static_cast<std::size_t>(hu * 2))];
    ++total_;
  }
  double median(std::int64_t least) const {
    if (total_ < least) return 0;
    std::int64_t sum = 0;
    for (std::size_t b = 0; b < counts_.size(); ++b) {
      sum += counts_[b];
      if (2 * sum >= total_) return (static_cast<double>(b) + 0.5) / 2;
    }
    return 0;
  }

 private:
  std::vector<std::int64_t> counts_ = std::vector<std::int64_t>(1200, 0);
  std::int64_t total_ = 0;
};

Unevenness::Unevenness(const image::CtVolume& ct, double soft_hu, double bright_hu) : ct_(ct), soft_hu_(soft_hu) {
  int w = 2;
  ct.frame.direction.row(2).cwiseAbs().maxCoeff(&w);
  axes_ = {(w + 1) % 3, (w + 2) % 3, w};
  const std::array<std::int64_t, 3> stride{1, ct.frame.size[0], std::int64_t{ct.frame.size[0]} * ct.frame.size[1]};
  for (std::size_t a = 0; a < 3; ++a) stride_[a] = stride[static_cast<std::size_t>(axes_[a])];
  Counts counts;
  const int nu = ct.frame.size[axes_[0]], nv = ct.frame.size[axes_[1]];
  const int du = static_cast<int>(kClear_mm / ct.frame.spacing_mm[axes_[0]]),
            dv = static_cast<int>(kClear_mm / ct.frame.spacing_mm[axes_[1]]);
  for (int s = 0; s < ct.frame.size[w]; s += kSparse) {
    int low_u = nu, high_u = -1, low_v = nv, high_v = -1;
    for (int v = 0; v < nv; ++v) {
      for (int u = 0; u < nu; ++u) {
        if (ct.voxels[static_cast<std::size_t>(u * stride_[0] + v * stride_[1] + s * stride_[2])] < bright_hu) continue;
        low_u = std::min(low_u, u), high_u = std::max(high_u, u), low_v = std::min(low_v, v),
        high_v = std::max(high_v, v);
      }
    }
    for (int v = 0; v < nv; v += kSparse) {
      for (int u = 0; u < nu; u += kSparse) {
        if (u < low_u - du || u > high_u + du || v < low_v - dv || v > high_v + dv) counts.add(at({u, v, s}));
      }
    }
  }
  elsewhere_ = counts.median(kLeastElsewhere);
}

double Unevenness::at(const std::array<int, 3>& place) const {
  std::int64_t here = 0;
  for (std::size_t a = 0; a < 3; ++a) here += place[a] * stride_[a];
  const auto soft = [&](float hu) { return hu > soft_hu_ - kBelow_hu && hu < soft_hu_ + kAbove_hu; };
  const float hu = ct_.voxels[static_cast<std::size_t>(here)];
  if (!soft(hu)) return -1;
  double sum = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    const int n = ct_.frame.size[axes_[a]];
    const int step = std::max(1, static_cast<int>(std::lround(kStep_mm / ct_.frame.spacing_mm[axes_[a]])));
    for (int side = -1; side <= 1; side += 2) {
      if (place[a] + side >= 0 && place[a] + side < n &&
          ct_.voxels[static_cast<std::size_t>(here + side * stride_[a])] > soft_hu_ + kBone_hu) {
        return -1;
      }
      if (a == 2) continue;
      const int to = place[a] + side * step;
      if (to < 0 || to >= n) return -1;
      const float other = ct_.voxels[static_cast<std::size_t>(here + side * step * stride_[a])];
      if (!soft(other)) return -1;
      sum += other;
    }
  }
  return std::abs(hu - sum / 4);
}

double Unevenness::ratioBeside(const std::vector<std::int64_t>& voxels) const {
  if (elsewhere_ <= 0) return 0;
  const auto along = [&](std::int64_t v, std::size_t a) {
    return static_cast<int>(v / stride_[a] % ct_.frame.size[axes_[a]]);
  };
  std::map<int, std::vector<std::int64_t>> slices;
  for (const std::int64_t v : voxels) slices[along(v, 2)].push_back(v);
  Counts counts;
  const std::size_t every = (slices.size() + kSlices - 1) / kSlices;
  std::size_t n = 0;
  for (const auto& [s, part] : slices) {
    if (n++ % every != every / 2) continue;
    std::array<int, 2> low{}, high{};
    image::Frame frame;
    frame.size = Eigen::Vector3i::Ones();
    for (std::size_t a = 0; a < 2; ++a) {
      const double mm = ct_.frame.spacing_mm[axes_[a]];
      const auto [first, last] = std::minmax_element(
          part.begin(), part.end(), [&](std::int64_t p, std::int64_t q) { return along(p, a) < along(q, a); });
      low[a] = std::max(0, along(*first, a) - static_cast<int>(kFar_mm / mm) - 1);
      high[a] = std::min(ct_.frame.size[axes_[a]] - 1, along(*last, a) + static_cast<int>(kFar_mm / mm) + 1);
      frame.size[static_cast<int>(a)] = high[a] - low[a] + 1;
      frame.spacing_mm[static_cast<int>(a)] = mm;
    }
    image::LabelVolume mask(frame);
    for (const std::int64_t v : part) mask.at(along(v, 0) - low[0], along(v, 1) - low[1], 0) = 1;
    const image::CtVolume way = image::distanceMm(mask);
    for (int v = 0; v < frame.size[1]; ++v) {
      for (int u = 0; u < frame.size[0]; ++u) {
        if (way.at(u, v, 0) > kNear_mm && way.at(u, v, 0) < kFar_mm) counts.add(at({u + low[0], v + low[1], s}));
      }
    }
  }
  return counts.median(kLeastBeside) / elsewhere_;
}

}  // namespace osteo::segment
