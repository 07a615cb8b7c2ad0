#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "picture/annotate.h"
#include "picture/render.h"

namespace osteo::picture {
namespace {

constexpr double kFillAlpha = 0.35, kOutlineAlpha = 0.95;

/// An axis of the picture: an index axis of the volume, walked forwards or backwards.
struct Direction {
  int axis = 0;
  bool reversed = false;
  double step(const image::Frame& frame) const { return frame.spacing_mm[axis]; }
  double extent(const image::Frame& frame) const { return frame.size[axis] * step(frame); }
  /// Continuous voxel index at a fraction [0, 1) of the extent.
  double index(const image::Frame& frame, double fraction) const {
    return (reversed ? 1 - fraction : fraction) * frame.size[axis] - 0.5;
  }
};

/// The three index axes in the order of the world's: which one runs along world axis w, and whether against it.
std::array<Direction, 3> alongWorld(const image::Frame& frame) {
  std::array<Direction, 3> result;
  Eigen::Matrix3d left = frame.direction.cwiseAbs();
  for (int n = 0; n < 3; ++n) {  // the best match first, each row and column once
    Eigen::Index world, axis;
    left.maxCoeff(&world, &axis);
    result[static_cast<std::size_t>(world)] = {static_cast<int>(axis), frame.direction(world, axis) < 0};
    left.row(world).setConstant(-1);
    left.col(axis).setConstant(-1);
  }
  return result;
}

Eigen::Vector3i nearest(const Eigen::Vector3d& index, const image::Frame& frame) {
  return index.array().round().matrix().cast<int>().cwiseMax(0).cwiseMin(frame.size - Eigen::Vector3i::Ones());
}

double greyAt(const image::CtVolume& ct, const Eigen::Vector3d& index, int u, int v) {
  const Eigen::Vector3d low = Eigen::Vector3d::Zero(), high = (ct.frame.size - Eigen::Vector3i::Ones()).cast<double>();
  const Eigen::Vector3d p = index.cwiseMax(low).cwiseMin(high);
  Eigen::Vector3i a = nearest(p, ct.frame);
  a[u] = static_cast<int>(p[u]), a[v] = static_cast<int>(p[v]);
  const double fu = p[u] - a[u], fv = p[v] - a[v];
  const auto value = [&](int du, int dv) {
    Eigen::Vector3i i = a;
    i[u] = std::min(i[u] + du, ct.frame.size[u] - 1), i[v] = std::min(i[v] + dv, ct.frame.size[v] - 1);
    return double(ct.at(i[0], i[1], i[2]));
  };
  return (1 - fv) * ((1 - fu) * value(0, 0) + fu * value(1, 0)) + fv * ((1 - fu) * value(0, 1) + fu * value(1, 1));
}

}  // namespace

int indexAxis(const image::Frame& frame, int world_axis) {
  return alongWorld(frame)[static_cast<std::size_t>(world_axis)].axis;
}

Canvas renderSlice(const image::CtVolume& ct, const image::LabelVolume* labels, int axis, int index, double window_low,
                   double window_high, int height_px) {
  const auto world = alongWorld(ct.frame);
  Direction across = world[axis == 0 ? 1 : 0], down = world[axis == 2 ? 1 : 2];
  if (axis != 2) down.reversed = !down.reversed;  // superior is up
  const Direction through = world[static_cast<std::size_t>(axis)];
  if (index < 0 || index >= ct.frame.size[through.axis])
    throw core::Error(core::Exit::Software, {.what = "a slice outside the volume was asked for",
                                             .file = {},
                                             .expected = {},
                                             .got = std::to_string(index),
                                             .hint = {}});
  if (labels && labels->frame.size != ct.frame.size)
    throw core::Error(
        core::Exit::Software,
        {.what = "labels of a slice lie on another grid", .file = {}, .expected = {}, .got = {}, .hint = {}});
  const double pixels_per_mm = height_px / down.extent(ct.frame);
  const int width_px =
      std::clamp(static_cast<int>(std::lround(across.extent(ct.frame) * pixels_per_mm)), 1, 8 * height_px);
  Canvas canvas(width_px, height_px);
  std::vector<int> shown(static_cast<std::size_t>(width_px) * static_cast<std::size_t>(height_px), 0);
  for (int y = 0; y < height_px; ++y)
    for (int x = 0; x < width_px; ++x) {
      Eigen::Vector3d at;
      at[through.axis] = index;
      at[across.axis] = across.index(ct.frame, (x + 0.5) / width_px);
      at[down.axis] = down.index(ct.frame, (y + 0.5) / height_px);
      const double t = (greyAt(ct, at, across.axis, down.axis) - window_low) / (window_high - window_low);
      const auto grey = static_cast<std::uint8_t>(std::lround(255 * std::clamp(t, 0.0, 1.0)));
      canvas.at(x, y) = {grey, grey, grey};
      const Eigen::Vector3i i = nearest(at, ct.frame);
      if (labels) shown[static_cast<std::size_t>(y * width_px + x)] = labels->at(i[0], i[1], i[2]);
    }
  const auto label = [&](int x, int y) {
    return shown[static_cast<std::size_t>(std::clamp(y, 0, height_px - 1) * width_px + std::clamp(x, 0, width_px - 1))];
  };
  for (int y = 0; labels && y < height_px; ++y)
    for (int x = 0; x < width_px; ++x) {
      const int here = label(x, y);
      if (here == 0) continue;
      const bool outline =
          label(x - 1, y) != here || label(x + 1, y) != here || label(x, y - 1) != here || label(x, y + 1) != here;
      canvas.blend(x, y, labelColor(here), outline ? kOutlineAlpha : kFillAlpha);
    }
  drawScaleBar(canvas, pixels_per_mm, {235, 235, 235});
  const char* const sides[][2] = {{"A", "P"}, {"R", "L"}, {"R", "L"}};
  canvas.text(6, height_px / 2, sides[axis][0], {255, 220, 90}, 2);
  canvas.text(width_px - 16, height_px / 2, sides[axis][1], {255, 220, 90}, 2);
  return canvas;
}

}  // namespace osteo::picture
