#include "design_scaffold/overhang_filter.h"

#include <algorithm>
#include <cmath>

namespace osteo::design_scaffold {
namespace {

// A smooth largest of five as a norm, corrected so that five equal values of one half stay what they are, and a smooth
// smaller of two (constants of the paper).
constexpr double kNorm = 40, kRounding = 1e-4;
const double kRoot = kNorm + std::log(5.0) / std::log(0.5);

using Neighbours = std::array<std::int64_t, 5>;

/// (Σ xᴾ)^(1/Q), with the largest x taken out so that nothing runs out of range.
struct Largest {
  double value = 0, top = 0, sum = 0;
};

Largest largestOf(const std::vector<double>& printed, const Neighbours& below) {
  Largest out;
  for (const auto n : below)
    if (n >= 0) out.top = std::max(out.top, printed[n]);
  if (out.top < 1e-9) return {};
  for (const auto n : below)
    if (n >= 0) out.sum += std::pow(printed[n] / out.top, kNorm);
  out.value = std::pow(out.top, kNorm / kRoot) * std::pow(out.sum, 1 / kRoot);
  return out;
}

double smaller(double a, double b) {
  return 0.5 * (a + b - std::sqrt((a - b) * (a - b) + kRounding) + std::sqrt(kRounding));
}

std::vector<Neighbours> neighboursBelow(const ElementGrid& grid, int axis, bool up) {
  std::vector<Neighbours> out(grid.place.size());
  const int p = (axis + 1) % 3, q = (axis + 2) % 3;
  for (std::size_t e = 0; e < out.size(); ++e) {
    Eigen::Vector3i down = grid.place[e];
    down[axis] += up ? -1 : 1;
    for (int n = 0; n < 5; ++n) {
      Eigen::Vector3i at = down;
      if (n == 1 || n == 2) at[p] += n == 1 ? -1 : 1;
      if (n == 3 || n == 4) at[q] += n == 3 ? -1 : 1;
      out[e][static_cast<std::size_t>(n)] = grid.holds(at) ? grid.at(at) : -1;
    }
  }
  return out;
}

}  // namespace

OverhangFilter::OverhangFilter(const ElementGrid& grid, int axis, bool up)
    : layers_(static_cast<std::size_t>(grid.size[axis])), below_(neighboursBelow(grid, axis, up)) {
  for (std::size_t e = 0; e < grid.place.size(); ++e) {
    const int at = grid.place[e][axis];
    layers_[static_cast<std::size_t>(up ? at : grid.size[axis] - 1 - at)].push_back(static_cast<std::int64_t>(e));
  }
}

std::vector<double> OverhangFilter::apply(const std::vector<double>& density) const {
  std::vector<double> printed(density.size());
  for (const auto& layer : layers_)
    for (const auto e : layer)
      printed[e] =
          rests(static_cast<std::size_t>(e)) ? density[e] : smaller(density[e], largestOf(printed, below_[e]).value);
  return printed;
}

std::vector<double> OverhangFilter::transposed(const std::vector<double>& density,
                                               const std::vector<double>& derivative) const {
  const std::vector<double> printed = apply(density);
  std::vector<double> carried = derivative, out(density.size(), 0.0);
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
    for (const auto e : *layer) {
      if (rests(static_cast<std::size_t>(e))) {
        out[e] = carried[e];
        continue;
      }
      const Largest support = largestOf(printed, below_[e]);
      const double difference = density[e] - support.value;
      const double tilt = difference / std::sqrt(difference * difference + kRounding);
      out[e] = carried[e] * 0.5 * (1 - tilt);
      if (!(support.top > 0)) continue;
      const double by_support = carried[e] * 0.5 * (1 + tilt);
      const double factor = kNorm / kRoot * support.value / support.sum / support.top;
      for (const auto n : below_[e])
        if (n >= 0) carried[n] += by_support * factor * std::pow(printed[n] / support.top, kNorm - 1);
    }
  return out;
}

double overhangingShare(const ElementGrid& grid, const std::vector<double>& density, int axis, bool up) {
  const std::vector<Neighbours> below = neighboursBelow(grid, axis, up);
  std::int64_t solid = 0, hanging = 0;
  for (std::size_t e = 0; e < density.size(); ++e) {
    if (density[e] <= 0.5) continue;
    ++solid;
    if (below[e][0] < 0) continue;
    hanging += std::none_of(below[e].begin(), below[e].end(), [&](auto n) { return n >= 0 && density[n] > 0.5; });
  }
  return solid > 0 ? static_cast<double>(hanging) / static_cast<double>(solid) : 0;
}

}  // namespace osteo::design_scaffold
