#include "picture/canvas.h"

#include <algorithm>
#include <cmath>

#include "picture/font.h"

namespace osteo::picture {
namespace {

constexpr int kSubRows = 4;  // of a pixel when a polygon is filled; across a row the coverage is exact
constexpr int kMargin_px = 6;

using Point = Eigen::Vector2d;

double distanceToSegment(const Point& p, const Point& a, const Point& b) {
  const Point d = b - a;
  const double length2 = d.squaredNorm();
  const double t = length2 > 0 ? std::clamp((p - a).dot(d) / length2, 0.0, 1.0) : 0.0;
  return (p - a - t * d).norm();
}

/// x of every crossing of the rings with the horizontal y, sorted.
std::vector<double> crossings(const std::vector<std::vector<Point>>& rings, double y) {
  std::vector<double> xs;
  for (const auto& ring : rings)
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const Point &a = ring[i], &b = ring[(i + 1) % ring.size()];
      if ((a.y() <= y) != (b.y() <= y)) xs.push_back(a.x() + (y - a.y()) / (b.y() - a.y()) * (b.x() - a.x()));
    }
  std::sort(xs.begin(), xs.end());
  return xs;
}

/// Adds the part of each pixel of a row that lies in [first, last].
void cover(std::vector<float>& row, double first, double last, double weight) {
  first = std::max(first, 0.0);
  last = std::min(last, static_cast<double>(row.size()));
  for (int x = static_cast<int>(first); x < last; ++x)
    row[static_cast<std::size_t>(x)] +=
        static_cast<float>(weight * (std::min(last, x + 1.0) - std::max(first, double(x))));
}

}  // namespace

Canvas::Canvas(int width, int height, Color background)
    : width_(width),
      height_(height),
      pixels_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), background) {}

void Canvas::blend(int x, int y, Color color, double alpha) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  alpha = std::clamp(alpha, 0.0, 1.0);
  Color& pixel = at(x, y);
  for (std::size_t c = 0; c < 3; ++c)
    pixel[c] = static_cast<std::uint8_t>(std::lround(pixel[c] + alpha * (color[c] - pixel[c])));
}

void Canvas::line(Point a, Point b, Color color, double width_px) {
  const double reach = width_px / 2 + 1;
  const auto low = [&](double p, double q) { return static_cast<int>(std::floor(std::min(p, q) - reach)); };
  const auto high = [&](double p, double q) { return static_cast<int>(std::ceil(std::max(p, q) + reach)); };
  const int y_end = std::min(high(a.y(), b.y()), height_), x_end = std::min(high(a.x(), b.x()), width_);
  for (int y = std::max(0, low(a.y(), b.y())); y < y_end; ++y) {
    int x_first = std::max(0, low(a.x(), b.x())), x_last = x_end;
    if (std::abs(b.y() - a.y()) > 1) {  // only the part of the row near the line
      const double slope = (b.x() - a.x()) / (b.y() - a.y()), x = a.x() + (y + 0.5 - a.y()) * slope;
      const double half = reach * std::hypot(1.0, slope) + 1;
      x_first = std::max(x_first, static_cast<int>(std::floor(std::clamp(x - half, -1e9, 1e9))));
      x_last = std::min(x_last, static_cast<int>(std::ceil(std::clamp(x + half, -1e9, 1e9))));
    }
    for (int x = x_first; x < x_last; ++x)
      blend(x, y, color, width_px / 2 + 0.5 - distanceToSegment({x + 0.5, y + 0.5}, a, b));
  }
}

void Canvas::polygon(const std::vector<std::vector<Point>>& rings, Color fill, double alpha) {
  double top = 1e300, bottom = -1e300;
  for (const auto& ring : rings)
    for (const auto& p : ring) top = std::min(top, p.y()), bottom = std::max(bottom, p.y());
  if (top > bottom) return;
  const int last = static_cast<int>(std::min(std::ceil(bottom), double(height_)));
  std::vector<float> row(static_cast<std::size_t>(width_));
  for (int y = static_cast<int>(std::max(std::floor(top), 0.0)); y < last; ++y) {
    std::fill(row.begin(), row.end(), 0.0F);
    for (int s = 0; s < kSubRows; ++s) {
      const auto xs = crossings(rings, y + (s + 0.5) / kSubRows);
      for (std::size_t i = 0; i + 1 < xs.size(); i += 2) cover(row, xs[i], xs[i + 1], 1.0 / kSubRows);
    }
    for (int x = 0; x < width_; ++x)
      if (row[static_cast<std::size_t>(x)] > 0) blend(x, y, fill, alpha * row[static_cast<std::size_t>(x)]);
  }
}

void Canvas::text(int x, int y, const std::string& ascii, Color color, int scale) {
  for (std::size_t i = 0; i < ascii.size(); ++i) {
    const auto columns = glyph(ascii[i]);
    for (int cx = 0; cx < 5; ++cx)
      for (int cy = 0; cy < kGlyphHeight; ++cy) {
        if (!(columns[static_cast<std::size_t>(cx)] >> cy & 1)) continue;
        for (int d = 0; d < scale * scale; ++d)
          blend(x + (static_cast<int>(i) * kGlyphAdvance + cx) * scale + d % scale, y + cy * scale + d / scale, color,
                1.0);
      }
  }
}

void Canvas::paste(const Canvas& other, int x, int y) {
  for (int v = std::max(0, -y); v < other.height() && y + v < height_; ++v)
    for (int u = std::max(0, -x); u < other.width() && x + u < width_; ++u) at(x + u, y + v) = other.at(u, v);
}

namespace {

constexpr int kCaption_px = 2 * kGlyphHeight + 2 * kMargin_px;

void caption(Canvas& sheet, const std::string& words, int x, int y, int width) {
  const int scale = static_cast<int>(words.size()) * 2 * kGlyphAdvance <= width ? 2 : 1;
  sheet.text(x + 2, y + kMargin_px, words, {30, 30, 30}, scale);
}

}  // namespace

Canvas tile(const std::vector<Canvas>& parts, const std::vector<std::string>& captions, int columns) {
  if (parts.empty()) return Canvas(1, 1);
  columns = std::clamp(columns, 1, static_cast<int>(parts.size()));
  const int rows = (static_cast<int>(parts.size()) + columns - 1) / columns;
  std::vector<int> widths(static_cast<std::size_t>(columns), 0), heights(static_cast<std::size_t>(rows), 0);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto& w = widths[i % widths.size()];
    auto& h = heights[i / widths.size()];
    w = std::max(w, parts[i].width());
    h = std::max(h, parts[i].height() + kCaption_px);
  }
  int width = kMargin_px, height = kMargin_px;
  for (const int w : widths) width += w + kMargin_px;
  for (const int h : heights) height += h + kMargin_px;
  Canvas sheet(width, height);
  int y = kMargin_px;
  for (std::size_t r = 0; r < heights.size(); y += heights[r++] + kMargin_px) {
    int x = kMargin_px;
    for (std::size_t c = 0; c < widths.size(); x += widths[c++] + kMargin_px) {
      const std::size_t i = r * widths.size() + c;
      if (i >= parts.size()) break;
      if (i < captions.size()) caption(sheet, captions[i], x, y, widths[c]);
      sheet.paste(parts[i], x, y + kCaption_px);
    }
  }
  return sheet;
}

Canvas stack(const std::vector<Canvas>& parts, const std::vector<std::string>& captions, int columns) {
  if (parts.empty()) return Canvas(1, 1);
  columns = std::clamp(columns, 1, static_cast<int>(parts.size()));
  struct Place {
    std::size_t column;
    int y;
  };
  std::vector<int> widths(static_cast<std::size_t>(columns), 0), ends(widths.size(), kMargin_px);
  std::vector<Place> places;
  for (const Canvas& part : parts) {
    const auto shortest = static_cast<std::size_t>(std::min_element(ends.begin(), ends.end()) - ends.begin());
    places.push_back({shortest, ends[shortest]});
    widths[shortest] = std::max(widths[shortest], part.width());
    ends[shortest] += kCaption_px + part.height() + kMargin_px;
  }
  std::vector<int> lefts = {kMargin_px};
  for (const int width : widths) lefts.push_back(lefts.back() + width + kMargin_px);
  Canvas sheet(lefts.back(), *std::max_element(ends.begin(), ends.end()));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int x = lefts[places[i].column];
    if (i < captions.size()) caption(sheet, captions[i], x, places[i].y, widths[places[i].column]);
    sheet.paste(parts[i], x, places[i].y + kCaption_px);
  }
  return sheet;
}

Canvas shrink(const Canvas& picture, int width_px) {
  const int factor = (picture.width() + width_px - 1) / width_px;
  Canvas small(picture.width() / factor, std::max(1, picture.height() / factor));
  for (int y = 0; y < small.height(); ++y)
    for (int x = 0; x < small.width(); ++x)
      for (std::size_t channel = 0; channel < 3; ++channel) {
        int sum = 0;
        for (int dy = 0; dy < factor; ++dy)
          for (int dx = 0; dx < factor; ++dx)
            sum += picture.at(x * factor + dx, std::min(y * factor + dy, picture.height() - 1))[channel];
        small.at(x, y)[channel] = static_cast<std::uint8_t>((sum + factor * factor / 2) / (factor * factor));
      }
  return small;
}

}  // namespace osteo::picture
