#include "inspect/solids.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "image/resample.h"

namespace osteo::inspect {
namespace {

bool sameName(const std::string& a, const std::string& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return std::tolower(x) == std::tolower(y);
         });
}

/// The frame of a box of a frame's voxels.
image::Frame partOf(const image::Frame& frame, const image::Box& box) {
  image::Frame part = frame;
  part.origin_mm = frame.toWorld(box.low.cast<double>());
  part.size = box.size;
  return part;
}

/// The voxels of a frame that a level set's active box reaches.
image::Box reach(const levelset::LevelSet& level_set, const image::Frame& frame) {
  Eigen::Vector3i low, high;
  level_set.activeBox(low, high);
  Eigen::Vector3d first = Eigen::Vector3d::Constant(1e9), last = -first;
  for (int corner = 0; corner < 8; ++corner) {
    const Eigen::Vector3d at(corner & 1 ? high[0] : low[0], corner & 2 ? high[1] : low[1],
                             corner & 4 ? high[2] : low[2]);
    const Eigen::Vector3d index = frame.toIndex(at * level_set.voxel_mm());
    first = first.cwiseMin(index), last = last.cwiseMax(index);
  }
  image::Box box;
  box.low = first.array().floor().matrix().cast<int>();
  box.size = last.array().ceil().matrix().cast<int>() - box.low + Eigen::Vector3i::Ones();
  return box.within(frame);
}

image::LabelVolume voxelize(const levelset::LevelSet& level_set, const image::Frame& frame) {
  image::LabelVolume mask(frame, 0);
  if (level_set.empty()) return mask;
  const image::Box box = reach(level_set, frame);
  if (box.empty()) return mask;
  const image::CtVolume distance = levelset::sampleOnto(level_set, partOf(frame, box));
  image::LabelVolume part(distance.frame, 0);
  for (std::size_t i = 0; i < part.voxels.size(); ++i) part.voxels[i] = distance.voxels[i] < 0;
  image::paste(part, box, mask);
  return mask;
}

image::LabelVolume onGrid(const Solid& solid, const image::Frame& frame, const std::string& label) {
  if (const auto* level_set = std::get_if<levelset::LevelSet>(&solid)) return voxelize(*level_set, frame);
  const auto mask = maskOf(std::get<image::Segmentation>(solid), label, true);
  return mask.frame.sameGrid(frame) ? mask : image::resampleNearest(mask, frame);
}

image::Box around(const image::LabelVolume& a, const image::LabelVolume& b) {
  const image::Box p = image::boundingBox(a), q = image::boundingBox(b);
  if (p.empty() || q.empty()) return p.empty() ? q : p;
  image::Box both;
  both.low = p.low.cwiseMin(q.low);
  both.size = (p.low + p.size).cwiseMax(q.low + q.size) - both.low;
  return both;
}

}  // namespace

image::LabelVolume maskOf(const image::Segmentation& segmentation, const std::string& label, bool required) {
  image::LabelVolume mask(segmentation.labels.frame, 0);
  int wanted = -1;
  std::string known;
  for (const auto& [value, name] : segmentation.names) {
    if (sameName(name, label)) wanted = value;
    known += (known.empty() ? "" : ", ") + fmt::format("{} ({})", name, value);
  }
  if (wanted < 0 && !label.empty() && label.find_first_not_of("0123456789") == std::string::npos && label.size() < 6)
    wanted = std::stoi(label);
  if (wanted < 0 && !label.empty() && required)
    throw core::Error(core::Exit::DataError, {.what = "the file has no label \"" + label + "\"",
                                              .file = {},
                                              .expected = known.empty() ? "a label's number" : known,
                                              .got = label,
                                              .hint = {}});
  const auto& voxels = segmentation.labels.voxels;
  for (std::size_t i = 0; i < voxels.size(); ++i) mask.voxels[i] = label.empty() ? voxels[i] != 0 : voxels[i] == wanted;
  return mask;
}

void exclude(const std::string& file, image::LabelVolume& mask) {
  const bool level_set = core::extension(file) == ".vdb";
  const Solid solid = level_set ? Solid(levelset::readVdb(file)) : Solid(image::readSegmentation(file));
  const image::LabelVolume excluded = onGrid(solid, mask.frame, "");
  for (std::size_t i = 0; i < mask.voxels.size(); ++i)
    if (excluded.voxels[i] != 0) mask.voxels[i] = 0;
}

Scores scoreMasks(const image::LabelVolume& a, const image::LabelVolume& b, double tolerance_mm) {
  Scores scores;
  scores.voxel_mm3 = a.frame.voxelVolume_mm3();
  const image::Box box = around(a, b).grown(Eigen::Vector3i::Ones()).within(a.frame);
  if (box.empty()) return scores;
  const auto part_a = image::crop(a, box, std::uint16_t{0}), part_b = image::crop(b, box, std::uint16_t{0});
  scores.overlap = image::overlap(part_a, part_b);
  if (part_a.voxels != part_b.voxels) scores.surface = image::surfaceDistance(part_a, part_b, tolerance_mm);
  return scores;
}

Scores scoreSolids(const Solid& a, const Solid& b, const Criteria& criteria) {
  const auto* labels = std::get_if<image::Segmentation>(&a) ? &a : &b;
  const image::Frame& frame = std::get<image::Segmentation>(*labels).labels.frame;
  auto mask_a = onGrid(a, frame, criteria.label), mask_b = onGrid(b, frame, criteria.label);
  if (!criteria.mask.empty()) {
    exclude(criteria.mask, mask_a);
    exclude(criteria.mask, mask_b);
  }
  return scoreMasks(mask_a, mask_b, criteria.surface_tolerance_mm);
}

void judge(const std::string& name, const Scores& scores, const Criteria& criteria, Verdict& verdict) {
  const auto& [overlap, surface, voxel_mm3] = scores;
  const auto volume = [each = voxel_mm3](std::int64_t voxels) { return static_cast<double>(voxels) * each; };
  const auto share = [both = overlap.voxels_both](std::int64_t of) {
    return of > 0 ? static_cast<double>(both) / static_cast<double>(of) : 1.0;
  };
  verdict.measures[name] = {{"dice", overlap.dice},
                            {"sensitivity", share(overlap.voxels_b)},
                            {"precision", share(overlap.voxels_a)},
                            {"surface_dice", surface.dice},
                            {"iou", overlap.iou},
                            {"hd95_mm", surface.hd95_mm},
                            {"mean_surface_distance_mm", surface.mean_mm},
                            {"max_surface_distance_mm", surface.max_mm},
                            {"volume_a_mm3", volume(overlap.voxels_a)},
                            {"volume_b_mm3", volume(overlap.voxels_b)}};
  const bool asked = criteria.min_dice || criteria.max_hd95_mm;
  const double least = criteria.min_dice.value_or(asked ? 0.0 : 1.0 - criteria.tolerance);
  if (overlap.dice < least)
    verdict.differences.push_back(fmt::format("{}: Dice {:.4f} is below {:.4f}", name, overlap.dice, least));
  if (criteria.max_hd95_mm && !(surface.hd95_mm <= *criteria.max_hd95_mm))
    verdict.differences.push_back(fmt::format("{}: 95 % surface distance {:.3f} mm is above {:.3f} mm", name,
                                              surface.hd95_mm, *criteria.max_hd95_mm));
}

}  // namespace osteo::inspect
