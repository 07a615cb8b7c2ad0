#include "segment/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "image/distance.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "segment/defect_finder.h"
#include "segment/marrow.h"
#include "segment/steps.h"
#include "segment/vessels.h"

namespace osteo::segment {

using image::CtVolume;
using image::LabelVolume;

namespace {

/// Threshold that parts the bone's grey values in two with the least variance within (Otsu 1979).
double otsu(const CtVolume& ct, const LabelVolume& bone, double low, double high) {
  constexpr std::size_t kBins = 200;
  std::vector<double> counts(kBins, 0);
  const double width = (high - low) / kBins;
  for (std::size_t v = 0; v < ct.voxels.size(); ++v) {
    if (!bone.voxels[v] || ct.voxels[v] < low) continue;
    counts[std::min(kBins - 1, static_cast<std::size_t>((ct.voxels[v] - low) / width))] += 1;
  }
  double total = 0, moment = 0;
  for (std::size_t b = 0; b < kBins; ++b) total += counts[b], moment += counts[b] * static_cast<double>(b);
  double below = 0, below_moment = 0, best = -1, at = 0;
  for (std::size_t b = 0; b + 1 < kBins; ++b) {
    below += counts[b];
    below_moment += counts[b] * static_cast<double>(b);
    if (below == 0 || below == total) continue;
    const double gap = below_moment / below - (moment - below_moment) / (total - below);
    const double between = below * (total - below) * gap * gap;
    if (between > best) best = between, at = static_cast<double>(b + 1);
  }
  return low + at * width;
}

/// What of a mask lies more than 15 mm from metal, whose streaks are no bone.
LabelVolume awayFrom(const LabelVolume& metal, const LabelVolume& mask) {
  if (metal.voxels.empty()) return mask;
  const LabelVolume near = image::dilate(metal, 15.0);
  LabelVolume out = mask;
  for (std::size_t v = 0; v < out.voxels.size(); ++v) out.voxels[v] = mask.voxels[v] && !near.voxels[v] ? 1 : 0;
  return out;
}

double volume_mm3(const LabelVolume& labels, int value) {
  return static_cast<double>(std::count(labels.voxels.begin(), labels.voxels.end(), value)) *
         labels.frame.voxelVolume_mm3();
}

/// Share of the bone voxels beside background that are neither cortical nor next to what is.
double unresolvedShare(const LabelVolume& labels) {
  std::int64_t surface = 0, open = 0;
  for (int k = 1; k + 1 < labels.frame.size[2]; ++k) {
    for (int j = 1; j + 1 < labels.frame.size[1]; ++j) {
      for (int i = 1; i + 1 < labels.frame.size[0]; ++i) {
        const auto label = labels.at(i, j, k);
        if (label != image::Cortical && label != image::Cancellous) continue;
        if (labels.at(i - 1, j, k) && labels.at(i + 1, j, k) && labels.at(i, j - 1, k) && labels.at(i, j + 1, k) &&
            labels.at(i, j, k - 1) && labels.at(i, j, k + 1)) {
          continue;
        }
        ++surface;
        const auto cortical = [&](int a, int b, int c) { return labels.at(a, b, c) == image::Cortical; };
        open += !cortical(i, j, k) && !cortical(i - 1, j, k) && !cortical(i + 1, j, k) && !cortical(i, j - 1, k) &&
                        !cortical(i, j + 1, k) && !cortical(i, j, k - 1) && !cortical(i, j, k + 1)
                    ? 1
                    : 0;
      }
    }
  }
  return surface > 0 ? static_cast<double>(open) / static_cast<double>(surface) : 0;
}

std::vector<Part> listParts(const LabelVolume& bone) {
  const image::Components parts = image::components(bone, image::Connectivity::Corners);
  std::vector<Part> out(parts.voxels.size());
  std::size_t voxel = 0;
  for (int k = 0; k < bone.frame.size[2]; ++k) {
    for (int j = 0; j < bone.frame.size[1]; ++j) {
      for (int i = 0; i < bone.frame.size[0]; ++i, ++voxel) {
        const std::int32_t id = parts.ids.voxels[voxel];
        if (id > 0) out[static_cast<std::size_t>(id - 1)].centre_mm += Eigen::Vector3d(i, j, k);
      }
    }
  }
  for (std::size_t p = 0; p < out.size(); ++p) {
    const auto n = static_cast<double>(parts.voxels[p]);
    out[p] = {n * bone.frame.voxelVolume_mm3(), bone.frame.toWorld(out[p].centre_mm / n)};
  }
  return out;
}

std::int64_t voxelsOf(double mm3, const image::Frame& frame) {
  return std::max<std::int64_t>(1, std::llround(mm3 / frame.voxelVolume_mm3()));
}

/// The dense bone that stands out by itself: threshold inside the body, peeled, without small parts and shells.
LabelVolume denseBone(const CtVolume& ct, LabelVolume body, const LabelVolume& metal, const Options& options,
                      Result& result) {
  LabelVolume bone = localThreshold(ct, std::move(body), metal,
                                    {result.calibration.soft_hu, result.bone_hu, result.calibration.noise_hu});
  result.vessels_mm3 = dropVessels(bone, ct, result.calibration.soft_hu, result.calibration.noise_hu);
  peelToHalfway(bone, ct, result.calibration.soft_hu);
  keepSeeded(bone, ct, result.calibration.soft_hu + 200, voxelsOf(options.min_part_mm3, ct.frame));
  dropShells(bone, ct, result.removed_table_mm3);
  return bone;
}

/// Half the widest gap that is bridged.
double closing_mm(const Options& options, const image::Frame& frame) {
  return options.closing_mm > 0 ? options.closing_mm : std::max(3.0, 1.45 * frame.spacing_mm.maxCoeff());
}

}  // namespace

Result segment(CtVolume& ct, const Options& options) {
  core::Progress progress("segment", 6);
  if (options.shift_hu != 0) {
    for (float& hu : ct.voxels) hu += static_cast<float>(options.shift_hu);
  }
  Result result;
  result.calibration = calibrate(ct);
  result.bone_hu = options.bone_hu > 0
                       ? options.bone_hu
                       : result.calibration.soft_hu + std::clamp(2.5 * result.calibration.noise_hu, 100.0, 120.0);
  progress.advance();
  LabelVolume body = bodyMask(ct, result.removed_table_mm3);
  MetalFound found = findMetal(ct, body, {.metal_hu = options.metal_hu, .soft_hu = result.calibration.soft_hu});
  LabelVolume metal = std::move(found.mask);
  result.ceiling_hu = found.ceiling_hu, result.metal_parts = std::move(found.parts);
  progress.advance();
  LabelVolume dense = denseBone(ct, std::move(body), metal, options, result);
  progress.advance();
  LabelVolume whole = wholeBone(dense, ct,
                                {.soft_hu = result.calibration.soft_hu,
                                 .noise_hu = result.calibration.noise_hu,
                                 .closing_mm = closing_mm(options, ct.frame),
                                 .fill_mm = options.fill_mm});
  peelToHalfway(whole, ct, result.calibration.soft_hu);
  if (!metal.voxels.empty()) dropBloom(whole, metal);
  whole = image::dropSmall(whole, voxelsOf(options.min_part_mm3, ct.frame), image::Connectivity::Corners);
  if (!options.bones) dense = {};
  progress.advance();
  result.split_hu = otsu(ct, awayFrom(metal, whole), result.calibration.soft_hu, 1800);
  Cortex cortex = findCortex(whole, ct, {.soft_hu = result.calibration.soft_hu, .split_hu = result.split_hu});
  LabelVolume cortical = std::move(cortex.mask);
  result.full_cortex = cortex.full;
  peelOffCortex(whole, cortical, ct, result.calibration.soft_hu);
  progress.advance();
  result.labels = LabelVolume(ct.frame);
  for (std::size_t v = 0; v < whole.voxels.size(); ++v) {
    if (whole.voxels[v]) result.labels.voxels[v] = cortical.voxels[v] ? image::Cortical : image::Cancellous;
    if (!metal.voxels.empty() && metal.voxels[v]) result.labels.voxels[v] = image::Metal;
  }
  metal = {}, cortical = {};
  result.parts = listParts(whole);
  if (options.bones) {
    result.bones = separateBones({std::move(dense), std::move(whole)}, ct,
                                 {.soft_hu = result.calibration.soft_hu,
                                  .noise_hu = result.calibration.noise_hu,
                                  .fill_mm = options.fill_mm,
                                  .anatomy = options.anatomy});
  }
  dense = {}, whole = {};
  result.unresolved_cortex = unresolvedShare(result.labels);
  if (options.defects) {
    result.defect_probability = findDefects(
        ct, result.labels, {.soft_hu = result.calibration.soft_hu, .noise_hu = result.calibration.noise_hu});
    if (!result.defect_probability.voxels.empty())
      core::warn("a search found missing bone and labelled it: look at it before you rely on it (--picture)");
  }
  result.cortical_mm3 = volume_mm3(result.labels, image::Cortical);
  result.cancellous_mm3 = volume_mm3(result.labels, image::Cancellous);
  result.metal_mm3 = volume_mm3(result.labels, image::Metal);
  if (result.cortical_mm3 + result.cancellous_mm3 == 0) {
    throw core::Error(core::Exit::DataError, {.what = "no bone found",
                                              .expected = fmt::format("parts above {:.0f} HU of at least {:.0f} mm³",
                                                                      result.bone_hu, options.min_part_mm3)});
  }
  if (result.unresolved_cortex > 0.3) {
    core::warn(
        fmt::format("{:.0f} % of the bone surface shows no dense cortex: it is thinner than the scan resolves, and is "
                    "labelled cancellous there",
                    100 * result.unresolved_cortex));
  }
  if (ct.frame.spacing_mm.maxCoeff() > 1.5) {
    core::warn(
        fmt::format("voxels of {:.2f} mm: thin cortex, diploe and joint spaces below twice that are not resolved",
                    ct.frame.spacing_mm.maxCoeff()));
  }
  progress.advance();
  return result;
}

}  // namespace osteo::segment
