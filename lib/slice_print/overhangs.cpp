#include "slice_print/overhangs.h"

#include <cmath>
#include <numeric>

namespace osteo::slice_print {

namespace {

constexpr double kOnPlate_mm = 1e-3;
constexpr double kLeastGap_mm = 0.02;  // lower gaps are the rounding of surfaces that touch

class Collector {
 public:
  Collector(const Columns& columns, const OverhangRule& rule)
      : columns_(columns), rule_(rule), buckets_nx_(columns.nx() / kCellsPerSpacing + 1) {
    gap_of_.assign(columns.solidCount(), kNone);
    buckets_.resize(static_cast<std::size_t>(buckets_nx_) * (columns.ny() / kCellsPerSpacing + 1));
  }

  void findGaps() {
    const double limit = std::cos(rule_.overhang_deg * M_PI / 180),
                 cell_mm2 = columns_.pitch_mm() * columns_.pitch_mm();
    for (int j = 0; j < columns_.ny(); ++j) {
      for (int i = 0; i < columns_.nx(); ++i) {
        const auto solids = columns_.solids(i, j);
        for (std::size_t n = 0; n < solids.size(); ++n) {
          const float low = n == 0 ? 0 : solids[n - 1].high;
          if (!(solids[n].cosine > limit) || solids[n].low < kOnPlate_mm || solids[n].low - low < kLeastGap_mm)
            continue;
          if (rule_.from_plate && n > 0) continue;
          gap_of_[columns_.indexOf(i, j, n)] = static_cast<std::uint32_t>(gaps_.size());
          gaps_.push_back(
              {i, j, low, solids[n].low, static_cast<float>(cell_mm2 / std::max(0.05F, solids[n].cosine)), n > 0});
        }
      }
    }
  }

  // Leaves out what is too small to need support; `islands` mark what needs it at any size.
  void keepLarge(const std::vector<PlacedIsland>& islands) {
    joinNeighbours();
    std::vector<double> area(gaps_.size(), 0);
    for (std::uint32_t g = 0; g < gaps_.size(); ++g) area[root(g)] += gaps_[g].area_mm2;
    for (const PlacedIsland& placed : islands) {
      const std::uint32_t gap = gapAt(placed);
      if (gap != kNone) area[root(gap)] = 1e300;
    }
    std::vector<Gap> kept;
    for (std::uint32_t g = 0; g < gaps_.size(); ++g) {
      if (area[root(g)] >= rule_.least_mm2) kept.push_back(gaps_[g]);
    }
    gaps_ = std::move(kept);
  }

  Demand place(const std::vector<PlacedIsland>& islands) {
    Demand demand;
    for (const Gap& gap : gaps_) {
      demand.area_mm2 += gap.area_mm2;
      if (gap.i % kCellsPerSpacing == kCellsPerSpacing / 2 && gap.j % kCellsPerSpacing == kCellsPerSpacing / 2)
        add(demand, {columns_.at(gap.i, gap.j), gap.high, gap.low, gap.on_part, true});
    }
    for (const PlacedIsland& placed : islands) {
      const double base = columns_.floorBelow(placed.island.inside, placed.z_mm - kLeastGap_mm);
      if (rule_.from_plate && base > 0) continue;
      // A contact beside it holds an island only if it is as near as the island is wide.
      const double reach_mm = std::sqrt(std::max(0.0, placed.island.area_mm2) / M_PI);
      if (!isNear(demand, placed.island.inside, placed.z_mm, std::min(0.5, reach_mm / rule_.spacing_mm)))
        add(demand, {placed.island.inside, placed.z_mm, base, base > 0, false});
    }
    for (const Gap& gap : gaps_) {
      if (!isNear(demand, columns_.at(gap.i, gap.j), gap.high, 1))
        add(demand, {columns_.at(gap.i, gap.j), gap.high, gap.low, gap.on_part, false});
    }
    demand.gaps = std::move(gaps_);
    return demand;
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  std::uint32_t root(std::uint32_t g) {
    while (parent_[g] != g) g = parent_[g] = parent_[parent_[g]];
    return g;
  }

  void joinNeighbours() {
    parent_.resize(gaps_.size());
    std::iota(parent_.begin(), parent_.end(), 0U);
    constexpr int kAhead[4][2] = {{1, 0}, {-1, 1}, {0, 1}, {1, 1}};
    for (std::uint32_t g = 0; g < gaps_.size(); ++g) {
      for (const auto& step : kAhead) {
        const int i = gaps_[g].i + step[0], j = gaps_[g].j + step[1];
        for (std::size_t n = 0; n < columns_.solids(i, j).size(); ++n) {
          const std::uint32_t other = gap_of_[columns_.indexOf(i, j, n)];
          if (other == kNone || std::abs(gaps_[other].high - gaps_[g].high) > 3 * columns_.pitch_mm()) continue;
          const std::uint32_t a = root(g), b = root(other);
          parent_[std::max(a, b)] = std::min(a, b);
        }
      }
    }
  }

  // The gap under an island, if its underside is an overhang of the grid.
  std::uint32_t gapAt(const PlacedIsland& placed) const {
    const auto [i, j] = columns_.cellOf(placed.island.inside);
    const auto solids = columns_.solids(i, j);
    for (std::size_t n = 0; n < solids.size(); ++n) {
      const std::uint32_t gap = gap_of_[columns_.indexOf(i, j, n)];
      if (gap != kNone && std::abs(solids[n].low - placed.z_mm) < 2 * columns_.pitch_mm()) return gap;
    }
    return kNone;
  }

  std::pair<int, int> bucketOf(const Point& p) const {
    const auto [i, j] = columns_.cellOf(p);
    return {i / kCellsPerSpacing, j / kCellsPerSpacing};
  }

  void add(Demand& demand, const Contact& contact) {
    const auto [x, y] = bucketOf(contact.at);
    buckets_[static_cast<std::size_t>(y) * buckets_nx_ + x].push_back(
        static_cast<std::uint32_t>(demand.contacts.size()));
    demand.contacts.push_back(contact);
  }

  bool isNear(const Demand& demand, const Point& p, double z, double spacings) const {
    const auto [x, y] = bucketOf(p);
    const int rows = static_cast<int>(buckets_.size()) / buckets_nx_;
    const double reach = spacings * rule_.spacing_mm;
    for (int v = std::max(0, y - 1); v <= std::min(rows - 1, y + 1); ++v) {
      for (int u = std::max(0, x - 1); u <= std::min(buckets_nx_ - 1, x + 1); ++u) {
        for (const std::uint32_t c : buckets_[static_cast<std::size_t>(v) * buckets_nx_ + u]) {
          const Contact& contact = demand.contacts[c];
          if ((contact.at - p).norm() <= reach && std::abs(contact.top_mm - z) <= reach) return true;
        }
      }
    }
    return false;
  }

  const Columns& columns_;
  OverhangRule rule_;
  std::vector<Gap> gaps_;
  std::vector<std::uint32_t> gap_of_, parent_;  // by solid; by gap
  int buckets_nx_;
  std::vector<std::vector<std::uint32_t>> buckets_;  // contacts by square of the spacing
};

}  // namespace

Demand demandOf(const Columns& columns, const std::vector<PlacedIsland>& islands, const OverhangRule& rule) {
  Collector collector(columns, rule);
  collector.findGaps();
  collector.keepLarge(islands);
  return collector.place(islands);
}

}  // namespace osteo::slice_print
