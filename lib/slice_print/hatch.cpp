#include "slice_print/hatch.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.h"
#include "slice_print/visit_order.h"

namespace osteo::slice_print {

namespace {

struct Stroke {
  double low, high, y;
};

using Meander = std::vector<Stroke>;

// Follows strokes from row to row: each goes on to the first free stroke above that overlaps it.
std::vector<Meander> growMeanders(const ScanLines& lines, double spacing) {
  std::vector<Meander> meanders;
  std::vector<std::size_t> below, row;  // meanders that end in the last row and in this one, by x
  for (int r = 0; r < lines.rows(); ++r) {
    const double y = (lines.first + r + 0.5) * spacing;
    row.clear();
    std::size_t candidate = 0;
    for (std::size_t n = lines.start[r]; n + 1 < lines.start[r + 1]; n += 2) {
      const Stroke stroke{lines.x[n], lines.x[n + 1], y};
      if (stroke.high <= stroke.low) continue;
      while (candidate < below.size() && meanders[below[candidate]].back().high <= stroke.low) ++candidate;
      if (candidate < below.size() && meanders[below[candidate]].back().low < stroke.high) {
        row.push_back(below[candidate++]);
      } else {
        row.push_back(meanders.size());
        meanders.emplace_back();
      }
      meanders[row.back()].push_back(stroke);
    }
    below.swap(row);
  }
  return meanders;
}

// The strokes of a meander from the bottom or the top row, the first one to the right or to the left.
std::vector<Segment> strokesOf(const Meander& meander, bool from_top, bool rightward) {
  std::vector<Segment> segments;
  segments.reserve(meander.size());
  for (std::size_t n = 0; n < meander.size(); ++n) {
    const Stroke& s = meander[from_top ? meander.size() - 1 - n : n];
    const Point left(s.low, s.y), right(s.high, s.y);
    segments.push_back(rightward ? Segment{left, right} : Segment{right, left});
    rightward = !rightward;
  }
  return segments;
}

// A meander is entered at the left of its bottom row or where that walk ends.
std::vector<Stop> stopsOf(const std::vector<Meander>& meanders) {
  std::vector<Stop> stops;
  stops.reserve(2 * meanders.size());
  for (std::uint32_t m = 0; m < meanders.size(); ++m) {
    const Stroke &bottom = meanders[m].front(), &top = meanders[m].back();
    const Point begin(bottom.low, bottom.y), end(meanders[m].size() % 2 ? top.high : top.low, top.y);
    stops.push_back({begin, end, m});
    stops.push_back({end, begin, m});
  }
  return stops;
}

// Meanders over rows, in the rows' own frame.
std::vector<Segment> strokesOver(const ScanLines& rows, double spacing, const Point& start) {
  const std::vector<Meander> meanders = growMeanders(rows, spacing);
  const std::vector<Stop> stops = stopsOf(meanders);
  std::vector<Segment> strokes;
  for (const std::uint32_t stop : visitNearest(stops, start)) {
    const Meander& m = meanders[stops[stop].item];
    const bool backward = stop % 2 == 1;
    // Backwards, the first stroke runs against the last one of the forward walk.
    const bool rightward = backward ? m.size() % 2 == 0 : true;
    for (const Segment& stroke : strokesOf(m, backward, rightward)) strokes.push_back(stroke);
  }
  return strokes;
}

// A piece of a row inside one field: fields are visited in ascending order.
struct Piece {
  std::int64_t field_y, field_x;
  int row;
  double low, high;
};

// Cuts rows into pieces and collects the strokes of each field.
class Fields {
 public:
  Fields(const HatchPattern& pattern, const Point& start) : pattern_(pattern), start_(start) {}

  void addWhole(const ScanLines& rows) {
    forEachInterval(rows, [&](int row, double low, double high) { keep({0, 0, row, low, high}); });
    flush();
  }

  // Bands of one width along x. A cut that would leave a line too short is not made.
  void addStripes(const ScanLines& rows) {
    const double cell = pattern_.cell_mm, half = pattern_.overlap_mm / 2;
    forEachInterval(rows, [&](int row, double low, double high) {
      double from = low;
      std::int64_t stripe = fieldOf(low - pattern_.shift.x(), cell);
      for (const std::int64_t last = fieldOf(high - pattern_.shift.x(), cell); stripe < last; ++stripe) {
        const double cut = static_cast<double>(stripe + 1) * cell + pattern_.shift.x();
        if (cut <= from) continue;
        if (cut - from < pattern_.least_mm || high - cut < pattern_.least_mm) {
          ++result_.merged;
          if (cut - from < pattern_.least_mm) continue;
          break;
        }
        keep({0, stripe, row, from, std::min(cut + half, high)});
        from = std::max(cut - half, low);
      }
      keep({0, stripe, row, from, high});
    });
    flush();
  }

  // The fields of one colour; the other colour's are met in the frame turned by a right angle.
  void addIslands(const ScanLines& rows, const Point& shift) {
    const double cell = pattern_.cell_mm, half = pattern_.overlap_mm / 2;
    forEachInterval(rows, [&](int row, double low, double high) {
      const double y = (row + 0.5) * pattern_.spacing_mm - shift.y();
      for (std::int64_t fy = fieldOf(y - half, cell); fy <= fieldOf(y + half, cell); ++fy) {
        const std::int64_t last = fieldOf(high - shift.x() + half, cell);
        for (std::int64_t fx = fieldOf(low - shift.x() - half, cell); fx <= last; ++fx) {
          if ((fx + fy) % 2 != 0) continue;
          const double from = static_cast<double>(fx) * cell - half + shift.x();
          keep({fy, fy % 2 == 0 ? fx : -fx, row, std::max(low, from), std::min(high, from + cell + 2 * half)});
        }
      }
    });
    flush();
  }

  void turnBack(const LineFrame& frame) {
    for (; turned_ < result_.lines.size(); ++turned_) {
      Segment& line = result_.lines[turned_];
      line = {frame.fromLines(line.a), frame.fromLines(line.b)};
    }
  }
  void startAt(const Point& start) { start_ = start; }
  Hatching take() { return std::move(result_); }

 private:
  template <class Visit>
  static void forEachInterval(const ScanLines& rows, const Visit& visit) {
    for (int r = 0; r < rows.rows(); ++r) {
      for (std::size_t n = rows.start[r]; n + 1 < rows.start[r + 1]; n += 2)
        visit(rows.first + r, rows.x[n], rows.x[n + 1]);
    }
  }

  static std::int64_t fieldOf(double x, double cell) { return static_cast<std::int64_t>(std::floor(x / cell)); }

  void keep(const Piece& piece) {
    if (piece.high <= piece.low) return;
    if (piece.high - piece.low < pattern_.least_mm) {
      ++result_.dropped;
      return;
    }
    pieces_.push_back(piece);
  }

  void flush() {
    const auto key = [](const Piece& p) { return std::tuple(p.field_y, p.field_x, p.row); };
    std::stable_sort(pieces_.begin(), pieces_.end(), [&](const Piece& a, const Piece& b) { return key(a) < key(b); });
    for (std::size_t first = 0, n = 0; first < pieces_.size(); first = n) {
      ScanLines rows;
      rows.first = pieces_[first].row;
      rows.start.assign(1, 0);
      for (n = first; n < pieces_.size() && pieces_[n].field_y == pieces_[first].field_y &&
                      pieces_[n].field_x == pieces_[first].field_x;
           ++n) {
        while (rows.first + rows.rows() <= pieces_[n].row) rows.start.push_back(rows.x.size());
        rows.x.push_back(pieces_[n].low), rows.x.push_back(pieces_[n].high);
        rows.start.back() = rows.x.size();
      }
      for (const Segment& stroke : strokesOver(rows, pattern_.spacing_mm, start_)) result_.lines.push_back(stroke);
      if (!result_.lines.empty()) start_ = result_.lines.back().b;
    }
    pieces_.clear();
  }

  HatchPattern pattern_;
  Point start_;
  std::vector<Piece> pieces_;
  Hatching result_;
  std::size_t turned_ = 0;  // lines that are back in the machine frame
};

}  // namespace

const std::vector<std::string>& strategyNames() {
  static const std::vector<std::string> names = {"meander", "stripe", "island", "concentric"};
  return names;
}

Strategy strategyNamed(const std::string& name) {
  const auto& names = strategyNames();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw core::Error(core::Exit::Usage, {.what = "unknown strategy", .got = name});
  return static_cast<Strategy>(found - names.begin());
}

LineFrame::LineFrame(const Point& centre, double angle_deg) : centre_(centre) {
  const double angle = std::fmod(angle_deg, 360) * M_PI / 180;
  cosine_ = std::cos(angle), sine_ = std::sin(angle);
}

Point LineFrame::toLines(const Point& p) const {
  const Point d = p - centre_;
  return {cosine_ * d.x() + sine_ * d.y(), -sine_ * d.x() + cosine_ * d.y()};
}

Point LineFrame::fromLines(const Point& p) const {
  return {centre_.x() + cosine_ * p.x() - sine_ * p.y(), centre_.y() + sine_ * p.x() + cosine_ * p.y()};
}

Rings LineFrame::toLines(Rings rings) const {
  for (Ring& ring : rings) {
    for (Point& p : ring) p = toLines(p);
  }
  return rings;
}

Hatching hatch(const RowSource& rows, const HatchPattern& pattern, const Point& start) {
  const LineFrame frame(pattern.centre, pattern.angle_deg);
  Fields fields(pattern, frame.toLines(start));
  if (pattern.strategy == Strategy::Stripe) {
    fields.addStripes(rows(frame));
  } else if (pattern.strategy == Strategy::Island) {
    fields.addIslands(rows(frame), pattern.shift);
    fields.turnBack(frame);
    const LineFrame across(pattern.centre, pattern.angle_deg + 90);
    fields.startAt(across.toLines(start));
    fields.addIslands(rows(across), {pattern.shift.y(), -pattern.shift.x()});
    fields.turnBack(across);
  } else {
    fields.addWhole(rows(frame));
  }
  fields.turnBack(frame);
  return fields.take();
}

std::vector<Segment> meander(const Rings& rings, const HatchPattern& pattern, const Point& start) {
  return hatch([&](const LineFrame& frame) { return scanLines(frame.toLines(rings), pattern.spacing_mm); }, pattern,
               start)
      .lines;
}

}  // namespace osteo::slice_print
