#include "image/distance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"

namespace osteo::image {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();
constexpr int kLines = 16;  // lines gathered at a time, so that memory is read in whole cache lines

/// Scratch of the one-dimensional transform.
struct Envelope {
  std::vector<int> site;       ///< vertices of the parabolas of the lower envelope
  std::vector<double> border;  ///< where each of them begins to be the lowest
  explicit Envelope(int n) : site(static_cast<std::size_t>(n)), border(static_cast<std::size_t>(n)) {}

  /// Replaces f by min over q of (h (i − q))² + f[q]; h is the spacing.
  void transform(double* f, double* copy, int n, double h) {
    int top = -1;
    for (int q = 0; q < n; ++q) {
      copy[q] = f[q];
      if (f[q] == kFar) continue;
      double start = -kFar;
      for (; top >= 0; --top) {
        const int p = site[static_cast<std::size_t>(top)];
        start = ((f[q] - f[p]) / (h * h) + double(q) * q - double(p) * p) / (2.0 * (q - p));
        if (start > border[static_cast<std::size_t>(top)]) break;
        start = -kFar;
      }
      ++top;
      site[static_cast<std::size_t>(top)] = q;
      border[static_cast<std::size_t>(top)] = start;
    }
    if (top < 0) return;
    for (int i = 0, at = 0; i < n; ++i) {
      while (at < top && border[static_cast<std::size_t>(at) + 1] < i) ++at;
      const int q = site[static_cast<std::size_t>(at)];
      f[i] = h * h * (i - q) * double(i - q) + copy[q];
    }
  }
};

/// Squared distance along x to the nearest mask voxel of the same row.
void scanRow(const std::uint16_t* mask, float* out, int n, double h) {
  std::int64_t last = -1;
  for (int i = 0; i < n; ++i) {
    if (mask[i] != 0) last = i;
    const double d = last < 0 ? kFar : h * static_cast<double>(i - last);
    out[i] = static_cast<float>(d * d);
  }
  last = -1;
  for (int i = n - 1; i >= 0; --i) {
    if (mask[i] != 0) last = i;
    if (last < 0) continue;
    const double d = h * static_cast<double>(last - i);
    out[i] = std::min(out[i], static_cast<float>(d * d));
  }
}

/// One pass along y (axis 1) or z (axis 2) over all lines whose x runs over a row.
void passAlong(CtVolume& volume, int axis, bool root) {
  const Eigen::Vector3i& size = volume.frame.size;
  const int n = size[axis], other = axis == 1 ? 2 : 1;
  const std::int64_t nx = size[0], plane = nx * size[1], stride = axis == 1 ? nx : plane;
  core::parallelFor(size[other], [&](std::int64_t outer) {
    Envelope envelope(n);
    std::vector<double> lines(static_cast<std::size_t>(kLines) * n), copy(static_cast<std::size_t>(n));
    float* base = volume.voxels.data() + outer * (axis == 1 ? plane : nx);
    for (std::int64_t first = 0; first < nx; first += kLines) {
      const auto width = static_cast<int>(std::min<std::int64_t>(kLines, nx - first));
      for (int i = 0; i < n; ++i)
        for (int line = 0; line < width; ++line)
          lines[static_cast<std::size_t>(line) * n + i] = base[i * stride + first + line];
      for (int line = 0; line < width; ++line)
        envelope.transform(&lines[static_cast<std::size_t>(line) * n], copy.data(), n, volume.frame.spacing_mm[axis]);
      for (int i = 0; i < n; ++i)
        for (int line = 0; line < width; ++line) {
          const double squared = lines[static_cast<std::size_t>(line) * n + i];
          base[i * stride + first + line] = static_cast<float>(root ? std::sqrt(squared) : squared);
        }
    }
  });
}

}  // namespace

CtVolume distanceMm(const LabelVolume& mask_nonzero) {
  const Frame& frame = mask_nonzero.frame;
  CtVolume out(frame);
  const std::int64_t nx = frame.size[0];
  core::parallelChunks(std::int64_t{frame.size[1]} * frame.size[2], 64,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t row = first; row < last; ++row)
                           scanRow(mask_nonzero.voxels.data() + row * nx, out.voxels.data() + row * nx, frame.size[0],
                                   frame.spacing_mm[0]);
                       });
  passAlong(out, 1, false);
  passAlong(out, 2, true);
  return out;
}

}  // namespace osteo::image
