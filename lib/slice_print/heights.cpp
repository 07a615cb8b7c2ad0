#include "slice_print/heights.h"

#include <algorithm>
#include <cmath>

namespace osteo::slice_print {

namespace {

class Climb {
 public:
  Climb(double height_mm, const SlopeProfile& profile, const AdaptiveHeights& heights)
      : profile_(profile), heights_(heights), stops_(profile.flats_mm) {
    const double close = 1e-3 * heights.least_mm;
    stops_.erase(
        std::remove_if(stops_.begin(), stops_.end(), [&](double z) { return z < close || z > height_mm - close; }),
        stops_.end());
    stops_.push_back(height_mm);
  }

  std::vector<double> tops() {
    std::vector<double> tops;
    double z = 0;
    std::size_t stop = 0;
    while (stop < stops_.size()) {
      const double left = stops_[stop] - z;
      double height = allowed(z);
      if (left <= height) {
        height = left;
      } else if (left < height + heights_.least_mm) {  // what would be left over is shared
        height = left >= 2 * heights_.least_mm ? left / 2 : std::min(left, heights_.most_mm);
      }
      const bool last = stop + 1 == stops_.size();
      if (height < heights_.least_mm && !last) {  // a level face that no layer can end at
        ++stop;
        continue;
      }
      z = height == left ? stops_[stop] : z + height;
      tops.push_back(z);
      while (stop < stops_.size() && stops_[stop] <= z) ++stop;
    }
    return tops;
  }

 private:
  double allowed(double z) const {
    double height = heights_.most_mm;
    const std::size_t bins = profile_.steepest.size();
    for (auto bin = static_cast<std::size_t>(z / profile_.bin_mm); bin < bins; ++bin) {
      const double reached = static_cast<double>(bin) * profile_.bin_mm - z;
      if (reached >= height) break;
      const double here = heights_.cusp_mm / std::max(1e-9, static_cast<double>(profile_.steepest[bin]));
      height = std::min(height, std::max({here, reached, heights_.least_mm}));
    }
    return height;
  }

  const SlopeProfile& profile_;
  AdaptiveHeights heights_;
  std::vector<double> stops_;
};

}  // namespace

Stack adaptiveStack(double height_mm, const SlopeProfile& profile, const AdaptiveHeights& heights) {
  stackOver(height_mm, heights.least_mm);  // refuses too many
  Stack stack;
  stack.tops_mm = Climb(height_mm, profile, heights).tops();
  stack.layers = static_cast<int>(stack.tops_mm.size());
  stack.layer_mm = height_mm / stack.layers;
  return stack;
}

}  // namespace osteo::slice_print
