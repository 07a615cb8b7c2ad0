#include <algorithm>
#include <cmath>

#include "picture/annotate.h"
#include "picture/font.h"
#include "picture/render.h"

namespace osteo::picture {
namespace {

constexpr int kLeft_px = 78, kRight_px = 20, kTop_px = 34, kBottom_px = 52;
constexpr Color kGrid = {228, 228, 228};
// Okabe and Ito (2008): told apart with any kind of colour vision.
constexpr Color kSeries[] = {{0, 114, 178},   {213, 94, 0},  {0, 158, 115},
                             {204, 121, 167}, {230, 159, 0}, {86, 180, 233}};

/// A linear axis between round numbers.
struct Axis {
  double low = 0, high = 1, step = 1;

  static Axis over(double low, double high) {
    if (!(low <= high)) low = 0, high = 1;
    if (low == high) low -= std::max(0.5, std::abs(low) * 0.1), high += std::max(0.5, std::abs(high) * 0.1);
    Axis axis;
    axis.step = niceBelow((high - low) / 4);
    axis.low = std::floor(low / axis.step + 1e-9) * axis.step;
    axis.high = std::ceil(high / axis.step - 1e-9) * axis.step;
    return axis;
  }
  int ticks() const { return static_cast<int>(std::lround((high - low) / step)); }
  double fraction(double value) const { return (value - low) / (high - low); }
};

Axis fit(const std::vector<Series>& series, std::vector<double> Series::*member) {
  double low = 1e300, high = -1e300;
  for (const auto& s : series)
    for (const double v : s.*member)
      if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  return Axis::over(low, high);
}

}  // namespace

Canvas plot(const std::vector<Series>& series, const std::string& x_title, const std::string& y_title, int width_px,
            int height_px) {
  const Axis ax = fit(series, &Series::x), ay = fit(series, &Series::y);
  Canvas canvas(width_px, height_px);
  const double w = width_px - kLeft_px - kRight_px, h = height_px - kTop_px - kBottom_px;
  const auto place = [&](double x, double y) {
    return Eigen::Vector2d(kLeft_px + w * ax.fraction(x), kTop_px + h * (1 - ay.fraction(y)));
  };
  for (int i = 0; i <= ax.ticks(); ++i) {
    const double value = ax.low + i * ax.step;
    const std::string text = shortNumber(value);
    canvas.line(place(value, ay.low), place(value, ay.high), kGrid);
    canvas.text(static_cast<int>(place(value, ay.low).x()) - textWidth(text, 1) / 2, height_px - kBottom_px + 8, text,
                kInk);
  }
  for (int i = 0; i <= ay.ticks(); ++i) {
    const double value = ay.low + i * ay.step;
    const std::string text = shortNumber(value);
    canvas.line(place(ax.low, value), place(ax.high, value), kGrid);
    canvas.text(kLeft_px - 8 - textWidth(text, 1), static_cast<int>(place(ax.low, value).y()) - kGlyphHeight / 2, text,
                kInk);
  }
  canvas.line(place(ax.low, ay.low), place(ax.high, ay.low), kInk, 1.5);
  canvas.line(place(ax.low, ay.low), place(ax.low, ay.high), kInk, 1.5);
  canvas.text(kLeft_px + static_cast<int>(w - textWidth(x_title, 1)) / 2, height_px - 22, x_title, kInk);
  canvas.text(10, 12, y_title, kInk);
  int key_x = width_px - kRight_px;
  for (std::size_t s = series.size(); s-- > 0;) {
    const Color color = kSeries[s % std::size(kSeries)];
    const auto count = std::min(series[s].x.size(), series[s].y.size());
    for (std::size_t i = 0; i + 1 < count; ++i) {
      const auto a = place(series[s].x[i], series[s].y[i]), b = place(series[s].x[i + 1], series[s].y[i + 1]);
      if (a.allFinite() && b.allFinite()) canvas.line(a, b, color, 2);
    }
    if (series[s].name.empty()) continue;
    key_x -= textWidth(series[s].name, 1);
    canvas.text(key_x, 12, series[s].name, kInk);
    canvas.line({key_x - 22.0, 15.5}, {key_x - 6.0, 15.5}, color, 2.5);
    key_x -= 36;
  }
  return canvas;
}

}  // namespace osteo::picture
