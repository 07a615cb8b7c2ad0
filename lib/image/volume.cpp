#include "image/volume.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace osteo::image {

bool Frame::sameGrid(const Frame& other, double tolerance_mm) const {
  if (size != other.size) return false;
  // Grids that agree at the eight corners agree everywhere between them.
  for (int corner = 0; corner < 8; ++corner) {
    Eigen::Vector3d index;
    for (int axis = 0; axis < 3; ++axis) index[axis] = (corner >> axis) & 1 ? size[axis] - 1 : 0;
    if (!((toWorld(index) - other.toWorld(index)).cwiseAbs().maxCoeff() <= tolerance_mm)) return false;
  }
  return true;
}

void requireSameFrame(const std::string& frame_id_a, const std::string& name_a, const std::string& frame_id_b,
                      const std::string& name_b) {
  if (frame_id_a.empty() || frame_id_b.empty() || frame_id_a == frame_id_b) return;
  throw core::Error(core::Exit::DataError,
                    {.what = "the inputs lie in different frames of reference",
                     .file = name_b,
                     .expected = "frame_id " + frame_id_a + " as in " + name_a,
                     .got = "frame_id " + frame_id_b,
                     .hint = "use files that come from the same import, or register one onto the other first"});
}

void requireSameGrid(const Frame& a, const std::string& name_a, const Frame& b, const std::string& name_b) {
  requireSameFrame(a.frame_id, name_a, b.frame_id, name_b);
  if (a.sameGrid(b, 0.02 * a.spacing_mm.minCoeff())) return;
  throw core::Error(core::Exit::DataError, {.what = "the volume lies on another grid than " + name_a,
                                            .file = name_b,
                                            .hint = "resample it to the grid of " + name_a});
}

float sampleLinear(const CtVolume& volume, const Eigen::Vector3d& index, float outside) {
  const Eigen::Vector3i& size = volume.frame.size;
  constexpr double kRounding = 1e-6;  // so that a point computed to lie on the border is not lost
  int low[3];
  double part[3];
  for (int axis = 0; axis < 3; ++axis) {
    const double last = size[axis] - 1;
    if (!(index[axis] >= -kRounding && index[axis] <= last + kRounding)) return outside;
    const double x = std::clamp(index[axis], 0.0, last);
    low[axis] = std::min(static_cast<int>(x), std::max(size[axis] - 2, 0));
    part[axis] = x - low[axis];
  }
  const std::int64_t dx = size[0] > 1 ? 1 : 0;
  const std::int64_t dy = size[1] > 1 ? size[0] : 0;
  const std::int64_t dz = size[2] > 1 ? std::int64_t{size[0]} * size[1] : 0;
  const float* v = volume.voxels.data() + volume.index(low[0], low[1], low[2]);
  const auto along = [&](std::int64_t at) { return v[at] + part[0] * (double{v[at + dx]} - v[at]); };
  const double c00 = along(0), c10 = along(dy), c01 = along(dz), c11 = along(dy + dz);
  const double c0 = c00 + part[1] * (c10 - c00), c1 = c01 + part[1] * (c11 - c01);
  return static_cast<float>(c0 + part[2] * (c1 - c0));
}

}  // namespace osteo::image
