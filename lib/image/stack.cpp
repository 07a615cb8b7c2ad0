#include "image/stack.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"

namespace osteo::image {
namespace {

constexpr float kNothing = -1024;  // HU of what no slice covers

double degreesBetween(const Eigen::Vector3d& a, const Eigen::Vector3d& b) {
  return std::atan2(a.cross(b).norm(), std::abs(a.dot(b))) * 180 / std::numbers::pi;
}

Eigen::Vector3d normalOf(const SliceStack& stack) { return stack.steps.col(0).cross(stack.steps.col(1)).normalized(); }

/// Positions of the slices along the normal, from the first on.
std::vector<double> positionsOf(const SliceStack& stack) {
  const Eigen::Vector3d normal = normalOf(stack);
  std::vector<double> out;
  for (const auto& origin : stack.origins_mm) out.push_back(normal.dot(origin - stack.origins_mm.front()));
  return out;
}

std::vector<double> gapsOf(const std::vector<double>& positions) {
  std::vector<double> gaps;
  for (std::size_t k = 1; k < positions.size(); ++k) gaps.push_back(positions[k] - positions[k - 1]);
  std::sort(gaps.begin(), gaps.end());
  return gaps;
}

Eigen::Vector3d walkOf(const SliceStack& stack) { return stack.origins_mm.back() - stack.origins_mm.front(); }

}  // namespace

bool StackGeometry::isUneven() const {
  // Positions rounded to 0.1 mm are no unevenness; nor is a tenth of a small gap.
  const double allowed = std::min(0.1, 0.1 * gap_mm);
  return uneven_mm > allowed || wander_mm > 0.1;
}

SliceStack stackOf(const Header& header) {
  SliceStack stack;
  stack.size = header.size.head<2>();
  stack.steps = header.axes.leftCols<2>();
  for (int k = 0; k < header.size[2]; ++k) stack.origins_mm.push_back(header.origin_mm + k * header.axes.col(2));
  return stack;
}

std::vector<std::size_t> sortAlongNormal(SliceStack& stack) {
  const auto positions = positionsOf(stack);
  std::vector<std::size_t> order(positions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return positions[a] < positions[b]; });
  std::vector<Eigen::Vector3d> sorted;
  for (const auto k : order) sorted.push_back(stack.origins_mm[k]);
  stack.origins_mm = std::move(sorted);
  return order;
}

StackGeometry measureStack(const SliceStack& stack) {
  StackGeometry out;
  out.normal = normalOf(stack);
  const auto positions = positionsOf(stack);
  const auto gaps = gapsOf(positions);
  out.gap_min_mm = gaps.front();
  out.gap_max_mm = gaps.back();
  out.gap_mm = gaps[gaps.size() / 2];
  const Eigen::Vector3d walk = walkOf(stack);
  out.tilt_degrees = degreesBetween(walk, out.normal);
  out.shear_degrees = std::abs(90 - degreesBetween(stack.steps.col(0), stack.steps.col(1)));
  const double even = positions.back() / static_cast<double>(gaps.size());
  for (std::size_t k = 0; k < positions.size(); ++k) {
    out.uneven_mm = std::max(out.uneven_mm, std::abs(positions[k] - even * static_cast<double>(k)));
    const Eigen::Vector3d straight = stack.origins_mm.front() + walk * (positions[k] / positions.back());
    out.wander_mm = std::max(out.wander_mm, (stack.origins_mm[k] - straight).norm());
  }
  return out;
}

Frame gridOf(const SliceStack& stack) {
  Header header;
  header.size << stack.size, static_cast<int>(stack.origins_mm.size());
  header.origin_mm = stack.origins_mm.front();
  const double step = positionsOf(stack).back() / static_cast<double>(stack.origins_mm.size() - 1);
  header.axes << stack.steps, normalOf(stack) * step;
  Frame frame = orthonormalFrame(header);
  // Decimal numbers of few digits went in: the rounding of the arithmetic is taken off again.
  frame.spacing_mm = ((frame.spacing_mm * 1e8).array().round() / 1e8).matrix();
  frame.frame_id = stack.frame_id;
  frame.slice_gap_mm = measureStack(stack).gap_max_mm;
  return frame;
}

namespace {

/// Directions of the new grid: z along the walk, x along the rows, right-handed.
Eigen::Matrix3d directionsFor(const SliceStack& stack) {
  Eigen::Matrix3d out;
  out.col(2) = walkOf(stack).normalized();
  const Eigen::Vector3d row = stack.steps.col(0);
  out.col(0) = (row - row.dot(out.col(2)) * out.col(2)).normalized();
  out.col(1) = out.col(2).cross(out.col(0));
  // Axes within rounding of the patient's own are set to them.
  const Eigen::Matrix3d rounded = out.array().round().matrix();
  return (out - rounded).cwiseAbs().maxCoeff() < 1e-4 ? rounded : out;
}

/// The grid along these directions that holds every pixel of the stack.
Frame enclosingFrame(const SliceStack& stack) {
  Frame frame;
  frame.direction = directionsFor(stack);
  frame.frame_id = stack.frame_id;
  frame.slice_gap_mm = measureStack(stack).gap_max_mm;
  const auto gaps = gapsOf(positionsOf(stack));
  const double along = std::abs(frame.direction.col(2).dot(normalOf(stack)));  // gaps are measured along the normal
  const Eigen::Vector2d pixel(stack.steps.col(0).norm(), stack.steps.col(1).norm());
  frame.spacing_mm << pixel, std::max(gaps[gaps.size() / 4] / along, pixel.maxCoeff());
  frame.spacing_mm = ((frame.spacing_mm * 1e8).array().round() / 1e8).matrix();
  Eigen::Vector3d low = Eigen::Vector3d::Constant(1e300), high = -low;
  for (const auto& origin : stack.origins_mm)
    for (int corner = 0; corner < 4; ++corner) {
      const Eigen::Vector2d index((corner & 1) * (stack.size[0] - 1), (corner >> 1) * (stack.size[1] - 1));
      const Eigen::Vector3d at = frame.direction.transpose() * (origin + stack.steps * index);
      low = low.cwiseMin(at);
      high = high.cwiseMax(at);
    }
  frame.origin_mm = frame.direction * low;
  frame.size = ((high - low).cwiseQuotient(frame.spacing_mm).array() - 1e-6).ceil().cast<int>() + 1;
  return frame;
}

/// Value of one slice at a point projected onto it along the normal; false outside its pixels.
struct SliceSampler {
  const SliceStack& stack;
  const std::vector<float>& voxels;
  Eigen::Matrix<double, 2, 3> to_index;

  bool sample(std::size_t slice, const Eigen::Vector3d& point, double& value) const {
    const Eigen::Vector2d index = to_index * (point - stack.origins_mm[slice]);
    const Eigen::Vector2d last = (stack.size.array() - 1).cast<double>();
    if ((index.array() < -0.5).any() || (index.array() > last.array() + 0.5).any()) return false;
    const Eigen::Vector2d at = index.cwiseMax(0.0).cwiseMin(last);
    const int i = std::min(static_cast<int>(at[0]), std::max(stack.size[0] - 2, 0));
    const int j = std::min(static_cast<int>(at[1]), std::max(stack.size[1] - 2, 0));
    const double x = at[0] - i, y = at[1] - j;
    const std::size_t di = stack.size[0] > 1, dj = stack.size[1] > 1 ? static_cast<std::size_t>(stack.size[0]) : 0;
    const float* v = voxels.data() +
                     (slice * static_cast<std::size_t>(stack.size[1]) + static_cast<std::size_t>(j)) *
                         static_cast<std::size_t>(stack.size[0]) +
                     static_cast<std::size_t>(i);
    value = (1 - y) * ((1 - x) * v[0] + x * v[di]) + y * ((1 - x) * v[dj] + x * v[dj + di]);
    return true;
  }
};

/// Linear between the slices on both sides of a point; at the ends up to half a gap is taken from the last slice.
float sampleStack(const SliceSampler& sampler, const std::vector<double>& positions, double t,
                  const Eigen::Vector3d& point) {
  const auto upper = std::upper_bound(positions.begin(), positions.end(), t);
  const std::size_t above = std::min(static_cast<std::size_t>(upper - positions.begin()), positions.size() - 1);
  const std::size_t below = upper == positions.begin() ? 0 : static_cast<std::size_t>(upper - positions.begin()) - 1;
  double a = 0, b = 0;
  if (above == below || upper == positions.begin()) {
    const double reach = 0.5 * (above == 0 ? positions[1] - positions[0] : positions[above] - positions[above - 1]);
    const bool near = std::abs(t - positions[above]) <= reach;
    return near && sampler.sample(above, point, a) ? static_cast<float>(a) : kNothing;
  }
  const bool in_a = sampler.sample(below, point, a), in_b = sampler.sample(above, point, b);
  if (!in_a && !in_b) return kNothing;
  if (!in_a || !in_b) return static_cast<float>(in_a ? a : b);
  const double part = (t - positions[below]) / (positions[above] - positions[below]);
  return static_cast<float>(a + part * (b - a));
}

std::vector<int> interpolatedSlices(const SliceStack& stack, const Frame& frame, const std::vector<double>& positions) {
  const Eigen::Vector3d normal = normalOf(stack);
  const Eigen::Vector2d middle = (stack.size.cast<double>().array() - 1) / 2;
  const Eigen::Vector3d centre = stack.origins_mm.front() + stack.steps * middle;  // of the first slice; the walk is z
  const double along = normal.dot(frame.direction.col(2)), start = frame.direction.col(2).dot(frame.origin_mm - centre);
  std::vector<int> out;
  for (int k = 0; k < frame.size[2]; ++k) {
    const double t = along * (start + k * frame.spacing_mm[2]);
    double nearest = 1e300;
    for (const double p : positions) nearest = std::min(nearest, std::abs(p - t));
    const bool covered = t > -nearest && t >= positions.front() - 1e-6 && t <= positions.back() + 1e-6;
    if (covered && nearest > 0.1 * frame.spacing_mm[2]) out.push_back(k);
  }
  return out;
}

}  // namespace

Resampled resampleStack(const SliceStack& stack, const std::vector<float>& voxels) {
  Resampled out;
  const Frame frame = enclosingFrame(stack);
  if (static_cast<double>(frame.size[0]) * frame.size[1] * frame.size[2] > 4e9)
    throw core::Error(core::Exit::DataError,
                      {.what = "the repaired volume would be too large",
                       .expected = "less than 4e9 voxels",
                       .got = fmt::format("{} × {} × {}", frame.size[0], frame.size[1], frame.size[2])});
  out.volume = CtVolume(frame, kNothing);
  const auto positions = positionsOf(stack);
  const Eigen::Vector3d normal = normalOf(stack);
  const Eigen::Matrix2d gram = stack.steps.transpose() * stack.steps;
  const SliceSampler sampler{stack, voxels, gram.inverse() * stack.steps.transpose()};
  core::parallelFor(std::int64_t{frame.size[1]} * frame.size[2], [&](std::int64_t row) {
    const auto j = static_cast<double>(row % frame.size[1]), k = static_cast<double>(row / frame.size[1]);
    float* to = out.volume.voxels.data() + row * frame.size[0];
    for (int i = 0; i < frame.size[0]; ++i) {
      const Eigen::Vector3d point = frame.toWorld({static_cast<double>(i), j, k});
      to[i] = sampleStack(sampler, positions, normal.dot(point - stack.origins_mm.front()), point);
    }
  });
  out.interpolated = interpolatedSlices(stack, frame, positions);
  return out;
}

}  // namespace osteo::image
