#include "learn/segmentation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "core/error.h"
#include "core/files.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "learn/regrid.h"
#include "learn/sliding_window.h"

namespace osteo::learn {

using Eigen::Vector3i;

namespace {

constexpr float kSurelyNot = -20;  // logit of regions in a tile without anything as dense as soft tissue
constexpr float kEmpty_hu = 0;     // nothing above this: no bone in the tile

void mirror(const float* from, float* to, const Vector3i& size, int axes) {
  for (int k = 0; k < size[2]; ++k) {
    for (int j = 0; j < size[1]; ++j) {
      const std::ptrdiff_t z = axes & 4 ? size[2] - 1 - k : k, y = axes & 2 ? size[1] - 1 - j : j;
      const float* const row = from + (z * size[1] + y) * size[0];
      if (axes & 1) {
        std::reverse_copy(row, row + size[0], to);
      } else {
        std::copy(row, row + size[0], to);
      }
      to += size[0];
    }
  }
}

std::vector<float> logitsOf(const SegmentationModel& model, Batch& batch) {
  if (model.script.empty()) return applyAlone(model.weights.network, batch);
  const Vector3i& p = model.plans.patch;
  std::vector<float> out = runScript(model.script, batch.input, {1, 1, p[2], p[1], p[0]});
  const std::size_t wanted = static_cast<std::size_t>(p.prod()) * model.script_labels.size();
  if (out.size() != wanted)
    throw core::Error(
        core::Exit::DataError,
        {.what = "the TorchScript network gives another number of classes than dataset.json", .file = model.name});
  return out;
}

/// All networks and mirrors on one tile: mean logits, and the spread of their probabilities where that is wanted.
class Members {
 public:
  Members(const std::vector<SegmentationModel>& models, const PredictionOptions& options)
      : models_(models), options_(options), channels_(models.front().channels()) {}

  int outputs() const { return channels_ + (options_.uncertainty ? 1 : 0); }

  void operator()(const std::vector<float>& tile, std::vector<float>& out) const {
    const std::size_t n = tile.size(), all = n * static_cast<std::size_t>(channels_);
    std::fill(out.begin(), out.end(), 0.0F);
    if (models_.front().script.empty() && *std::max_element(tile.begin(), tile.end()) < kEmpty_hu) {
      std::fill_n(out.begin(), all, kSurelyNot);
      return;
    }
    const int mirrors = options_.mirrors ? 8 : 1;
    const auto members = static_cast<float>(models_.size() * static_cast<std::size_t>(mirrors));
    std::vector<float> sum(options_.uncertainty ? all : 0, 0.0F), squares = sum, back(n);
    for (const SegmentationModel& model : models_) {
      std::vector<float> input(n);
      std::transform(tile.begin(), tile.end(), input.begin(),
                     [&](float hu) { return normalised(hu, model.plans.intensity); });
      for (int axes = 0; axes < mirrors; ++axes) {
        Batch batch;
        batch.count = 1;
        batch.input.resize(n);
        mirror(input.data(), batch.input.data(), model.plans.patch, axes);
        const std::vector<float> logits = logitsOf(model, batch);
        for (std::size_t c = 0; c < static_cast<std::size_t>(channels_); ++c) {
          mirror(logits.data() + c * n, back.data(), model.plans.patch, axes);
          for (std::size_t v = 0; v < n; ++v) out[c * n + v] += back[v] / members;
          if (!options_.uncertainty) continue;
          for (std::size_t v = 0; v < n; ++v) {
            const float p = 1 / (1 + std::exp(-back[v]));
            sum[c * n + v] += p / members;
            squares[c * n + v] += p * p / members;
          }
        }
      }
    }
    for (std::size_t i = 0; i < sum.size(); ++i) {
      float& most = out[all + i % n];
      most = std::max(most, std::sqrt(std::max(0.0F, squares[i] - sum[i] * sum[i])));
    }
  }

 private:
  const std::vector<SegmentationModel>& models_;
  const PredictionOptions& options_;
  int channels_;
};

/// Turns finished slices of the network's grid into slices of the CT's.
class Back {
 public:
  Back(const Vector3i& from, const Vector3i& to, int channels, LogitSink sink)
      : x_(axisMap(from[0], to[0])),
        y_(axisMap(from[1], to[1])),
        z_(axisMap(from[2], to[2])),
        channels_(channels),
        sink_(std::move(sink)) {}

  void take(int z, const std::vector<float>& slice) {
    const std::size_t in = static_cast<std::size_t>(x_.from) * static_cast<std::size_t>(y_.from), out = plane();
    slices_.emplace_back(out * static_cast<std::size_t>(channels_));
    core::parallelFor(channels_, [&](std::int64_t c) {
      regridPlane(x_, y_, slice.data() + static_cast<std::size_t>(c) * in,
                  slices_.back().data() + static_cast<std::size_t>(c) * out);
    });
    for (; next_ < z_.to && z_.source(next_, z_.taps - 1) <= z; ++next_) emit();
  }

 private:
  std::size_t plane() const { return static_cast<std::size_t>(x_.to) * static_cast<std::size_t>(y_.to); }

  void emit() {
    while (first_ < z_.source(next_, 0)) slices_.pop_front(), ++first_;
    std::vector<float> out(plane() * static_cast<std::size_t>(channels_), 0.0F);
    for (int tap = 0; tap < z_.taps; ++tap) {
      const float w = z_.weights[static_cast<std::size_t>(next_ * z_.taps + tap)];
      const std::vector<float>& slice = slices_[static_cast<std::size_t>(z_.source(next_, tap) - first_)];
      for (std::size_t v = 0; w != 0 && v < out.size(); ++v) out[v] += w * slice[v];
    }
    sink_(next_, out);
  }

  AxisMap x_, y_, z_;
  int channels_;
  LogitSink sink_;
  std::deque<std::vector<float>> slices_;
  int first_ = 0, next_ = 0;
};

/// Slices of the CT on the network's grid, as they are asked for.
SliceSource sourceOf(const image::CtVolume& ct, const Vector3i& to) {
  const Vector3i& from = ct.frame.size;
  return
      [&ct, x = axisMap(from[0], to[0]), y = axisMap(from[1], to[1]), z = axisMap(from[2], to[2])](int k, float* out) {
        const std::size_t plane = static_cast<std::size_t>(x.from) * static_cast<std::size_t>(y.from);
        std::vector<float> slice(plane, 0.0F);
        for (int tap = 0; tap < z.taps; ++tap) {
          const float w = z.weights[static_cast<std::size_t>(k * z.taps + tap)];
          const float* const values = ct.voxels.data() + plane * static_cast<std::size_t>(z.source(k, tap));
          for (std::size_t v = 0; w != 0 && v < plane; ++v) slice[v] += w * values[v];
        }
        regridPlane(x, y, slice.data(), out);
      };
}

double bitsOf(double p) { return p > 1e-12 ? -p * std::log2(p) : 0; }

/// A voxel's label, the entropy of its calibrated probabilities and that of the defect.
struct Verdict {
  std::uint16_t label = 0;
  double entropy = 0, defect = 0;
};

Verdict regionVerdict(const float* logits, std::size_t stride, const std::array<double, kRegions>& temperature) {
  float p[kRegions];
  for (std::size_t r = 0; r < kRegions; ++r)
    p[r] = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(logits[r * stride]) / temperature[r])));
  Verdict out{labelOf(p)};
  const auto shares = labelShares(p);
  for (const float share : shares) out.entropy += bitsOf(share);
  out.defect = shares[image::Defect];
  return out;
}

Verdict classVerdict(const float* logits, std::size_t stride, const std::vector<std::uint16_t>& labels) {
  std::size_t best = 0;
  for (std::size_t c = 1; c < labels.size(); ++c)
    if (logits[c * stride] > logits[best * stride]) best = c;
  double sum = 0;
  for (std::size_t c = 0; c < labels.size(); ++c) sum += std::exp(logits[c * stride] - logits[best * stride]);
  Verdict out{labels[best]};
  for (std::size_t c = 0; c < labels.size(); ++c) {
    const double share = std::exp(logits[c * stride] - logits[best * stride]) / sum;
    out.entropy += bitsOf(share);
    if (labels[c] == image::Defect) out.defect = share;
  }
  return out;
}

void requireAlike(const std::vector<SegmentationModel>& models) {
  const SegmentationModel& first = models.front();
  for (const SegmentationModel& m : models) {
    if (m.plans.patch == first.plans.patch && m.plans.spacing_mm.isApprox(first.plans.spacing_mm, 1e-6) &&
        m.script_labels == first.script_labels && m.script.empty() == first.script.empty())
      continue;
    throw core::Error(core::Exit::DataError, {.what = "networks of an ensemble need the same patch, spacing and labels",
                                              .file = m.name,
                                              .expected = "the plans of " + first.name});
  }
}

std::array<double, kRegions> meanTemperature(const std::vector<SegmentationModel>& models) {
  std::array<double, kRegions> out{};
  for (const SegmentationModel& m : models)
    for (std::size_t r = 0; r < kRegions; ++r) out[r] += m.temperature[r] / static_cast<double>(models.size());
  return out;
}

}  // namespace

double predictionBytes(const std::vector<SegmentationModel>& models, const image::Frame& ct,
                       const PredictionOptions& options) {
  const Plans& plans = models.front().plans;
  const int channels = models.front().channels() + (options.uncertainty ? 1 : 0);
  const Window window{regridded(ct, plans.spacing_mm).size, plans.patch, channels, options.step};
  const double plane = static_cast<double>(ct.size[0]) * ct.size[1], voxels = plane * ct.size[2];
  const double tile = 4.0 * plans.patch.cast<double>().prod();
  const double network =
      tile * (models.front().script.empty() ? 2.0 * plans.base : 96.0);  // features while a tile runs
  return slideBytes(window) + 24.0 * plane * channels + voxels * (options.uncertainty ? 14 : 6) +
         core::threads() * (network + 1.4e8) + 8e8;  // and torch itself: libraries, buffers of OpenBLAS a thread
}

void dropSmallDefects(image::LabelVolume& labels, double least_mm3) {
  const auto least = static_cast<std::int64_t>(std::ceil(least_mm3 / labels.frame.voxelVolume_mm3()));
  if (least <= 1) return;
  const image::LabelVolume defect = image::select(labels, {image::Defect});
  const image::Box box = image::boundingBox(defect);
  if (box.empty()) return;
  const image::LabelVolume kept =
      image::dropSmall(image::crop(defect, box, std::uint16_t{0}), least, image::Connectivity::Corners);
  for (int k = 0; k < box.size[2]; ++k) {
    for (int j = 0; j < box.size[1]; ++j) {
      for (int i = 0; i < box.size[0]; ++i) {
        std::uint16_t& label = labels.at(box.low[0] + i, box.low[1] + j, box.low[2] + k);
        if (label == image::Defect && !kept.at(i, j, k)) label = image::Background;
      }
    }
  }
}

Prediction predict(const std::vector<SegmentationModel>& models, const image::CtVolume& ct,
                   const PredictionOptions& options, const LogitSink& logits) {
  requireAlike(models);
  core::requireMemory(predictionBytes(models, ct.frame, options), "the network");
  module();  // here, as OpenBLAS waits for ever where it gets no memory in a thread of its own
  const SegmentationModel& first = models.front();
  const Members members(models, options);
  const auto temperature = meanTemperature(models);
  const std::size_t plane = static_cast<std::size_t>(ct.frame.size[0]) * static_cast<std::size_t>(ct.frame.size[1]);
  Prediction out;
  out.labels = image::LabelVolume(ct.frame);
  if (options.uncertainty) out.entropy.resize(ct.voxels.size()), out.disagreement.resize(ct.voxels.size());
  double doubt = 0;
  std::int64_t doubted = 0;
  const auto sink = [&](int z, const std::vector<float>& slice) {
    const std::size_t at = plane * static_cast<std::size_t>(z);
    for (std::size_t v = 0; v < plane; ++v) {
      const Verdict verdict = first.script.empty() ? regionVerdict(slice.data() + v, plane, temperature)
                                                   : classVerdict(slice.data() + v, plane, first.script_labels);
      out.labels.voxels[at + v] = verdict.label;
      if (verdict.label == image::Defect) {
        if (out.defect.voxels.empty()) out.defect = image::CtVolume(ct.frame);
        out.defect.voxels[at + v] = static_cast<float>(verdict.defect);
      }
      if (verdict.label != 0 || verdict.entropy > 0.1) doubt += verdict.entropy, ++doubted;
      if (!options.uncertainty) continue;
      out.entropy[at + v] = static_cast<float>(verdict.entropy);
      out.disagreement[at + v] = slice[static_cast<std::size_t>(first.channels()) * plane + v];
    }
    if (logits) logits(z, slice);
  };
  const image::Frame grid = regridded(ct.frame, first.plans.spacing_mm);
  Back back(grid.size, ct.frame.size, members.outputs(), sink);
  const Window window{grid.size, first.plans.patch, members.outputs(), options.step};
  slide(window, sourceOf(ct, grid.size), members, [&](int z, const std::vector<float>& slice) { back.take(z, slice); });
  out.doubt = doubted > 0 ? doubt / static_cast<double>(doubted) : 0;
  dropSmallDefects(out.labels, first.least_defect_mm3);
  for (std::size_t v = 0; v < out.defect.voxels.size(); ++v)
    if (out.labels.voxels[v] != image::Defect) out.defect.voxels[v] = 0;
  module();  // threads as they were
  return out;
}

}  // namespace osteo::learn
