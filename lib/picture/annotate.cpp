#include "picture/annotate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "picture/font.h"
#include "picture/render.h"

namespace osteo::picture {

std::string shortNumber(double value) { return fmt::format("{:.4g}", std::abs(value) < 1e-12 ? 0.0 : value); }

double niceBelow(double limit) {
  if (!(limit > 0) || !std::isfinite(limit)) return 1;
  const double decade = std::pow(10.0, std::floor(std::log10(limit)));
  for (const double factor : {5.0, 2.0})
    if (factor * decade <= limit) return factor * decade;
  return decade;
}

int textWidth(const std::string& text, int scale) {
  return static_cast<int>(text.size()) * kGlyphAdvance * scale - scale;
}

void haloText(Canvas& canvas, int x, int y, const std::string& text, int scale) {
  for (const auto& [dx, dy] : {std::pair{-1, 0}, {1, 0}, {0, -1}, {0, 1}})
    canvas.text(x + dx, y + dy, text, {255, 255, 255}, scale);
  canvas.text(x, y, text, kInk, scale);
}

void drawScaleBar(Canvas& canvas, double pixels_per_mm, Color ink) {
  const double length_mm = niceBelow(canvas.width() * 0.22 / pixels_per_mm), length = length_mm * pixels_per_mm;
  const double x = 14.5, y = canvas.height() - 12.5;
  canvas.line({x, y}, {x + length, y}, ink, 2);
  for (const double end : {x, x + length}) canvas.line({end, y - 4}, {end, y + 4}, ink, 1.5);
  const std::string text = length_mm >= 1 ? shortNumber(length_mm) + " mm" : shortNumber(length_mm * 1000) + " um";
  canvas.text(static_cast<int>(x + 3), static_cast<int>(y) - 20, text, ink, 2);
}

void drawTriad(Canvas& canvas, const Camera& camera) {
  const Eigen::Vector2d origin(canvas.width() - 48, canvas.height() - 44);
  const Color colors[] = {{200, 60, 60}, {60, 150, 70}, {60, 90, 200}};
  const char* const names[] = {"L", "P", "S"};
  for (int axis = 0; axis < 3; ++axis) {
    const Eigen::Vector3d v = camera.axes.col(axis);
    const Eigen::Vector2d tip = origin + 24 * Eigen::Vector2d(v.x(), -v.y()),
                          label = origin + 33 * Eigen::Vector2d(v.x(), -v.y());
    canvas.line(origin, tip, colors[axis], 2);
    canvas.text(static_cast<int>(label.x()) - 2, static_cast<int>(label.y()) - 3, names[axis], colors[axis], 1);
  }
}

void drawColorBar(Canvas& canvas, double low, double high, const std::string& title) {
  const int height = canvas.height() / 2, width = 16, x = canvas.width() - 92,
            y = canvas.height() / 2 - height / 2 - 10;
  for (int v = 0; v < height; ++v)
    for (int u = 0; u < width; ++u) canvas.blend(x + u, y + v, colorMap(1.0 - (v + 0.5) / height), 1.0);
  for (int tick = 0; tick <= 4; ++tick) {
    const int at = y + height - height * tick / 4;
    canvas.line({x + width + 0.0, at + 0.5}, {x + width + 4.0, at + 0.5}, kInk);
    haloText(canvas, x + width + 9, at - 3, shortNumber(low + (high - low) * tick / 4));
  }
  haloText(canvas, std::min(x, canvas.width() - 8 - textWidth(title, 1)), y - 20, title);
}

}  // namespace osteo::picture
