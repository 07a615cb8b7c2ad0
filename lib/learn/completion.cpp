#include "learn/completion.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/progress.h"
#include "image/resample.h"
#include "learn/bones.h"

namespace osteo::learn {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

constexpr float kOutside = 1;  // in units of kReach_mm

/// The lattice of the network around a grid.
image::Frame lattice(const image::Frame& frame) {
  const Vector3d low = frame.origin_mm, high = frame.toWorld((frame.size.array() - 1).cast<double>().matrix());
  image::Frame out;
  out.frame_id = frame.frame_id;
  out.spacing_mm.setConstant(kCell_mm);
  for (int a = 0; a < 3; ++a) {
    const int first = static_cast<int>(std::floor(low[a] / kCell_mm)),
              last = static_cast<int>(std::ceil(high[a] / kCell_mm));
    out.origin_mm[a] = kCell_mm * first;
    out.size[a] = last - first + 1;
  }
  return out;
}

void requireAligned(const image::Frame& frame) {
  if (!frame.direction.isApprox(Eigen::Matrix3d::Identity(), 1e-6))
    throw core::Error(core::Exit::DataError, {.what = "the completion network takes grids along LPS only"});
  if (frame.spacing_mm.maxCoeff() > kCell_mm * 1.0001)
    throw core::Error(core::Exit::DataError, {.what = "the completion network takes voxels of at most 2 mm"});
}

/// A patch whose first voxel is `low`, in units of kReach_mm; what lies outside the volume is empty.
std::vector<float> cut(const image::CtVolume& volume, const Vector3i& low) {
  const image::CtVolume part = image::crop(volume, {low, Vector3i::Constant(kPatch)}, static_cast<float>(kReach_mm));
  std::vector<float> out(part.voxels.size());
  std::transform(part.voxels.begin(), part.voxels.end(), out.begin(),
                 [](float d) { return std::clamp(d / static_cast<float>(kReach_mm), -1.0F, 1.0F); });
  return out;
}

/// First voxels of the patches: about one place, or half overlapping over the box of the bone's surface.
std::vector<Vector3i> patches(const image::CtVolume& bone, const CompletionOptions& options) {
  if (options.defect_at_mm) {
    const Vector3i at = bone.frame.toIndex(*options.defect_at_mm).array().round().cast<int>();
    return {at - Vector3i::Constant(kPatch / 2)};
  }
  image::LabelVolume near(bone.frame);
  for (std::size_t v = 0; v < bone.voxels.size(); ++v) near.voxels[v] = std::abs(bone.voxels[v]) < kReach_mm ? 1 : 0;
  const image::Box box = image::boundingBox(near).grown(Vector3i::Constant(4));
  const auto starts = [&](int axis) {
    const int count = std::max(1, (box.size[axis] - kPatch / 2 + kPatch / 2 - 1) / (kPatch / 2));
    const int spare = (count + 1) * (kPatch / 2) - box.size[axis];
    std::vector<int> out;
    for (int i = 0; i < count; ++i) out.push_back(box.low[axis] - spare / 2 + i * kPatch / 2);
    return out;
  };
  std::vector<Vector3i> out;
  for (const int z : starts(2))
    for (const int y : starts(1))
      for (const int x : starts(0)) out.emplace_back(x, y, z);
  return out;
}

/// Weight of a voxel within its patch: 1 in the middle, falling towards the faces, where the network sees little.
float trust(int i, int j, int k) {
  float out = 1;
  for (const int x : {i, j, k}) out *= static_cast<float>(std::min(x + 1, kPatch - x)) / (0.5F * kPatch);
  return out;
}

/// Falls from 1 to 0 over the outer eighth of a single patch, so that it leaves no step.
float fade(int i, int j, int k) {
  int border = kPatch;
  for (const int x : {i, j, k}) border = std::min(border, std::min(x, kPatch - 1 - x));
  return std::min(1.0F, static_cast<float>(border) / (kPatch / 8.0F));
}

struct Sums {
  image::CtVolume correction, weight;
};

void add(const std::vector<float>& damaged, const std::vector<float>& whole, const Vector3i& low, bool single,
         Sums& sums) {
  for (int k = 0; k < kPatch; ++k) {
    for (int j = 0; j < kPatch; ++j) {
      for (int i = 0; i < kPatch; ++i) {
        const Vector3i at = low + Vector3i(i, j, k);
        if (!sums.weight.contains(at[0], at[1], at[2])) continue;
        const auto v = static_cast<std::size_t>(i + kPatch * (j + kPatch * k));
        const float w = single ? 1 : trust(i, j, k), share = single ? fade(i, j, k) : 1;
        sums.correction.at(at[0], at[1], at[2]) += w * share * (damaged[v] - whole[v]);
        sums.weight.at(at[0], at[1], at[2]) += w;
      }
    }
  }
}

}  // namespace

Weights readCompletion(const std::string& folder) {
  Weights weights = readWeights(folder, "residual-unet");
  requireSettings(weights.network, folder,
                  {{"channels", 2, 2}, {"size", kPatch, kPatch}, {"base", 8, 64}, {"levels", 2, 5}});
  return weights;
}

std::vector<float> completePatch(const Network& network, const std::vector<float>& damaged,
                                 const std::vector<float>& mirrored) {
  Batch batch;
  batch.count = 1;
  batch.input = damaged;
  batch.input.insert(batch.input.end(), mirrored.begin(), mirrored.end());
  std::vector<float> whole = apply(network, batch);
  constexpr float kLow = 0.5F / static_cast<float>(kReach_mm), kHigh = 1.5F / static_cast<float>(kReach_mm);
  for (std::size_t v = 0; v < whole.size(); ++v) {
    const float correction = damaged[v] - whole[v], t = std::clamp((correction - kLow) / (kHigh - kLow), 0.0F, 1.0F);
    whole[v] = std::clamp(damaged[v] - correction * t * t * (3 - 2 * t), -1.0F, 1.0F);
  }
  return whole;
}

image::CtVolume completeBone(const Weights& weights, const image::CtVolume& distance_mm,
                             const image::CtVolume* mirrored_mm, const CompletionOptions& options) {
  requireAligned(distance_mm.frame);
  const image::Frame frame = lattice(distance_mm.frame);
  const auto prepared = [&](const image::CtVolume& volume) {
    return trueDistance(image::resampleLinear(volume, frame, static_cast<float>(kReach_mm)));
  };
  image::CtVolume bone = prepared(distance_mm);
  const image::CtVolume mirrored = mirrored_mm == nullptr ? image::CtVolume{} : prepared(*mirrored_mm);
  const std::vector<float> nothing(kPatch * kPatch * kPatch, kOutside);
  Sums sums{image::CtVolume(frame), image::CtVolume(frame)};
  const std::vector<Vector3i> places = patches(bone, options);
  core::Progress progress("completing", static_cast<std::int64_t>(places.size()));
  for (const Vector3i& low : places) {
    const std::vector<float> damaged = cut(bone, low);
    const bool empty = std::none_of(damaged.begin(), damaged.end(), [](float d) { return d < 0; });
    if (!empty) {
      const std::vector<float> other = mirrored_mm == nullptr ? nothing : cut(mirrored, low);
      add(damaged, completePatch(weights.network, damaged, other), low, places.size() == 1, sums);
    }
    progress.advance();
  }
  for (std::size_t v = 0; v < bone.voxels.size(); ++v)
    if (sums.weight.voxels[v] > 0)
      bone.voxels[v] -= static_cast<float>(kReach_mm) * sums.correction.voxels[v] / sums.weight.voxels[v];
  return bone;
}

}  // namespace osteo::learn
