#include "slice_print/visit_order.h"

#include <algorithm>
#include <cmath>

namespace osteo::slice_print {

namespace {

// Entries in square buckets; a visited item's entries are thrown out when a search meets them.
class Buckets {
 public:
  explicit Buckets(const std::vector<Stop>& stops) : stops_(stops) {
    Point high = low_ = stops[0].enter;
    std::uint32_t items = 0;
    for (const Stop& stop : stops) {
      low_ = low_.cwiseMin(stop.enter), high = high.cwiseMax(stop.enter);
      items = std::max(items, stop.item + 1);
    }
    const Point size = high - low_;
    const double side = std::max(
        {std::sqrt(size.x() * size.y() * 2 / static_cast<double>(stops.size())), size.maxCoeff() / 1000, 1e-6});
    scale_ = 1 / side;
    nx_ = static_cast<int>(size.x() * scale_) + 1, ny_ = static_cast<int>(size.y() * scale_) + 1;
    buckets_.resize(static_cast<std::size_t>(nx_) * ny_);
    for (std::uint32_t s = 0; s < stops.size(); ++s) {
      const auto [x, y] = cell(stops[s].enter);
      buckets_[static_cast<std::size_t>(y) * nx_ + x].push_back(s);
    }
    visited_.assign(items, 0);
  }

  std::uint32_t nearest(const Point& from) {
    const auto [cx, cy] = cell(from);
    best_ = 0, best_distance2_ = 1e300;
    for (int radius = 0; radius <= std::max(nx_, ny_); ++radius) {
      // Whatever lies outside the rings seen so far is at least this far from a point inside the grid.
      const double safe = (radius - 1) / scale_;
      if (radius > 0 && best_distance2_ <= safe * safe) break;
      for (int y = std::max(cy - radius, 0); y <= std::min(cy + radius, ny_ - 1); ++y) {
        const bool whole_row = y == cy - radius || y == cy + radius;
        const int step = whole_row || radius == 0 ? 1 : 2 * radius;
        for (int x = cx - radius; x <= cx + radius; x += step) {
          if (x >= 0 && x < nx_) look(buckets_[static_cast<std::size_t>(y) * nx_ + x], from);
        }
      }
    }
    visited_[stops_[best_].item] = 1;
    return best_;
  }

 private:
  std::pair<int, int> cell(const Point& p) const {
    const Point q = (p - low_) * scale_;
    return {std::clamp(static_cast<int>(q.x()), 0, nx_ - 1), std::clamp(static_cast<int>(q.y()), 0, ny_ - 1)};
  }
  void look(std::vector<std::uint32_t>& bucket, const Point& from) {
    std::erase_if(bucket, [&](std::uint32_t s) { return visited_[stops_[s].item] != 0; });
    for (const std::uint32_t s : bucket) {
      const double distance2 = (stops_[s].enter - from).squaredNorm();
      if (distance2 < best_distance2_ || (distance2 == best_distance2_ && s < best_))
        best_ = s, best_distance2_ = distance2;
    }
  }

  const std::vector<Stop>& stops_;
  Point low_;
  double scale_ = 1;
  int nx_ = 1, ny_ = 1;
  std::vector<std::vector<std::uint32_t>> buckets_;
  std::vector<char> visited_;
  std::uint32_t best_ = 0;
  double best_distance2_ = 0;
};

}  // namespace

std::vector<std::uint32_t> visitNearest(const std::vector<Stop>& stops, const Point& start) {
  std::vector<std::uint32_t> order;
  if (stops.empty()) return order;
  std::uint32_t items = 0;
  for (const Stop& stop : stops) items = std::max(items, stop.item + 1);
  Buckets buckets(stops);
  Point at = start;
  order.reserve(items);
  for (std::uint32_t n = 0; n < items; ++n) {
    order.push_back(buckets.nearest(at));
    at = stops[order.back()].leave;
  }
  return order;
}

}  // namespace osteo::slice_print
