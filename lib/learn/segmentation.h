#pragma once
#include <array>
#include <functional>
#include <string>
#include <vector>

#include "image/volume.h"
#include "learn/plans.h"
#include "learn/regions.h"
#include "learn/weights.h"

/// Labels of a CT by segmentation networks.
namespace osteo::learn {

/// A network that can be run: weights of `train segment`, or a user's own TorchScript with nnU-Net's plans.
struct SegmentationModel {
  Weights weights;  ///< empty tensors for a TorchScript
  Plans plans;
  std::string name;                               ///< of its folder
  std::string script = {};                        ///< path of model.pt
  std::vector<std::uint16_t> script_labels = {};  ///< the label of each class of a TorchScript
  std::map<int, std::string> names = {};          ///< of labels beyond the toolkit's own
  std::array<double, kRegions> temperature{1, 1, 1, 1};
  double least_defect_mm3 = 0;  ///< smaller parts of the label Defect are dropped
  int channels() const { return script.empty() ? kRegions : static_cast<int>(script_labels.size()); }
};

/// Reads a folder: index.json, weights.bin and plans.json; or model.pt, plans.json and dataset.json where `torchscript`
/// allows it, as such a file can execute code. Throws NoInput; DataError for what doesn't fit; Usage for a TorchScript
/// that is not allowed.
SegmentationModel readSegmentationModel(const std::string& folder, bool torchscript = false);

struct PredictionOptions {
  bool mirrors = false;      ///< mean over all eight mirrored inputs
  bool uncertainty = false;  ///< fills entropy and disagreement
  double step = 0.5;
};

struct Prediction {
  image::LabelVolume labels;
  image::CtVolume defect;      ///< probability that bone is missing, where it is labelled so; empty without any
  std::vector<float> entropy;  ///< of the labels' calibrated probabilities, in bits
  std::vector<float>
      disagreement;  ///< standard deviation of the regions' probabilities over networks and mirrors, the largest
  double doubt = 0;  ///< mean entropy over the voxels that are labelled or lie beside one, in bits
};

/// Labels parts of the label Defect (joined by corners) that are smaller than this as background.
void dropSmallDefects(image::LabelVolume& labels, double least_mm3);

/// Takes the mean logits of each slice of the CT's grid, channel after channel.
using LogitSink = std::function<void(int z, const std::vector<float>& logits)>;

/// Runs networks over a CT in HU and averages their logits; the CT is resampled to the plans' grid and the logits back
/// by slabs. The same bytes for any number of threads. `logits` may be empty. Throws DataError for networks of
/// different plans, Memory with the numbers.
Prediction predict(const std::vector<SegmentationModel>& models, const image::CtVolume& ct,
                   const PredictionOptions& options, const LogitSink& logits = {});

/// Peak memory in bytes of predict() beyond the CT.
double predictionBytes(const std::vector<SegmentationModel>& models, const image::Frame& ct,
                       const PredictionOptions& options);

}  // namespace osteo::learn
