#include "image/morphology.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/resample.h"

namespace osteo::image {
namespace {

constexpr std::int64_t kChunk = std::int64_t{1} << 18;

/// 1 where the test holds for the voxel.
template <class T, class Test>
LabelVolume where(const Volume<T>& volume, const Test& test) {
  LabelVolume out(volume.frame);
  core::parallelChunks(volume.frame.voxelCount(), kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i)
      out.voxels[i] = test(volume.voxels[i]) ? 1 : 0;
  });
  return out;
}

/// Distances come as floats: a voxel at exactly the radius counts as reached.
float reach(double radius_mm) { return static_cast<float>(radius_mm * (1 + 1e-6)); }

/// What does both steps on the mask's box, grown by the radius so that nothing feels the image border.
template <class Step>
LabelVolume onGrownBox(const LabelVolume& mask, double radius_mm, const Step& step) {
  const Box box = boundingBox(mask);
  LabelVolume out(mask.frame);
  if (box.empty()) return out;
  const Eigen::Vector3i margin = (radius_mm * mask.frame.spacing_mm.cwiseInverse()).array().ceil().cast<int>() + 1;
  const Box grown = box.grown(margin);
  paste(step(crop<std::uint16_t>(mask, grown, 0)), grown, out);
  return out;
}

}  // namespace

LabelVolume select(const LabelVolume& labels, std::initializer_list<int> values) {
  return where(labels, [&](std::uint16_t v) { return std::find(values.begin(), values.end(), v) != values.end(); });
}

LabelVolume threshold(const CtVolume& ct, float low, float high) {
  return where(ct, [=](float v) { return v >= low && v <= high; });
}

LabelVolume dilate(const LabelVolume& mask, double radius_mm) {
  return onGrownBox(mask, radius_mm, [&](const LabelVolume& part) {
    return where(distanceMm(part), [r = reach(radius_mm)](float d) { return d <= r; });
  });
}

LabelVolume erode(const LabelVolume& mask, double radius_mm) {
  const LabelVolume outside = where(mask, [](std::uint16_t v) { return v == 0; });
  return where(distanceMm(outside), [r = reach(radius_mm)](float d) { return d > r; });
}

LabelVolume close(const LabelVolume& mask, double radius_mm) {
  return onGrownBox(mask, radius_mm, [&](const LabelVolume& part) {
    LabelVolume beyond = where(distanceMm(part), [r = reach(radius_mm)](float d) { return d > r; });
    return where(distanceMm(beyond), [r = reach(radius_mm)](float d) { return d > r; });
  });
}

LabelVolume open(const LabelVolume& mask, double radius_mm) {
  return onGrownBox(mask, radius_mm,
                    [&](const LabelVolume& part) { return dilate(erode(part, radius_mm), radius_mm); });
}

}  // namespace osteo::image
