#include "learn/explanation.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "learn/regrid.h"

namespace osteo::learn {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

constexpr float kSoft_hu = 40;

/// The voxel of a label's largest part that is nearest to the part's middle; nothing without such a label.
std::optional<Vector3d> middleOf(const image::LabelVolume& labels, std::uint16_t label) {
  image::LabelVolume mask(labels.frame);
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) mask.voxels[v] = labels.voxels[v] == label ? 1 : 0;
  const image::Components parts = image::components(mask, image::Connectivity::Corners);
  if (parts.voxels.empty()) return std::nullopt;
  Vector3d sum = Vector3d::Zero();
  std::vector<Vector3d> places;
  for (std::int64_t v = 0; v < mask.frame.voxelCount(); ++v) {
    if (parts.ids.voxels[static_cast<std::size_t>(v)] != 1) continue;
    places.push_back(mask.frame.centre(v));
    sum += places.back();
  }
  const Vector3d middle = sum / static_cast<double>(places.size());
  return *std::min_element(places.begin(), places.end(), [&](const Vector3d& a, const Vector3d& b) {
    return (a - middle).squaredNorm() < (b - middle).squaredNorm();
  });
}

/// The patch of the network's grid about a point; the border's voxels are repeated beyond it.
struct Patch {
  image::Frame frame;
  std::vector<float> hu;
  std::vector<std::uint16_t> labels;
};

Patch patchAt(const image::CtVolume& ct, const image::LabelVolume& labels, const Plans& plans, const Vector3d& at_mm) {
  const image::Frame grid = regridded(ct.frame, plans.spacing_mm);
  const image::CtVolume fine = regrid(ct, grid);
  const image::LabelVolume named = image::resampleNearest(labels, grid);
  const Vector3i low = grid.toIndex(at_mm).array().round().cast<int>().matrix() - plans.patch / 2;
  Patch out;
  out.frame = grid;
  out.frame.size = plans.patch;
  out.frame.origin_mm = grid.toWorld(low.cast<double>());
  for (int k = 0; k < plans.patch[2]; ++k) {
    for (int j = 0; j < plans.patch[1]; ++j) {
      for (int i = 0; i < plans.patch[0]; ++i) {
        const Vector3i from = (low + Vector3i(i, j, k)).cwiseMax(0).cwiseMin(grid.size - Vector3i::Ones());
        out.hu.push_back(fine.at(from[0], from[1], from[2]));
        out.labels.push_back(named.at(from[0], from[1], from[2]));
      }
    }
  }
  return out;
}

}  // namespace

Explanation explainLabels(const SegmentationModel& model, const image::CtVolume& ct, const image::LabelVolume& labels) {
  if (!model.script.empty())
    throw core::Error(core::Exit::DataError, {.what = "a TorchScript network can't be explained", .file = model.name});
  std::optional<Vector3d> at = middleOf(labels, image::Defect);
  const bool defect = at.has_value();
  if (!defect) at = middleOf(labels, image::Cortical);
  if (!at)
    throw core::Error(core::Exit::DataError,
                      {.what = "there is nothing to explain: neither cortical bone nor a defect was found"});
  const Patch patch = patchAt(ct, labels, model.plans, *at);
  const std::size_t n = patch.hu.size();
  Question question;
  question.asked.assign(kRegions * n, 0.0F);
  for (std::size_t v = 0; v < n; ++v) {
    question.input.push_back(normalised(patch.hu[v], model.plans.intensity));
    question.baseline.push_back(normalised(std::min(patch.hu[v], kSoft_hu), model.plans.intensity));
    if (defect && patch.labels[v] == image::Defect)
      question.asked[Envelope * n + v] = 1, question.asked[Host * n + v] = -1;
    if (!defect && patch.labels[v] == image::Cortical) question.asked[CorticalBone * n + v] = 1;
  }
  const Explained told = explain(model.weights.network, question);
  Explanation out;
  out.frame = patch.frame;
  for (std::size_t v = 0; v < n; ++v) {
    out.channels.push_back(told.gradients[v]);
    out.channels.push_back(told.activation[v]);
  }
  out.structure = defect ? "defect" : "cortical";
  out.value = told.value, out.baseline = told.baseline, out.steps = told.steps;
  out.sum = std::accumulate(told.gradients.begin(), told.gradients.end(), 0.0);
  return out;
}

}  // namespace osteo::learn
