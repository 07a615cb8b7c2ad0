#include "slice_print/block.h"

#include <cmath>
#include <tuple>

#include "slice_print/scan_lines.h"

namespace osteo::slice_print {

namespace {

using Span = std::pair<double, double>;

// Spans in ascending order, joined where they touch.
std::vector<Span> joined(std::vector<Span> spans) {
  std::sort(spans.begin(), spans.end());
  std::vector<Span> result;
  for (const Span& span : spans) {
    if (!result.empty() && span.first <= result.back().second + 1e-9) {
      result.back().second = std::max(result.back().second, span.second);
    } else {
      result.push_back(span);
    }
  }
  return result;
}

// What is left of spans outside the solid of a row that is grown by the clearance.
std::vector<Span> outside(const std::vector<Span>& spans, const ScanLines& rows, int line, double clearance) {
  const int r = line - rows.first;
  if (r < 0 || r >= rows.rows()) return spans;
  std::vector<Span> result;
  for (Span span : spans) {
    for (std::size_t n = rows.start[r]; n + 1 < rows.start[r + 1] && span.first < span.second; n += 2) {
      const double low = rows.x[n] - clearance, high = rows.x[n + 1] + clearance;
      if (high <= span.first || low >= span.second) continue;
      if (low > span.first) result.emplace_back(span.first, low);
      span.first = high;
    }
    if (span.first < span.second) result.push_back(span);
  }
  return result;
}

Rings swapped(Rings rings) {
  for (Ring& ring : rings) {
    for (Point& p : ring) std::swap(p.x(), p.y());
  }
  return rings;
}

// The pieces of one wall at one height.
class Wall {
 public:
  Wall(const BlockShape& shape, double pitch) : shape_(shape), pitch_(pitch) {}

  void add(int cell, double from_top, double from_base) {
    const double low = cell * pitch_, high = low + pitch_;
    const double near = std::min(from_top, from_base) / toothHeight();
    if (near >= 1) {
      free_.emplace_back(low, high);
      if (from_top > 2 * toothHeight() && from_base > toothHeight()) whole_.emplace_back(low, high);
      return;
    }
    const double middle = (std::floor(low / shape_.spacing_mm + 1e-6) + 0.5) * shape_.spacing_mm;
    const double half = (shape_.tip_mm + (shape_.spacing_mm - shape_.tip_mm) * near) / 2;
    const Span tooth{std::max(low, middle - half), std::min(high, middle + half)};
    if (tooth.first < tooth.second) teeth_.push_back(tooth);
  }

  // Windows open in what is well below the teeth; teeth touch the part, the wall beside it keeps clear.
  std::vector<Span> spans(double z, const ScanLines& rows, int line) {
    std::vector<Span> wall = outside(joined(std::move(free_)), rows, line, shape_.clearance_mm);
    for (const auto& [low, high] : joined(std::move(whole_))) open(low, high, z, wall);
    for (const Span& tooth : outside(joined(std::move(teeth_)), rows, line, 0)) wall.push_back(tooth);
    return joined(std::move(wall));
  }

 private:
  double toothHeight() const { return shape_.spacing_mm - shape_.tip_mm / 2; }

  // Diamonds as high as the walls' spacing, one halfway between any two nodes.
  void open(double low, double high, double z, std::vector<Span>& wall) const {
    const double s = shape_.spacing_mm, phase = z / s - std::floor(z / s);
    const double half = s * shape_.perforation_share * (1 - std::abs(2 * phase - 1));
    if (half <= 0) return;
    for (double at = std::ceil(low / s) * s; at <= high; at += s) {
      std::vector<Span> left;
      const Span window{std::max(at - half, low), std::min(at + half, high)};
      for (const Span& span : wall) {
        if (window.second <= span.first || window.first >= span.second) {
          left.push_back(span);
          continue;
        }
        if (span.first < window.first) left.emplace_back(span.first, window.first);
        if (window.second < span.second) left.emplace_back(window.second, span.second);
      }
      wall = std::move(left);
    }
  }

  const BlockShape& shape_;
  double pitch_;
  std::vector<Span> free_, whole_, teeth_;
};

}  // namespace

Block::Block(const std::vector<Gap>& gaps, const Columns& columns, const BlockShape& shape)
    : shape_(shape), pitch_(columns.pitch_mm()) {
  constexpr int kWall = kCellsPerSpacing / 2;
  for (const Gap& gap : gaps) {
    const float high = gap.high - static_cast<float>(shape.gap_mm);
    if (high <= gap.low) continue;
    if (gap.j % kCellsPerSpacing == kWall)
      pieces_.push_back({false, gap.j / kCellsPerSpacing, gap.i, gap.low, high, gap.on_part});
    if (gap.i % kCellsPerSpacing == kWall)
      pieces_.push_back({true, gap.i / kCellsPerSpacing, gap.j, gap.low, high, gap.on_part});
  }
  const auto key = [](const Piece& p) { return std::tuple(p.along_y, p.line, p.cell, p.low); };
  std::sort(pieces_.begin(), pieces_.end(), [&](const Piece& a, const Piece& b) { return key(a) < key(b); });
  for (const Piece& piece : pieces_) slabs_.add(piece.low, piece.high);
}

std::vector<Segment> Block::walls(double z_mm, const Rings& slice) const {
  std::vector<Segment> segments;
  const std::vector<std::uint32_t>& near = slabs_.at(z_mm);
  ScanLines rows;
  bool scanned = false, scanned_y = false;
  for (std::size_t n = 0, next = 0; n < near.size(); n = next) {
    const Piece& first = pieces_[near[n]];
    Wall wall(shape_, pitch_);
    for (next = n; next < near.size(); ++next) {
      const Piece& piece = pieces_[near[next]];
      if (piece.along_y != first.along_y || piece.line != first.line) break;
      if (piece.low <= z_mm && z_mm <= piece.high)
        wall.add(piece.cell, piece.high - z_mm, piece.on_part ? z_mm - piece.low : 1e300);
    }
    if (!scanned || scanned_y != first.along_y) {
      rows = scanLines(first.along_y ? swapped(slice) : slice, shape_.spacing_mm);
      scanned = true, scanned_y = first.along_y;
    }
    std::vector<Span> spans = wall.spans(z_mm, rows, first.line);
    const double at = (first.line + 0.5) * shape_.spacing_mm;
    const bool back = first.line % 2 == 1;
    if (back) std::reverse(spans.begin(), spans.end());
    for (const auto& [low, high] : spans) {
      const double from = back ? high : low, to = back ? low : high;
      if (first.along_y) segments.push_back({Point(at, from), Point(at, to)});
      if (!first.along_y) segments.push_back({Point(from, at), Point(to, at)});
    }
  }
  return segments;
}

}  // namespace osteo::slice_print
