#pragma once
#include <Eigen/Core>
#include <functional>
#include <vector>

/// A network that sees patches, over a volume of any size, of which only a slab is held at a time.
namespace osteo::learn {

/// First voxels of patches that cover an axis evenly and overlap by at least 1 − step: 110 with 64 gives 0, 23, 46. A
/// patch larger than the axis starts at 0.
std::vector<int> windowStarts(int size, int patch, double step = 0.5);

/// How much a voxel of a patch counts along one axis: a Gaussian about its middle, sigma an eighth of it (nnU-Net).
std::vector<float> windowWeights(int patch);

struct Window {
  Eigen::Vector3i size = Eigen::Vector3i::Zero();   ///< of the volume
  Eigen::Vector3i patch = Eigen::Vector3i::Zero();  ///< larger than the volume: its border is repeated
  int channels = 1;                                 ///< that the network gives
  double step = 0.5;
};

/// Fills slice z of the volume, x fastest; asked once for each z, upwards.
using SliceSource = std::function<void(int z, float* slice)>;
/// Output of a tile of patch voxels: channel after channel. Runs on several threads at a time.
using TileFunction = std::function<void(const std::vector<float>& tile, std::vector<float>& out)>;
/// Takes slice z of the weighted mean of all tiles, channel after channel; each z once, upwards.
using SliceSink = std::function<void(int z, const std::vector<float>& channels)>;

/// Runs a network over a volume. Tiles are computed side by side and added in their order: the bytes are the same for
/// any number of threads as long as the function's are.
void slide(const Window& window, const SliceSource& source, const TileFunction& tile, const SliceSink& sink);

/// Bytes that slide() holds at its peak.
double slideBytes(const Window& window);

}  // namespace osteo::learn
