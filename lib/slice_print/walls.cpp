#include "slice_print/walls.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "slice_print/contour.h"
#include "slice_print/scan_lines.h"
#include "slice_print/wall_samples.h"

namespace osteo::slice_print {

namespace {

constexpr double kSingle = 0.75, kPair = 1.25,
                 kReach = 1.5;  // half widths, in spacings, up to which one and two beads are laid
constexpr double kLeastPair = 0.55, kMostSingle = 0.95;  // how far short runs may leave their class
constexpr double kInnerProbe = 1.1;                      // spacings: there the inner region begins, beyond the loop
constexpr double kRow_mm = 0.02;                         // precision to which it is asked for
constexpr double kStepsPerSpacing = 8;
constexpr double kCornerSlack = 0.98, kCapCorner = 0.7;
constexpr double kLeastLoop = 0.5;  // spacings: shorter pieces of a loop are left to their neighbours
constexpr double kBeadTolerance_mm = 4e-3, kInnerTolerance_mm = 3e-3;
constexpr double kOpposed = -0.3;  // cosine between the walks along the two sides of a wall

enum class Lay : std::uint8_t { Nothing, Single, Pair, Wide };
bool isLoop(Lay lay) { return lay == Lay::Pair || lay == Lay::Wide; }

Point walk(const WallSample& s) { return {s.inward.y(), -s.inward.x()}; }
Point middle(const WallSample& s) { return s.at + s.half_width_mm * s.inward; }

// Middles of walls that have their bead, with the direction in which they were passed.
class Covered {
 public:
  explicit Covered(double side_mm) : per_mm_(1 / side_mm) {}
  void add(const Point& at, const Point& along) { cells_[key(at, 0, 0)].push_back({at, along}); }
  bool passedBackwards(const Point& at, const Point& along, double within_mm) const {
    return any(at, [&](const auto& seen) {
      return (seen.at - at).squaredNorm() < within_mm * within_mm && seen.along.dot(along) < kOpposed;
    });
  }

 private:
  struct Seen {
    Point at, along;
  };
  std::uint64_t key(const Point& p, int dx, int dy) const {
    const auto x = static_cast<std::int64_t>(std::floor(p.x() * per_mm_)) + dx;
    const auto y = static_cast<std::int64_t>(std::floor(p.y() * per_mm_)) + dy;
    return static_cast<std::uint64_t>(x) << 32 ^ (static_cast<std::uint64_t>(y) & 0xffffffff);
  }
  template <class Test>
  bool any(const Point& at, const Test& test) const {
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 1; ++dx) {
        const auto cell = cells_.find(key(at, dx, dy));
        if (cell != cells_.end() && std::any_of(cell->second.begin(), cell->second.end(), test)) return true;
      }
    }
    return false;
  }
  double per_mm_;
  std::unordered_map<std::uint64_t, std::vector<Seen>> cells_;
};

// The end of a wall beyond its bead: the bead is prolonged by what fills it.
struct Cap {
  Point at;
  double area_mm2, half_width_mm;
};

class WallLayout {
 public:
  WallLayout(const Rings& region, const WallSettings& settings)
      : settings_(settings),
        spacing_(settings.spacing_mm),
        walls_(sampleWalls(region, spacing_ / kStepsPerSpacing, kReach * spacing_)),
        covered_(spacing_) {
    const double reach = kPair * spacing_;
    result_.inner = simplified(outset(inset(region, {reach})[0], reach - spacing_), kInnerTolerance_mm);
    inner_rows_ = scanLines(result_.inner, kRow_mm);
  }

  Walls lay() {
    classify();
    for (std::size_t r = 0; r + 1 < walls_.ring_start.size(); ++r) {
      const std::uint32_t first = walls_.ring_start[r], n = walls_.ring_start[r + 1] - first;
      if (n > 0) layRing(first, n);
    }
    finishSingles();
    for (Bead& bead : result_.beads) bead = simplified(bead, kBeadTolerance_mm);
    for (const Bead& bead : result_.beads) result_.filled_mm2 += filledArea_mm2(bead, settings_.height_mm);
    return std::move(result_);
  }

 private:
  Lay layOf(const WallSample& s) const {
    if (s.half_width_mm < settings_.least_mm / 2) return Lay::Nothing;
    if (s.half_width_mm < kSingle * spacing_) return Lay::Single;
    if (!std::isfinite(s.half_width_mm)) return Lay::Wide;
    return isInner(s.at + kInnerProbe * spacing_ * s.inward) ? Lay::Wide : Lay::Pair;
  }

  bool isInner(const Point& p) const {
    const double row = std::floor(p.y() / kRow_mm) - inner_rows_.first;
    if (row < 0 || row >= inner_rows_.rows()) return false;
    const auto begin = inner_rows_.x.begin(), first = begin + inner_rows_.start[static_cast<std::size_t>(row)],
               last = begin + inner_rows_.start[static_cast<std::size_t>(row) + 1];
    return (std::upper_bound(first, last, p.x()) - first) % 2 == 1;
  }

  // By the local width; both sides of a wall must come to the same, the wider of the two.
  void classify() {
    const auto& samples = walls_.samples;
    std::vector<Lay> own(samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) own[i] = layOf(samples[i]);
    lay_ = own;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const bool faced = samples[i].facing != UINT32_MAX && own[i] != Lay::Nothing;
      if (faced && own[samples[i].facing] != Lay::Nothing) lay_[i] = std::max(own[i], own[samples[i].facing]);
      if (lay_[i] == Lay::Wide && own[i] != Lay::Wide) lay_[i] = Lay::Pair;
    }
    for (std::size_t r = 0; r + 1 < walls_.ring_start.size(); ++r)
      mergeShortRuns(walls_.ring_start[r], walls_.ring_start[r + 1]);
  }

  // A few samples of one class between two runs of the other would only cut beads into pieces.
  void mergeShortRuns(std::uint32_t first, std::uint32_t end) {
    std::uint32_t i = first;
    while (i < end) {
      std::uint32_t j = i;
      double length = 0, least = 1e300, most = 0;
      for (; j < end && isLoop(lay_[j]) == isLoop(lay_[i]) && lay_[j] != Lay::Nothing && lay_[i] != Lay::Nothing; ++j) {
        const WallSample& s = walls_.samples[j];
        length += s.length_mm;
        least = std::min(least, s.half_width_mm), most = std::max(most, s.half_width_mm);
      }
      if (j == i) {
        ++i;
        continue;
      }
      const bool inner = i > first && j < end && lay_[i - 1] != Lay::Nothing && lay_[j] != Lay::Nothing;
      const bool loop = isLoop(lay_[i]);
      const bool fits = loop ? most <= kMostSingle * spacing_ : least >= kLeastPair * spacing_;
      if (inner && fits && length < spacing_)
        std::fill(lay_.begin() + i, lay_.begin() + j, loop ? Lay::Single : Lay::Pair);
      i = j;
    }
  }

  // Where a walk around the ring may begin without cutting a bead in two.
  std::uint32_t startOf(std::uint32_t first, std::uint32_t n) const {
    for (std::uint32_t k = 0; k < n; ++k) {
      const Lay before = lay_[first + (k + n - 1) % n], here = lay_[first + k];
      if (isLoop(before) != isLoop(here) || (before == Lay::Nothing) != (here == Lay::Nothing)) return k;
    }
    for (std::uint32_t k = 0; k < n; ++k) {
      if (walls_.samples[first + k].cap) return k;
    }
    return 0;
  }

  void layRing(std::uint32_t first, std::uint32_t n) {
    const std::uint32_t start = startOf(first, n);
    bool all_loop = true;
    Bead loop{BeadKind::OuterPerimeter}, single{BeadKind::ThinWall};
    const WallSample* kept = nullptr;
    const auto endLoop = [&] {
      if (loop.points.size() > 1 && (loop.closed || length_mm(loop) > kLeastLoop * spacing_))
        result_.beads.push_back(std::move(loop));
      loop = {BeadKind::OuterPerimeter}, kept = nullptr;
    };
    const auto endSingle = [&] {
      if (!single.points.empty()) singles_.push_back(std::move(single));
      single = {BeadKind::ThinWall};
    };
    for (std::uint32_t k = 0; k < n; ++k) {
      const std::uint32_t i = first + (start + k) % n;
      const WallSample& s = walls_.samples[i];
      const bool as_loop = isLoop(lay_[i]) && (settings_.along_wide || lay_[i] == Lay::Pair);
      all_loop = all_loop && as_loop;
      if (!as_loop) endLoop();
      if (as_loop) addToLoop(s, lay_[i], kept, loop);
      if (lay_[i] == Lay::Nothing) tips_.push_back({middle(s), s.length_mm * s.half_width_mm, s.half_width_mm});
      if (lay_[i] != Lay::Single || !addToSingle(s, single)) endSingle();
    }
    if (all_loop && loop.points.size() > 2) {
      const WallSample* before = kept;
      loop.closed = true;
      for (std::uint32_t k = 0; k < n; ++k) {  // the corner between the last and the first point
        const WallSample& s = walls_.samples[first + (start + k) % n];
        if (!isKept(s, lay_[first + (start + k) % n])) continue;
        addCorner(*before, s, loop);
        break;
      }
    }
    endLoop(), endSingle();
  }

  double depth(const WallSample& s, Lay lay) const { return lay == Lay::Pair ? s.half_width_mm / 2 : spacing_ / 2; }
  bool isKept(const WallSample& s, Lay lay) const { return s.corner_mm >= kCornerSlack * depth(s, lay); }

  void addToLoop(const WallSample& s, Lay lay, const WallSample*& kept, Bead& loop) {
    if (!isKept(s, lay)) return;
    if (kept) addCorner(*kept, s, loop);
    const double spacing = 2 * depth(s, lay);
    loop.points.push_back({s.at + depth(s, lay) * s.inward, widthOf_mm(spacing, settings_.height_mm)});
    kept = &s;
  }

  // Between the last sample before a sharp corner and the first one after it: where their lines meet.
  void addCorner(const WallSample& a, const WallSample& b, Bead& loop) const {
    const Point u = walk(a), v = walk(b);
    const double sine = u.x() * v.y() - u.y() * v.x();
    if (sine < 0.3) return;
    const BeadPoint& from = loop.points.back();
    const Point to = b.at + spacingOf_mm(from.width_mm, settings_.height_mm) / 2 * b.inward, d = to - from.at;
    const double ahead = (d.x() * v.y() - d.y() * v.x()) / sine, behind = (d.x() * u.y() - d.y() * u.x()) / sine;
    if (ahead > 0 && behind < 0 && ahead < spacing_ && -behind < spacing_)
      loop.points.push_back({from.at + ahead * u, from.width_mm});
  }

  // False where a bead that was begun ends: the wall's other side has its bead.
  bool addToSingle(const WallSample& s, Bead& single) {
    const Point at = middle(s), along = walk(s);
    if (s.cap || s.corner_mm < kCapCorner * s.half_width_mm) {
      caps_.push_back({at, s.length_mm * s.half_width_mm / 2, s.half_width_mm});
      return true;
    }
    const double sector = s.length_mm * s.half_width_mm / 2;
    if (covered_.passedBackwards(at, along, s.half_width_mm / 2 + spacing_ / kStepsPerSpacing)) {
      passed_.push_back({at, sector, s.half_width_mm});
      return false;
    }
    covered_.add(at, along);
    passed_.push_back({at, sector, s.half_width_mm});
    single.points.push_back({at, widthOf_mm(2 * s.half_width_mm, settings_.height_mm)});
    return true;
  }

  // Gives the area to the nearest end of a bead within reach, to be prolonged; false when there is none.
  bool giveToEnd(const Cap& cap, double reach_mm) {
    Bead* nearest = nullptr;
    bool at_end = false;
    double best = reach_mm * reach_mm;
    for (Bead& bead : singles_) {
      for (const bool end : {false, true}) {
        const double d2 = ((end ? bead.points.back() : bead.points.front()).at - cap.at).squaredNorm();
        if (d2 < best) best = d2, nearest = &bead, at_end = end;
      }
    }
    if (nearest) (at_end ? after_[nearest] : before_[nearest]) += cap.area_mm2;
    return nearest != nullptr;
  }

  void finishSingles() {
    for (const Cap& cap : caps_) giveToEnd(cap, 2 * cap.half_width_mm);
    for (const Cap& tip : tips_) {  // a tip beyond a bead's end is filled by it, as far as it is near
      if (!giveToEnd(tip, spacing_)) result_.too_narrow_mm2 += tip.area_mm2;
    }
    for (Bead& bead : singles_) lengthenDot(bead);
    for (Bead& bead : singles_) prolong(bead);
    for (Bead& bead : singles_) {
      if (bead.points.size() > 1) result_.beads.push_back(std::move(bead));
    }
  }

  // Around a small island all discs share their middle: what they hold becomes a short line across it.
  void lengthenDot(Bead& bead) {
    const BeadPoint first = bead.points.front();
    const double half_width = spacingOf_mm(first.width_mm, settings_.height_mm) / 2;
    if (length_mm(bead) > half_width / 2) return;
    double area = 0;
    for (const Cap& sector : passed_) {
      if ((sector.at - first.at).norm() < half_width / 2) area += sector.area_mm2;
    }
    bead.points = {first};
    before_[&bead] += area / 2, after_[&bead] += area / 2;
  }

  void prolong(Bead& bead) {
    const double height = settings_.height_mm;
    const auto reach = [&](const BeadPoint& end, double area) { return area / spacingOf_mm(end.width_mm, height); };
    const BeadPoint first = bead.points.front(), last = bead.points.back();
    const auto direction = [&](bool at_end) {
      const BeadPoint& end = at_end ? last : first;
      const std::size_t n = bead.points.size();
      for (std::size_t k = 1; k < n; ++k) {
        const Point d = end.at - bead.points[at_end ? n - 1 - k : k].at;
        if (d.norm() > spacing_ / 4) return Point(d.normalized());
      }
      return at_end ? Point(1, 0) : Point(-1, 0);
    };
    const Point to_end = direction(true), to_start = direction(false);
    if (const double ahead = reach(last, after_[&bead]); ahead > 0)
      bead.points.push_back({last.at + ahead * to_end, last.width_mm});
    if (const double back = reach(first, before_[&bead]); back > 0)
      bead.points.insert(bead.points.begin(), {first.at + back * to_start, first.width_mm});
  }

  WallSettings settings_;
  double spacing_;
  WallSamples walls_;
  std::vector<Lay> lay_;
  ScanLines inner_rows_;
  Covered covered_;
  std::vector<Bead> singles_;
  std::vector<Cap> caps_, tips_, passed_;
  std::unordered_map<const Bead*, double> before_, after_;
  Walls result_;
};

}  // namespace

Walls layWalls(const Rings& region, const WallSettings& settings) { return WallLayout(region, settings).lay(); }

}  // namespace osteo::slice_print
