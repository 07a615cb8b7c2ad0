#include "learn/sliding_window.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "core/parallel.h"
#include "core/progress.h"

namespace osteo::learn {

using Eigen::Vector3i;

namespace {

constexpr std::size_t kSideBySide = 8;  // tiles whose outputs are held at a time, whatever the threads

std::size_t area(const Vector3i& size) { return static_cast<std::size_t>(size[0]) * static_cast<std::size_t>(size[1]); }
std::size_t volume(const Vector3i& size) { return area(size) * static_cast<std::size_t>(size[2]); }

/// Sums of one slice.
struct Sums {
  std::vector<float> values, weight;
};

class Slider {
 public:
  Slider(const Window& window, const SliceSource& source, const TileFunction& tile, const SliceSink& sink)
      : window_(window), source_(source), tile_(tile), sink_(sink) {
    padding_ = ((window.patch - window.size) / 2).cwiseMax(0);
    for (int a = 0; a < 3; ++a) {
      starts_[a] = windowStarts(window.size[a], window.patch[a], window.step);
      for (int& start : starts_[a]) start -= padding_[a];
      weights_[a] = windowWeights(window.patch[a]);
    }
  }

  void run() {
    std::vector<Vector3i> tiles;
    for (const int y : starts_[1])
      for (const int x : starts_[0]) tiles.emplace_back(x, y, 0);
    core::Progress progress("network", static_cast<std::int64_t>(tiles.size() * starts_[2].size()));
    for (std::size_t layer = 0; layer < starts_[2].size(); ++layer) {
      const int z = starts_[2][layer], last = layer + 1 == starts_[2].size() ? 1 : 0;
      load(std::max(0, z), std::min(z + window_.patch[2], window_.size[2]));
      for (std::size_t first = 0; first < tiles.size(); first += kSideBySide) {
        const std::size_t count = std::min(kSideBySide, tiles.size() - first);
        std::vector<std::vector<float>> outputs(count);
        core::parallelFor(static_cast<std::int64_t>(count), [&](std::int64_t t) {
          const auto n = static_cast<std::size_t>(t);
          const Vector3i low(tiles[first + n][0], tiles[first + n][1], z);
          outputs[n].resize(volume(window_.patch) * static_cast<std::size_t>(window_.channels));
          tile_(cut(low), outputs[n]);
        });
        for (std::size_t n = 0; n < count; ++n) add({tiles[first + n][0], tiles[first + n][1], z}, outputs[n]);
        progress.advance(static_cast<std::int64_t>(count));
      }
      finish(last ? window_.size[2] : starts_[2][layer + 1]);
    }
  }

 private:
  /// Input and sums of the slices [from, to).
  void load(int from, int to) {
    while (!input_.empty() && first_input_ < from) input_.pop_front(), ++first_input_;
    for (int z = first_input_ + static_cast<int>(input_.size()); z < to; ++z) {
      input_.emplace_back(area(window_.size));
      source_(z, input_.back().data());
    }
    for (int z = first_sum_ + static_cast<int>(sums_.size()); z < to; ++z) {
      sums_.push_back({std::vector<float>(area(window_.size) * static_cast<std::size_t>(window_.channels), 0.0F),
                       std::vector<float>(area(window_.size), 0.0F)});
    }
  }

  std::vector<float> cut(const Vector3i& low) const {
    const Vector3i &patch = window_.patch, &size = window_.size;
    std::vector<float> out(volume(patch));
    float* to = out.data();
    for (int k = 0; k < patch[2]; ++k) {
      const int z = std::clamp(low[2] + k, 0, size[2] - 1);
      const std::vector<float>& slice = input_[static_cast<std::size_t>(z - first_input_)];
      for (int j = 0; j < patch[1]; ++j) {
        const float* const row =
            slice.data() + static_cast<std::ptrdiff_t>(std::clamp(low[1] + j, 0, size[1] - 1)) * size[0];
        for (int i = 0; i < patch[0]; ++i) *to++ = row[std::clamp(low[0] + i, 0, size[0] - 1)];
      }
    }
    return out;
  }

  /// Adds a tile's output; every slice is one thread's, so that the order is the tiles' own.
  void add(const Vector3i& low, const std::vector<float>& out) {
    const Vector3i &patch = window_.patch, &size = window_.size;
    core::parallelFor(patch[2], [&](std::int64_t slice) {
      const int k = static_cast<int>(slice), z = low[2] + k;
      if (z < 0 || z >= size[2]) return;
      Sums& sums = sums_[static_cast<std::size_t>(z - first_sum_)];
      const int from = std::max(0, -low[0]), to = std::min(patch[0], size[0] - low[0]);
      for (int j = std::max(0, -low[1]); j < std::min(patch[1], size[1] - low[1]); ++j) {
        const float wyz = weights_[1][static_cast<std::size_t>(j)] * weights_[2][static_cast<std::size_t>(k)];
        const std::size_t row = static_cast<std::size_t>(low[1] + j) * static_cast<std::size_t>(size[0]);
        const std::size_t in =
            (static_cast<std::size_t>(k) * static_cast<std::size_t>(patch[1]) + static_cast<std::size_t>(j)) *
            static_cast<std::size_t>(patch[0]);
        for (int c = 0; c < window_.channels; ++c) {
          float* const values = sums.values.data() + static_cast<std::size_t>(c) * area(size) + row + low[0];
          const float* const given = out.data() + static_cast<std::size_t>(c) * volume(patch) + in;
          for (int i = from; i < to; ++i) values[i] += weights_[0][static_cast<std::size_t>(i)] * wyz * given[i];
        }
        float* const weight = sums.weight.data() + row + low[0];
        for (int i = from; i < to; ++i) weight[i] += weights_[0][static_cast<std::size_t>(i)] * wyz;
      }
    });
  }

  /// Gives away the slices below `end`, which no later tile touches.
  void finish(int end) {
    for (; first_sum_ < end && !sums_.empty(); ++first_sum_) {
      Sums& sums = sums_.front();
      for (int c = 0; c < window_.channels; ++c) {
        float* const values = sums.values.data() + static_cast<std::size_t>(c) * area(window_.size);
        for (std::size_t v = 0; v < sums.weight.size(); ++v) values[v] /= sums.weight[v];
      }
      sink_(first_sum_, sums.values);
      sums_.pop_front();
    }
  }

  const Window& window_;
  const SliceSource& source_;
  const TileFunction& tile_;
  const SliceSink& sink_;
  Vector3i padding_ = Vector3i::Zero();
  std::vector<int> starts_[3];
  std::vector<float> weights_[3];
  std::deque<std::vector<float>> input_;
  std::deque<Sums> sums_;
  int first_input_ = 0, first_sum_ = 0;
};

}  // namespace

std::vector<int> windowStarts(int size, int patch, double step) {
  if (size <= patch) return {0};
  const int more = static_cast<int>(std::ceil((size - patch) / (patch * step)));
  std::vector<int> out;
  for (int i = 0; i <= more; ++i)
    out.push_back(static_cast<int>(std::lround(static_cast<double>(size - patch) * i / more)));
  return out;
}

std::vector<float> windowWeights(int patch) {
  std::vector<float> out;
  for (int i = 0; i < patch; ++i) {
    const double t = (i - 0.5 * (patch - 1)) / (patch / 8.0);
    out.push_back(static_cast<float>(std::exp(-0.5 * t * t)));
  }
  return out;
}

void slide(const Window& window, const SliceSource& source, const TileFunction& tile, const SliceSink& sink) {
  Slider(window, source, tile, sink).run();
}

double slideBytes(const Window& window) {
  const double slab = static_cast<double>(area(window.size)) * std::min(window.patch[2], window.size[2]);
  return 4 * (slab * (window.channels + 2.0) +
              static_cast<double>(kSideBySide * volume(window.patch)) * (window.channels + 1.0));
}

}  // namespace osteo::learn
