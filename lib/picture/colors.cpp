#include <algorithm>
#include <cmath>

#include "picture/render.h"

namespace osteo::picture {
namespace {

// Ten equally spaced colours of viridis (van der Walt and Smith 2015, CC0).
constexpr Color kViridis[] = {{68, 1, 84},    {72, 40, 120},  {62, 74, 137},  {49, 104, 142}, {38, 130, 142},
                              {31, 158, 137}, {53, 183, 121}, {109, 205, 89}, {180, 222, 44}, {253, 231, 37}};

constexpr Color kLabels[] = {{0, 0, 0}, {245, 222, 165}, {232, 140, 80}, {80, 150, 240}, {225, 60, 70}, {70, 185, 110}};
constexpr Color kInstances[] = {{141, 211, 199}, {255, 237, 111}, {190, 186, 218}, {251, 128, 114}, {128, 177, 211},
                                {253, 180, 98},  {179, 222, 105}, {252, 205, 229}, {188, 128, 189}, {204, 235, 197}};

}  // namespace

Color colorMap(double t) {
  constexpr int kLast = static_cast<int>(std::size(kViridis)) - 1;
  const double at = std::isfinite(t) ? std::clamp(t, 0.0, 1.0) * kLast : 0.0;
  const int i = std::min(static_cast<int>(at), kLast - 1);
  Color color;
  for (std::size_t c = 0; c < 3; ++c)
    color[c] =
        static_cast<std::uint8_t>(std::lround(kViridis[i][c] + (at - i) * (kViridis[i + 1][c] - kViridis[i][c])));
  return color;
}

Color labelColor(int label) {
  if (label >= 0 && label < static_cast<int>(std::size(kLabels))) return kLabels[label];
  return kInstances[static_cast<unsigned>(label) % std::size(kInstances)];
}

}  // namespace osteo::picture
