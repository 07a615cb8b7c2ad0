#include "registration/distance_map.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::registration {
namespace {

constexpr float kFar = 1e12F;  // squared

/// Lower envelope of parabolas over one line of n squared distances with a step in mm between them.
class LineTransform {
 public:
  explicit LineTransform(int n) : in_(n), vertex_(n), bound_(n + 1) {}

  void run(float* line, std::int64_t stride, int n, double step) {
    for (int i = 0; i < n; ++i) in_[i] = line[i * stride];
    int last = -1;
    for (int q = 0; q < n; ++q) {
      if (in_[q] >= kFar) continue;
      double crossing = -1e30;
      while (last >= 0) {
        const int v = vertex_[last];
        crossing = ((in_[q] - in_[v]) / (step * step) + static_cast<double>(q) * q - static_cast<double>(v) * v) /
                   (2.0 * (q - v));
        if (crossing > bound_[last]) break;
        --last;
        crossing = -1e30;
      }
      vertex_[++last] = q;
      bound_[last] = crossing;
    }
    if (last < 0) return;
    bound_[last + 1] = 1e30;
    for (int i = 0, k = 0; i < n; ++i) {
      while (bound_[k + 1] < i) ++k;
      const double d = step * (i - vertex_[k]);
      line[i * stride] = static_cast<float>(d * d + in_[vertex_[k]]);
    }
  }

 private:
  std::vector<double> in_;
  std::vector<int> vertex_;
  std::vector<double> bound_;
};

}  // namespace

image::CtVolume distanceTo(const image::Frame& frame, const std::function<bool(std::int64_t)>& marked) {
  image::CtVolume out(frame);
  const int nx = frame.size[0], ny = frame.size[1], nz = frame.size[2];
  const std::int64_t row = nx, slice = std::int64_t{nx} * ny;
  core::parallelFor(nz, [&](std::int64_t k) {
    float* plane = out.voxels.data() + k * slice;
    for (std::int64_t i = 0; i < slice; ++i) plane[i] = marked(k * slice + i) ? 0.0F : kFar;
    LineTransform along_x(nx), along_y(ny);
    for (int j = 0; j < ny; ++j) along_x.run(plane + j * row, 1, nx, frame.spacing_mm[0]);
    for (int i = 0; i < nx; ++i) along_y.run(plane + i, row, ny, frame.spacing_mm[1]);
  });
  core::parallelFor(ny, [&](std::int64_t j) {
    LineTransform along_z(nz);
    for (int i = 0; i < nx; ++i) along_z.run(out.voxels.data() + j * row + i, slice, nz, frame.spacing_mm[2]);
  });
  core::parallelChunks(frame.voxelCount(), 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) out.voxels[i] = std::sqrt(out.voxels[i]);
  });
  return out;
}

image::CtVolume signedDistance(const image::Frame& frame, const std::function<bool(std::int64_t)>& marked) {
  image::CtVolume outside = distanceTo(frame, marked);
  const image::CtVolume inside = distanceTo(frame, [&](std::int64_t i) { return !marked(i); });
  const auto half = static_cast<float>(0.5 * frame.spacing_mm.minCoeff());
  core::parallelChunks(frame.voxelCount(), 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) {
      float& d = outside.voxels[i];
      d = d > 0 ? d - half : half - inside.voxels[i];
    }
  });
  return outside;
}

Eigen::Vector3d gradientAt(const image::CtVolume& volume, const Eigen::Vector3d& point_mm, float outside) {
  const double step = 0.5 * volume.frame.spacing_mm.minCoeff();
  Eigen::Vector3d gradient;
  for (int axis = 0; axis < 3; ++axis) {
    const Eigen::Vector3d shift = Eigen::Vector3d::Unit(axis) * step;
    gradient[axis] = (image::sampleLinear(volume, volume.frame.toIndex(point_mm + shift), outside) -
                      image::sampleLinear(volume, volume.frame.toIndex(point_mm - shift), outside)) /
                     (2 * step);
  }
  return gradient;
}

}  // namespace osteo::registration
