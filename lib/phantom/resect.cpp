#include "phantom/resect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/random.h"
#include "image/filters.h"
#include "image/morphology.h"
#include "image/resample.h"

namespace osteo::phantom {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

/// The box of voxels that a ball touches, on the volume's grid.
image::Box ballBox(const image::Frame& frame, const Vector3d& centre, double radius) {
  const Vector3d index = frame.toIndex(centre), reach = Vector3d::Constant(radius).cwiseQuotient(frame.spacing_mm);
  image::Box box;
  box.low = (index - reach).array().floor().cast<int>();
  box.size = (index + reach).array().ceil().cast<int>().matrix() - box.low + Vector3i::Ones();
  return box.within(frame);
}

/// Share of a voxel inside the ball, the ball's surface taken as plane.
double shareInside(const image::Frame& frame, const Vector3i& v, const Vector3d& centre, double radius) {
  const double distance = (frame.toWorld(v.cast<double>()) - centre).norm() - radius;
  return std::clamp(0.5 - distance / frame.spacing_mm.mean(), 0.0, 1.0);
}

/// Median of the soft tissue within the box outside the mask.
double softLevel(const CtVolume& ct, const LabelVolume& not_here) {
  std::vector<float> values;
  for (std::size_t v = 0; v < ct.voxels.size(); ++v) {
    if (!not_here.voxels[v] && ct.voxels[v] > -30 && ct.voxels[v] < 120) values.push_back(ct.voxels[v]);
  }
  if (values.size() < 20) return 40;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Gaussian noise with the model's strength and correlation, the same whatever the thread count.
CtVolume makeNoise(const image::Frame& frame, const NoiseModel& model, std::uint64_t seed) {
  CtVolume noise(frame);
  const core::Random random(seed, 51);
  for (std::size_t v = 0; v < noise.voxels.size(); ++v) noise.voxels[v] = static_cast<float>(random.normal(v));
  // White noise under a Gaussian of sigma s voxels has correlation exp(-1 / 4s²) at lag 1.
  const double mean = std::clamp(model.correlation.mean(), 0.0, 0.9);
  if (mean > 0.05) {
    const double sigma_voxels = std::sqrt(-0.25 / std::log(mean));
    noise = image::gaussian(noise, sigma_voxels * frame.spacing_mm.mean());
  }
  double square = 0;
  for (float x : noise.voxels) square += static_cast<double>(x) * x;
  const double scale = model.std_hu / std::sqrt(square / static_cast<double>(noise.voxels.size()));
  for (float& x : noise.voxels) x *= static_cast<float>(scale);
  return noise;
}

/// Residuals against the mean of the 5³ box at flat soft-tissue voxels, in scan order along one line of voxels.
struct Residuals {
  double square = 0, count = 0;
  Vector3d lagged = Vector3d::Zero();
};

}  // namespace

NoiseModel measureNoise(const CtVolume& ct) {
  constexpr int kRadius = 2;
  const Vector3i size = ct.frame.size;
  std::vector<Residuals> flat;
  for (int k = kRadius; k + kRadius < size[2]; k += 2) {
    for (int j = kRadius; j + kRadius < size[1]; j += 3) {
      for (int i = kRadius; i + kRadius < size[0]; i += 3) {
        double sum = 0, count = 0;
        bool soft = true;
        for (int c = -kRadius; c <= kRadius && soft; ++c) {
          for (int b = -kRadius; b <= kRadius && soft; ++b) {
            for (int a = -kRadius; a <= kRadius; ++a, ++count) {
              const float hu = ct.at(i + a, j + b, k + c);
              soft = soft && hu > -50 && hu < 130;
              sum += hu;
            }
          }
        }
        if (!soft) continue;
        Residuals r;
        const double mean = sum / count;
        for (int c = -kRadius; c < kRadius; ++c) {
          for (int b = -kRadius; b < kRadius; ++b) {
            for (int a = -kRadius; a < kRadius; ++a, ++r.count) {
              const double x = ct.at(i + a, j + b, k + c) - mean;
              r.square += x * x;
              r.lagged += x * Vector3d(ct.at(i + a + 1, j + b, k + c) - mean, ct.at(i + a, j + b + 1, k + c) - mean,
                                       ct.at(i + a, j + b, k + c + 1) - mean);
            }
          }
        }
        flat.push_back(r);
      }
    }
  }
  if (flat.empty()) return {};
  // The flattest half: what is left out holds vessels, membranes and fat.
  std::sort(flat.begin(), flat.end(), [](const Residuals& a, const Residuals& b) { return a.square < b.square; });
  flat.resize((flat.size() + 1) / 2);
  Residuals total;
  for (const Residuals& r : flat) {
    total.square += r.square;
    total.lagged += r.lagged;
    total.count += r.count;
  }
  if (total.square <= 0) return {};
  return {std::sqrt(total.square / total.count), total.lagged / total.square};
}

namespace {

/// Half way between soft tissue and the dense bone (75th percentile of what is bone at all) inside the ball.
double halfway(const CtVolume& part, const Resection& r, double soft_hu) {
  std::vector<float> values;
  for (int k = 0; k < part.frame.size[2]; ++k) {
    for (int j = 0; j < part.frame.size[1]; ++j) {
      for (int i = 0; i < part.frame.size[0]; ++i) {
        const float hu = part.at(i, j, k);
        if (hu < r.threshold_hu) continue;
        if (shareInside(part.frame, {i, j, k}, r.centre_mm, r.diameter_mm / 2) >= 0.5) values.push_back(hu);
      }
    }
  }
  if (values.empty()) return r.threshold_hu;
  const auto dense = values.begin() + static_cast<std::ptrdiff_t>(3 * values.size() / 4);
  std::nth_element(values.begin(), dense, values.end());
  return std::max(r.threshold_hu, (soft_hu + *dense) / 2);
}

constexpr double kGrazed = 0.02;  // of the ball: a hole through the vault is 5 to 20 %

core::Error noBone(const Resection& r) {
  return core::Error(
      core::Exit::DataError,
      {.what = "the ball holds no bone",
       .expected = fmt::format("voxels above {:.0f} HU within {:.1f} mm of {:.1f},{:.1f},{:.1f} mm (LPS)",
                               r.threshold_hu, r.diameter_mm / 2, r.centre_mm[0], r.centre_mm[1], r.centre_mm[2]),
       .hint = "`inspect` prints where the volume lies; --centre-mm is in LPS"});
}

}  // namespace

Resected resect(const CtVolume& ct, const Resection& r) {
  const double radius = r.diameter_mm / 2;
  const image::Box box = ballBox(ct.frame, r.centre_mm, radius + r.closing_mm + 8);
  if (box.empty()) throw noBone(r);
  const CtVolume part = image::crop(ct, box, 0.0f);
  const LabelVolume any = image::close(image::threshold(part, static_cast<float>(r.threshold_hu), 1e9f), r.closing_mm);
  // Partial volume makes a rim around the bone that must go too, or a ghost of its surface stays.
  const LabelVolume rim = image::dilate(any, 1.5 * part.frame.spacing_mm.maxCoeff());

  Resected out{ct, LabelVolume(ct.frame), measureNoise(ct), softLevel(part, rim), 0, 0};
  out.surface_hu = halfway(part, r, out.soft_hu);
  const LabelVolume bone = image::close(image::threshold(part, static_cast<float>(out.surface_hu), 1e9f), r.closing_mm);
  const CtVolume noise = makeNoise(part.frame, out.noise, r.seed);
  LabelVolume piece(part.frame);
  CtVolume changed = part;
  std::int64_t taken = 0;
  Vector3i v;
  for (v[2] = 0; v[2] < part.frame.size[2]; ++v[2]) {
    for (v[1] = 0; v[1] < part.frame.size[1]; ++v[1]) {
      for (v[0] = 0; v[0] < part.frame.size[0]; ++v[0]) {
        const auto at = static_cast<std::size_t>(part.index(v[0], v[1], v[2]));
        const double share = shareInside(part.frame, v, r.centre_mm, radius);
        if (share <= 0) continue;
        if (any.voxels[at] || (rim.voxels[at] && part.voxels[at] > out.soft_hu)) {
          changed.voxels[at] += static_cast<float>(share * (out.soft_hu + noise.voxels[at] - part.voxels[at]));
        }
        if (bone.voxels[at] && share >= 0.5) piece.voxels[at] = image::Defect, ++taken;
      }
    }
  }
  if (taken == 0) throw noBone(r);
  out.piece_mm3 = static_cast<double>(taken) * ct.frame.voxelVolume_mm3();
  const double ball_mm3 = std::numbers::pi / 6 * std::pow(r.diameter_mm, 3);
  if (out.piece_mm3 < kGrazed * ball_mm3)
    core::warn(fmt::format("the ball only grazes bone: {:.0f} of its {:.0f} mm³; is --centre-mm in LPS?", out.piece_mm3,
                           ball_mm3));
  image::paste(changed, box, out.ct);
  image::paste(piece, box, out.piece);
  return out;
}

}  // namespace osteo::phantom
