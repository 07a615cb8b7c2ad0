#include "slice_print/winding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/random.h"

namespace osteo::slice_print {

namespace {

constexpr std::uint32_t kNone = UINT32_MAX;
constexpr int kAttempts = 12;
constexpr double kSameCrossing = 1e-13;   // of an edge's length: nearer crossings are not told apart
constexpr std::int64_t kWidth_units = 2;  // narrower regions are made by rounding

std::int64_t cross(const GridPoint& u, const GridPoint& v) { return u.x() * v.y() - u.y() * v.x(); }

// The curves' edges one after another: edge i runs from point[i] to point[next[i]].
struct Edges {
  std::vector<GridPoint> point;
  std::vector<std::uint32_t> next, ring;

  const GridPoint& from(std::uint32_t edge) const { return point[edge]; }
  const GridPoint& to(std::uint32_t edge) const { return point[next[edge]]; }
  GridPoint along(std::uint32_t edge) const { return to(edge) - from(edge); }
};

// How far points are shaken, in units: 0, then 1, 2, 4 …
std::int64_t shakenBy(int attempt) { return attempt == 0 ? 0 : std::int64_t{1} << (attempt - 1); }

Edges edgesOf(const std::vector<GridRing>& curves, int attempt) {
  Edges edges;
  std::size_t points = 0;
  for (const GridRing& curve : curves) points += curve.size();
  edges.point.reserve(points), edges.next.reserve(points), edges.ring.reserve(points);
  const std::int64_t reach = shakenBy(attempt);
  std::uint64_t counter = 0;
  const auto shake = [&] {
    const std::uint64_t hash = core::mix(++counter * kAttempts + static_cast<std::uint64_t>(attempt));
    return static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(2 * reach + 1)) - reach;
  };
  for (std::uint32_t c = 0; c < curves.size(); ++c) {
    const std::size_t first = edges.point.size();
    for (GridPoint p : curves[c]) {
      if (reach > 0) p.x() += shake(), p.y() += shake();
      if (edges.point.size() == first || edges.point.back() != p) edges.point.push_back(p);
    }
    while (edges.point.size() > first + 1 && edges.point.back() == edges.point[first]) edges.point.pop_back();
    if (edges.point.size() < first + 3) edges.point.resize(first);
    for (std::size_t i = first; i < edges.point.size(); ++i) {
      edges.next.push_back(static_cast<std::uint32_t>(i + 1));
      edges.ring.push_back(c);
    }
    if (edges.point.size() > first) edges.next.back() = static_cast<std::uint32_t>(first);
  }
  return edges;
}

// Edges by the square cells that they pass through.
class Cells {
 public:
  explicit Cells(const Edges& edges) : edges_(edges) {
    GridPoint high = low_ = edges.point[0];
    double length = 0;
    for (std::uint32_t e = 0; e < edges.point.size(); ++e) {
      low_ = low_.cwiseMin(edges.from(e)), high = high.cwiseMax(edges.from(e));
      length += static_cast<double>(edges.along(e).cwiseAbs().maxCoeff());
    }
    const auto side = static_cast<std::uint64_t>(1.5 * length / static_cast<double>(edges.point.size()));
    shift_ = std::bit_width(side);
    const GridPoint size = high - low_;
    const auto most = static_cast<std::int64_t>(8 * edges.point.size() + 64);
    while (((size.x() >> shift_) + 1) * ((size.y() >> shift_) + 1) > most) ++shift_;
    columns_ = (size.x() >> shift_) + 1;
    start_.assign(static_cast<std::size_t>(columns_ * ((size.y() >> shift_) + 1)) + 1, 0);
    fill();
  }

  std::int64_t row(double y) const { return static_cast<std::int64_t>(y - static_cast<double>(low_.y())) >> shift_; }
  std::int64_t column(double x) const { return static_cast<std::int64_t>(x - static_cast<double>(low_.x())) >> shift_; }
  std::int64_t columns() const { return columns_; }
  std::size_t count() const { return start_.size() - 1; }
  const std::uint32_t* begin(std::size_t cell) const { return items_.data() + start_[cell]; }
  const std::uint32_t* end(std::size_t cell) const { return items_.data() + start_[cell + 1]; }

 private:
  void fill() {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> passed;  // cell, edge
    passed.reserve(3 * edges_.point.size());
    for (std::uint32_t e = 0; e < edges_.point.size(); ++e) {
      visit(e, [&](std::int64_t cell) {
        passed.emplace_back(static_cast<std::uint32_t>(cell), e);
        ++start_[static_cast<std::size_t>(cell) + 1];
      });
    }
    for (std::size_t cell = 1; cell < start_.size(); ++cell) start_[cell] += start_[cell - 1];
    items_.resize(passed.size());
    std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
    for (const auto& [cell, e] : passed) items_[next[cell]++] = e;
  }

  template <class Body>
  void visit(std::uint32_t edge, const Body& body) const {
    const GridPoint a = edges_.from(edge) - low_, b = edges_.to(edge) - low_;
    const GridPoint low = a.cwiseMin(b), high = a.cwiseMax(b);
    const std::int64_t row_0 = low.y() >> shift_, row_1 = high.y() >> shift_;
    const double slope = row_0 == row_1 ? 0 : static_cast<double>(b.x() - a.x()) / static_cast<double>(b.y() - a.y());
    const auto x_at = [&](std::int64_t y) {
      const std::int64_t inside = std::clamp(y, low.y(), high.y());
      return a.x() + static_cast<std::int64_t>(slope * static_cast<double>(inside - a.y()));
    };
    for (std::int64_t r = row_0; r <= row_1; ++r) {
      std::int64_t x_0 = low.x(), x_1 = high.x();
      if (row_0 != row_1) {  // what of it lies in this row, with room for rounding
        const std::int64_t p = x_at(r << shift_), q = x_at((r + 1) << shift_);
        x_0 = std::max(x_0, std::min(p, q) - 2), x_1 = std::min(x_1, std::max(p, q) + 2);
      }
      for (std::int64_t c = x_0 >> shift_; c <= x_1 >> shift_; ++c) body(r * columns_ + c);
    }
  }

  const Edges& edges_;
  GridPoint low_;
  int shift_ = 0;
  std::int64_t columns_ = 1;
  std::vector<std::uint32_t> start_, items_;
};

// Edge 0 and edge 1 cross at shares t of their lengths.
struct Crossing {
  std::uint32_t edge[2];
  double t[2];
  GridPoint at;
  bool to_left;  // edge 1 runs to the left of edge 0
};

enum class Meeting { None, Crossing, Touch };

Meeting meet(const Edges& edges, std::uint32_t e, std::uint32_t f, Crossing& found) {
  const GridPoint &a = edges.from(e), &b = edges.to(e), &c = edges.from(f), &d = edges.to(f);
  const bool apart = std::max(a.x(), b.x()) < std::min(c.x(), d.x()) ||
                     std::max(c.x(), d.x()) < std::min(a.x(), b.x()) ||
                     std::max(a.y(), b.y()) < std::min(c.y(), d.y()) || std::max(c.y(), d.y()) < std::min(a.y(), b.y());
  if (apart) return Meeting::None;
  const GridPoint u = b - a, v = d - c;
  if (edges.next[e] == f || edges.next[f] == e) {  // neighbours share a point; more only where one turns back
    return cross(u, v) == 0 && u.dot(v) < 0 ? Meeting::Touch : Meeting::None;
  }
  const std::int64_t c_side = cross(u, c - a), d_side = cross(u, d - a);
  if ((c_side > 0 && d_side > 0) || (c_side < 0 && d_side < 0)) return Meeting::None;
  const std::int64_t a_side = cross(v, a - c), b_side = cross(v, b - c);
  if ((a_side > 0 && b_side > 0) || (a_side < 0 && b_side < 0)) return Meeting::None;
  if (a_side == 0 || b_side == 0 || c_side == 0 || d_side == 0) return Meeting::Touch;
  found.edge[0] = e, found.edge[1] = f;
  found.t[0] = static_cast<double>(a_side) / static_cast<double>(a_side - b_side);
  found.t[1] = static_cast<double>(c_side) / static_cast<double>(c_side - d_side);
  found.at = {a.x() + std::llround(found.t[0] * static_cast<double>(u.x())),
              a.y() + std::llround(found.t[0] * static_cast<double>(u.y()))};
  found.to_left = d_side > 0;
  return Meeting::Crossing;
}

// A simple curve after the crossings are resolved.
struct Circle {
  GridRing points;
  double longest2 = -1;  // squared length of its longest piece, where its winding number is asked for
  std::uint32_t edge = 0;
  Eigen::Vector2d middle = Eigen::Vector2d::Zero();

  void add(const GridPoint& p, std::uint32_t on_edge) {
    if (!points.empty()) measure(points.back(), p, on_edge);
    points.push_back(p);
  }
  void close(std::uint32_t on_edge) { measure(points.back(), points.front(), on_edge); }

 private:
  void measure(const GridPoint& from, const GridPoint& to, std::uint32_t on_edge) {
    const double length2 = (to - from).cast<double>().squaredNorm();
    if (length2 > longest2) longest2 = length2, edge = on_edge, middle = (from + to).cast<double>() / 2;
  }
};

class Arrangement {
 public:
  Arrangement(const std::vector<GridRing>& curves, int attempt)
      : edges_(edgesOf(curves, attempt)), least_width_(kWidth_units + 4 * shakenBy(attempt)) {}

  // False where curves touch, so that their crossings cannot be told.
  bool solve(std::vector<GridRing>& region) {
    region.clear();
    if (edges_.point.empty()) return true;
    const Cells cells(edges_);
    if (!findCrossings(cells) || !sortPasses()) return false;
    trace();
    if (!relate()) return false;
    chooseFrom(cells, region);
    return true;
  }

 private:
  bool findCrossings(const Cells& cells) {
    Crossing found;
    for (std::size_t cell = 0; cell < cells.count(); ++cell) {
      for (const std::uint32_t* e = cells.begin(cell); e < cells.end(cell); ++e) {
        for (const std::uint32_t* f = e + 1; f < cells.end(cell); ++f) {
          const Meeting meeting = meet(edges_, *e, *f, found);
          if (meeting == Meeting::Touch) return false;
          if (meeting == Meeting::Crossing) crossings_.push_back(found);
        }
      }
    }
    const auto key = [](const Crossing& c) { return std::pair(c.edge[0], c.edge[1]); };
    std::sort(crossings_.begin(), crossings_.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
    const auto last = std::unique(crossings_.begin(), crossings_.end(),
                                  [&](const auto& a, const auto& b) { return key(a) == key(b); });
    crossings_.erase(last, crossings_.end());  // met in several cells
    return true;
  }

  // Pass 2k + s is where crossing k lies on its edge s.
  std::uint32_t edgeOf(std::uint32_t pass) const { return crossings_[pass / 2].edge[pass % 2]; }
  double shareOf(std::uint32_t pass) const { return crossings_[pass / 2].t[pass % 2]; }

  bool sortPasses() {
    passes_.resize(2 * crossings_.size());
    for (std::uint32_t p = 0; p < passes_.size(); ++p) passes_[p] = p;
    std::sort(passes_.begin(), passes_.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::tuple(edgeOf(a), shareOf(a), a) < std::tuple(edgeOf(b), shareOf(b), b);
    });
    place_.resize(passes_.size());
    first_.assign(edges_.point.size(), kNone);
    for (std::uint32_t n = 0; n < passes_.size(); ++n) {
      const std::uint32_t pass = passes_[n], edge = edgeOf(pass);
      place_[pass] = n;
      if (first_[edge] == kNone) first_[edge] = pass;
      const bool same_edge = n > 0 && edgeOf(passes_[n - 1]) == edge;
      if (same_edge && shareOf(pass) - shareOf(passes_[n - 1]) < kSameCrossing) return false;
    }
    return true;
  }

  // Walks from crossing to crossing, changing over to the other edge at each; rings without crossings stay whole.
  void trace() {
    leaving_.assign(passes_.size(), kNone);
    std::vector<char> crossed(edges_.ring.back() + 1, 0);
    for (std::uint32_t start = 0; start < passes_.size(); ++start) {
      crossed[edges_.ring[edgeOf(start)]] = 1;
      if (leaving_[start] != kNone) continue;
      Circle circle;
      std::uint32_t pass = start, edge = 0;
      do {
        leaving_[pass] = static_cast<std::uint32_t>(circles_.size());
        circle.add(crossings_[pass / 2].at, edge);
        edge = edgeOf(pass);
        const std::uint32_t after = place_[pass] + 1;
        const bool stays = after < passes_.size() && edgeOf(passes_[after]) == edge;
        std::uint32_t reached = stays ? passes_[after] : kNone;
        while (reached == kNone) {
          circle.add(edges_.to(edge), edge);
          edge = edges_.next[edge];
          reached = first_[edge];
        }
        pass = reached ^ 1;
      } while (pass != start);
      circle.close(edge);
      circles_.push_back(std::move(circle));
    }
    for (std::uint32_t e = 0; e < edges_.point.size(); ++e) {
      if (crossed[edges_.ring[e]]) continue;
      if (e == 0 || edges_.ring[e] != edges_.ring[e - 1]) circles_.emplace_back();
      circles_.back().add(edges_.from(e), e == 0 ? 0 : e - 1);
      if (edges_.next[e] <= e) circles_.back().close(e);
    }
  }

  // Winding numbers relative to one circle of those that meet: at a crossing, the circle that turns left has one more
  // than the one that turns right.
  bool relate() {
    parent_.resize(circles_.size());
    for (std::uint32_t c = 0; c < parent_.size(); ++c) parent_[c] = {c, 0};
    for (std::uint32_t k = 0; k < crossings_.size(); ++k) {
      const bool left = crossings_[k].to_left;
      const auto [high, over_high] = root(leaving_[2 * k + left]);
      const auto [low, over_low] = root(leaving_[2 * k + !left]);
      const int step = over_low + 1 - over_high;  // of high's root over low's
      if (high == low && step != 0) return false;
      if (high != low) parent_[high] = {low, step};
    }
    return true;
  }

  // The circle that stands for those that meet, and how much more this one winds than it.
  std::pair<std::uint32_t, int> root(std::uint32_t circle) {
    int over = 0;
    std::uint32_t top = circle;
    while (parent_[top].first != top) over += parent_[top].second, top = parent_[top].first;
    for (int left = over; parent_[circle].first != circle;) {
      const auto [up, step] = parent_[circle];
      parent_[circle] = {top, left};
      left -= step, circle = up;
    }
    return {top, over};
  }

  void chooseFrom(const Cells& cells, std::vector<GridRing>& region) {
    std::vector<std::uint32_t> longest(circles_.size(), kNone);
    std::vector<std::pair<std::uint32_t, int>> roots;
    for (std::uint32_t c = 0; c < circles_.size(); ++c) {
      roots.push_back(root(c));
      std::uint32_t& best = longest[roots[c].first];
      if (best == kNone || circles_[c].longest2 > circles_[best].longest2) best = c;
    }
    std::vector<int> winding(circles_.size(), 0);
    for (std::uint32_t c = 0; c < circles_.size(); ++c) {
      if (longest[c] != kNone) winding[c] = windingLeftOf(cells, circles_[longest[c]]) - roots[longest[c]].second;
    }
    for (std::uint32_t c = 0; c < circles_.size(); ++c) {
      if (winding[roots[c].first] + roots[c].second == 1 && isWide(circles_[c].points))
        region.push_back(std::move(circles_[c].points));
    }
  }

  // Sums the edges that a ray to the right of the middle of the circle's longest piece meets; the ray counts as lying
  // a little above its height, so that it meets no point.
  int windingLeftOf(const Cells& cells, const Circle& circle) const {
    const Eigen::Vector2d& m = circle.middle;
    int sum = 0;
    const std::int64_t row = cells.row(m.y());
    for (std::int64_t column = cells.column(m.x()); column < cells.columns(); ++column) {
      const auto cell = static_cast<std::size_t>(row * cells.columns() + column);
      for (const std::uint32_t* e = cells.begin(cell); e < cells.end(cell); ++e) {
        const Eigen::Vector2d a = edges_.from(*e).cast<double>(), b = edges_.to(*e).cast<double>();
        const bool a_above = a.y() > m.y(), b_above = b.y() > m.y();
        if (a_above == b_above || *e == circle.edge) continue;
        const double x = std::clamp(a.x() + (m.y() - a.y()) / (b.y() - a.y()) * (b.x() - a.x()), std::min(a.x(), b.x()),
                                    std::max(a.x(), b.x()));
        if (x > m.x() && cells.column(x) == column) sum += b_above ? 1 : -1;
      }
    }
    const GridPoint along = edges_.along(circle.edge);
    return sum + (along.y() > 0 || (along.y() == 0 && along.x() < 0));
  }

  bool isWide(const GridRing& ring) const {
    double twice = 0, length = 0;
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const GridPoint &a = ring[i], &b = ring[(i + 1) % ring.size()];
      twice += static_cast<double>(cross(a - ring[0], b - ring[0]));
      length += (b - a).cast<double>().norm();
    }
    return std::abs(twice) > static_cast<double>(least_width_) * length;
  }

  Edges edges_;
  std::int64_t least_width_;
  std::vector<Crossing> crossings_;
  std::vector<std::uint32_t> passes_, place_, first_, leaving_;  // leaving_: the circle that goes on from a pass
  std::vector<Circle> circles_;
  std::vector<std::pair<std::uint32_t, int>> parent_;
};

}  // namespace

std::vector<GridRing> positiveRegion(const std::vector<GridRing>& curves) {
  std::vector<GridRing> region;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (Arrangement(curves, attempt).solve(region)) return region;
  }
  throw core::Error(core::Exit::Software, {.what = "the outlines of a layer could not be told apart"});
}

}  // namespace osteo::slice_print
