#include "learn/completion.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

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

/// First voxels of patches that overlap by half and cover the box of the bone's surface.
std::vector<Vector3i> tiles(const image::CtVolume& bone) {
  image::LabelVolume near(bone.frame);
  for (std::size_t v = 0; v < bone.voxels.size(); ++v) near.voxels[v] = std::abs(bone.voxels[v]) < kReach_mm ? 1 : 0;
  const image::Box box = image::boundingBox(near).grown(Vector3i::Constant(4));
  constexpr int kHalf = kPatch / 2;
  const auto starts = [&](int axis) {
    const int count = std::max(1, (box.size[axis] + kHalf - 1) / kHalf - 1);
    const int spare = (count + 1) * kHalf - box.size[axis];
    std::vector<int> out;
    for (int i = 0; i < count; ++i) out.push_back(box.low[axis] - spare / 2 + i * kHalf);
    return out;
  };
  std::vector<Vector3i> out;
  for (const int z : starts(2))
    for (const int y : starts(1))
      for (const int x : starts(0)) out.emplace_back(x, y, z);
  return out;
}

/// Falls from 1 to 0 over the outer eighth of a patch, so that it leaves no step.
float fade(int i, int j, int k) {
  int border = kPatch;
  for (const int x : {i, j, k}) border = std::min(border, std::min(x, kPatch - 1 - x));
  return std::min(1.0F, static_cast<float>(border) / (kPatch / 8.0F));
}

/// A damaged bone on the lattice, with its mirrored copy where there is one, and the network that completes it.
struct Patient {
  const Network& network;
  image::CtVolume bone, mirrored;

  /// What the network takes off the distances of a patch, in units of kReach_mm; empty where there is no bone.
  std::vector<float> correction(const Vector3i& low) const {
    std::vector<float> damaged = cut(bone, low);
    if (std::none_of(damaged.begin(), damaged.end(), [](float d) { return d < 0; })) return {};
    const std::vector<float> other =
        mirrored.voxels.empty() ? std::vector<float>(damaged.size(), kOutside) : cut(mirrored, low);
    const std::vector<float> whole = completePatch(network, damaged, other);
    std::transform(damaged.begin(), damaged.end(), whole.begin(), damaged.begin(), std::minus<>());
    return damaged;
  }
};

/// Voxels that a patch's correction turns into bone, and their middle.
struct Found {
  std::int64_t voxels = 0;
  Vector3i middle = Vector3i::Zero();
};

Found recovered(const Patient& patient, const Vector3i& low) {
  const std::vector<float> correction = patient.correction(low);
  Found out;
  Eigen::Matrix<std::int64_t, 3, 1> sum = Eigen::Matrix<std::int64_t, 3, 1>::Zero();
  for (std::size_t v = 0; v < correction.size(); ++v) {
    const auto n = static_cast<int>(v);
    const Vector3i at = low + Vector3i(n % kPatch, n / kPatch % kPatch, n / kPatch / kPatch);
    if (!patient.bone.contains(at[0], at[1], at[2])) continue;
    const float before = patient.bone.at(at[0], at[1], at[2]);
    if (before <= 0 || before >= correction[v] * static_cast<float>(kReach_mm)) continue;
    sum += at.cast<std::int64_t>();
    ++out.voxels;
  }
  if (out.voxels > 0) out.middle = (sum / out.voxels).cast<int>();
  return out;
}

/// Middle of the largest missing piece: the tile that recovers most, then patches about what they recover. The network
/// has learnt with the hole near the middle of what it sees.
Vector3i locate(const Patient& patient) {
  const std::vector<Vector3i> places = tiles(patient.bone);
  core::Progress progress("looking for the defect", static_cast<std::int64_t>(places.size()));
  Found best{0, patient.bone.frame.size / 2};
  for (const Vector3i& low : places) {
    const Found found = recovered(patient, low);
    if (found.voxels > best.voxels) best = found;
    progress.advance();
  }
  for (int pass = 0; pass < 2 && best.voxels > 0; ++pass) {
    const Found found = recovered(patient, best.middle - Vector3i::Constant(kPatch / 2));
    if (found.voxels > 0) best = found;
  }
  return best.middle;
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
  Patient patient{weights.network, prepared(distance_mm), {}};
  if (mirrored_mm != nullptr) patient.mirrored = prepared(*mirrored_mm);
  const Vector3i middle = options.defect_at_mm
                              ? frame.toIndex(*options.defect_at_mm).array().round().cast<int>().matrix().eval()
                              : locate(patient);
  const Vector3i low = middle - Vector3i::Constant(kPatch / 2);
  const std::vector<float> correction = patient.correction(low);
  image::CtVolume out = std::move(patient.bone);
  for (std::size_t v = 0; v < correction.size(); ++v) {
    const auto n = static_cast<int>(v);
    const Vector3i in(n % kPatch, n / kPatch % kPatch, n / kPatch / kPatch), at = low + in;
    if (out.contains(at[0], at[1], at[2]))
      out.at(at[0], at[1], at[2]) -= static_cast<float>(kReach_mm) * fade(in[0], in[1], in[2]) * correction[v];
  }
  return out;
}

}  // namespace osteo::learn
