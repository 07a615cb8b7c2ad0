#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "image/volume.h"

/// What a segmentation network tells of a voxel: nested regions, from which the labels follow.
namespace osteo::learn {

/// The bone as it was before the defect ⊃ the bone that is left ⊃ its cortex; and metal, whatever it lies in.
enum Region : int { Envelope = 0, Host = 1, CorticalBone = 2, MetalParts = 3 };
constexpr int kRegions = 4;
constexpr std::array<const char*, kRegions> kRegionNames = {"envelope", "host", "cortical", "metal"};

/// Labels of prepared cases besides the toolkit's own.
constexpr std::uint8_t kSomeBone = 10;      ///< bone whose kind is unknown, as instances are
constexpr std::uint8_t kUnknown = 255;      ///< counts nowhere
constexpr int kLabels = image::Defect + 1;  ///< background, cortical, cancellous, metal, defect

/// Whether a voxel with this label lies in each region (1, 0), and whether that is known (1, 0).
struct Membership {
  std::array<float, kRegions> inside{}, known{};
};
inline Membership membership(std::uint8_t label) {
  Membership out;
  if (label == kUnknown) return out;
  out.known.fill(1);
  if (label == image::Metal) {  // what lies under metal is nobody's
    out.inside[MetalParts] = 1;
    out.known[Envelope] = out.known[Host] = out.known[CorticalBone] = 0;
    return out;
  }
  const bool host = label == image::Cortical || label == image::Cancellous || label == kSomeBone;
  out.inside[Envelope] = host || label == image::Defect ? 1 : 0;
  out.inside[Host] = host ? 1 : 0;
  out.inside[CorticalBone] = label == image::Cortical ? 1 : 0;
  if (label == kSomeBone) out.known[CorticalBone] = 0;
  return out;
}

/// The label of a voxel from the probabilities of its regions: what lies inside with one half and more.
inline std::uint8_t labelOf(const float* probability) {
  if (probability[MetalParts] >= 0.5F) return image::Metal;
  if (probability[Envelope] < 0.5F) return image::Background;
  if (probability[Host] < 0.5F) return image::Defect;
  return probability[CorticalBone] >= 0.5F ? image::Cortical : image::Cancellous;
}

/// Probabilities of the labels from those of the regions, which are first made to nest; they add up to 1.
inline std::array<float, kLabels> labelShares(const float* probability) {
  const float envelope = probability[Envelope], host = std::min(probability[Host], envelope),
              cortical = std::min(probability[CorticalBone], host), free = 1 - probability[MetalParts];
  return {free * (1 - envelope), free * cortical, free * (host - cortical), probability[MetalParts],
          free * (envelope - host)};
}

}  // namespace osteo::learn
