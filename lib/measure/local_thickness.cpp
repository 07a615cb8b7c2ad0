#include "measure/local_thickness.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "core/progress.h"
#include "image/distance.h"
#include "image/filters.h"

namespace osteo::measure {
namespace {

using image::CtVolume;
using image::Frame;
using image::LabelVolume;

constexpr std::int64_t kMostHalves = 150'000'000;
constexpr double kSlack = 0.25;  // of a half: what a neighbour's ball may lack of holding one's own

LabelVolume complement(const LabelVolume& mask) {
  LabelVolume outside(mask.frame);
  for (std::size_t n = 0; n < mask.voxels.size(); ++n) outside.voxels[n] = mask.voxels[n] == 0;
  return outside;
}

/// What is not the mask, at the voxels' middles and half way between them. In between, the mask's stairs are smoothed
/// where that is finer than a voxel: a ball would be as thick as the largest that fits between its corners. Flat faces
/// lie on the points between voxels.
LabelVolume outsideAtHalves(const LabelVolume& mask) {
  constexpr double kSmooth = 0.6;  // of a voxel
  constexpr float kOnFace = 1e-4F;
  Frame fine = mask.frame;
  fine.size = 2 * fine.size - Eigen::Vector3i::Ones();
  fine.spacing_mm /= 2;
  CtVolume grey(mask.frame);
  std::transform(mask.voxels.begin(), mask.voxels.end(), grey.voxels.begin(),
                 [](auto v) { return v != 0 ? 1.0F : 0.0F; });
  grey = image::gaussian(grey, kSmooth * mask.frame.spacing_mm.minCoeff());
  LabelVolume outside(fine);
  core::parallelFor(fine.size[2], [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    for (int j = 0; j < fine.size[1]; ++j)
      for (int i = 0; i < fine.size[0]; ++i) {
        if (((i | j | k) & 1) == 0)
          outside.at(i, j, k) = mask.at(i / 2, j / 2, k / 2) == 0;
        else
          outside.at(i, j, k) = image::sampleLinear(grey, 0.5 * Eigen::Vector3d(i, j, k), 0) < 0.5F + kOnFace;
      }
  });
  return outside;
}

/// Lengths in mm from the image's corner.
struct Ball {
  Eigen::Vector3f at_mm;
  float radius_mm;
};

/// Whether the ball of one of the 26 neighbours holds one's own.
bool isHeld(const CtVolume& radii, int i, int j, int k) {
  const Eigen::Vector3d& s = radii.frame.spacing_mm;
  const double own = radii.at(i, j, k), slack = kSlack * s.minCoeff();
  for (int dk = -1; dk <= 1; ++dk)
    for (int dj = -1; dj <= 1; ++dj)
      for (int di = -1; di <= 1; ++di) {
        if ((di | dj | dk) == 0 || !radii.contains(i + di, j + dj, k + dk)) continue;
        const double away = Eigen::Vector3d(di * s[0], dj * s[1], dk * s[2]).norm();
        if (radii.at(i + di, j + dj, k + dk) >= own + away - slack) return true;
      }
  return false;
}

/// Balls that no neighbour's holds, slice by slice.
std::vector<std::vector<Ball>> ballsOf(const CtVolume& radii, const Eigen::Vector3d& first_mm) {
  std::vector<std::vector<Ball>> balls(static_cast<std::size_t>(radii.frame.size[2]));
  core::parallelFor(radii.frame.size[2], [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    for (int j = 0; j < radii.frame.size[1]; ++j)
      for (int i = 0; i < radii.frame.size[0]; ++i) {
        const float radius = radii.at(i, j, k);
        if (radius <= 0 || !std::isfinite(radius) || isHeld(radii, i, j, k)) continue;
        const Eigen::Vector3d at = first_mm + Eigen::Vector3d(i, j, k).cwiseProduct(radii.frame.spacing_mm);
        balls[static_cast<std::size_t>(slice)].push_back({at.cast<float>(), radius});
      }
  });
  return balls;
}

/// Writes the ball's diameter to the voxels of one slice that it holds and that nothing larger holds.
void paint(const Ball& ball, const LabelVolume& mask, int k, CtVolume& diameters) {
  const Eigen::Vector3f s = mask.frame.spacing_mm.cast<float>();
  // A voxel of the phase that the ball reaches into belongs to it: at a curved face the middles of many lie just
  // outside.
  const float reach = ball.radius_mm + 0.5F * s.minCoeff(), square = reach * reach;
  const float dz = (static_cast<float>(k) + 0.5F) * s[2] - ball.at_mm[2];
  const float over = square - dz * dz;
  if (over <= 0) return;
  const float reach_y = std::sqrt(over);
  const auto firstOf = [](float low) { return std::max(0, static_cast<int>(std::ceil(low - 0.5F))); };
  const auto lastOf = [](float high, int size) {
    return std::min(size - 1, static_cast<int>(std::floor(high - 0.5F)));
  };
  const int last_j = lastOf((ball.at_mm[1] + reach_y) / s[1], mask.frame.size[1]);
  for (int j = firstOf((ball.at_mm[1] - reach_y) / s[1]); j <= last_j; ++j) {
    const float dy = (static_cast<float>(j) + 0.5F) * s[1] - ball.at_mm[1], rest = over - dy * dy;
    if (rest <= 0) continue;
    const float reach_x = std::sqrt(rest);
    const int first = firstOf((ball.at_mm[0] - reach_x) / s[0]),
              last = lastOf((ball.at_mm[0] + reach_x) / s[0], mask.frame.size[0]);
    float* row = &diameters.at(0, j, k);
    for (int i = first; i <= last; ++i) row[i] = std::max(row[i], 2 * ball.radius_mm);
  }
}

}  // namespace

CtVolume localThickness_mm(const LabelVolume& mask) {
  const bool halves = 8 * mask.frame.voxelCount() <= kMostHalves;
  CtVolume radii = image::distanceMm(halves ? outsideAtHalves(mask) : complement(mask));
  if (!halves) {  // half a voxel from a voxel's middle to its face; a quarter is right on average
    const auto less = static_cast<float>(0.25 * mask.frame.spacing_mm.minCoeff());
    for (float& radius : radii.voxels) radius = radius > 0 ? radius - less : 0;
  }
  const std::vector<std::vector<Ball>> balls = ballsOf(radii, 0.5 * mask.frame.spacing_mm);
  const double fine_mm = radii.frame.spacing_mm[2];
  float largest = 0;
  for (const auto& slice : balls)
    for (const Ball& ball : slice) largest = std::max(largest, ball.radius_mm);
  radii = {};
  CtVolume diameters(mask.frame);
  core::Progress progress("thickness", mask.frame.size[2]);
  core::parallelFor(mask.frame.size[2], [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    const double middle = k * mask.frame.spacing_mm[2];  // from the first voxel's
    const auto first = static_cast<std::size_t>(std::max(0.0, std::floor((middle - largest) / fine_mm) - 2));
    const auto last = std::min(balls.size(), static_cast<std::size_t>(std::ceil((middle + largest) / fine_mm) + 3));
    for (std::size_t n = first; n < last; ++n)
      for (const Ball& ball : balls[n]) paint(ball, mask, k, diameters);
    for (int j = 0; j < mask.frame.size[1]; ++j)
      for (int i = 0; i < mask.frame.size[0]; ++i)
        if (mask.at(i, j, k) == 0) diameters.at(i, j, k) = 0;
    progress.advance();
  });
  return diameters;
}

Spread spreadOf(const CtVolume& lengths_mm) {
  std::vector<float> values;
  for (const float v : lengths_mm.voxels)
    if (v > 0) values.push_back(v);
  Spread spread;
  if (values.empty()) return spread;
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const float v : values) sum += v;
  spread.mean_mm = sum / n;
  for (const float v : values) squares += (v - spread.mean_mm) * (v - spread.mean_mm);
  spread.sd_mm = std::sqrt(squares / n);
  const auto quantile = [&](double share) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * (n - 1));
    std::nth_element(values.begin(), at, values.end());
    return double{*at};
  };
  spread.p05_mm = quantile(0.05), spread.p50_mm = quantile(0.5), spread.p95_mm = quantile(0.95);
  spread.max_mm = quantile(1);
  return spread;
}

}  // namespace osteo::measure
