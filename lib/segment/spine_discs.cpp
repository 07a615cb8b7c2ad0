#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "segment/spine.h"

namespace osteo::segment {

using Eigen::Vector3d;

namespace {

constexpr int kLow_mm = 14, kHigh_mm = 46;  ///< distances between discs: neck to lumbar spine
constexpr double kWorth = 0.5;     ///< depth, against the scan's clear discs, from which on one is worth taking
constexpr double kWings_mm = 8;    ///< as deep go the sacrum's wings at least
constexpr double kClear_hu = 110;  ///< least depth of a clear disc
constexpr double kEven = 4;        ///< cost of a change of distance (squared logarithm of their ratio)

/// HU above soft tissue over a section of the body, tilted by so much about the left-right axis: mean over the middle,
/// and mean over directions of the brightest on the way to the wall, which falls where the wall is missing.
double section(const Coarse& scan, const Column& column, int at, double tilt) {
  const Vector3d up = column.up[static_cast<std::size_t>(at)], ahead = column.front[static_cast<std::size_t>(at)];
  const Vector3d body = column.body(at), front = std::cos(tilt) * ahead + std::sin(tilt) * up, left = column.left(at);
  const auto hu = [&](double x, double y) {
    const Vector3d p = body + x * left + y * front;
    return std::clamp(static_cast<double>(image::sampleLinear(scan.hu, scan.hu.frame.toIndex(p), -100.0f)), -90.0,
                      360.0);
  };
  double sum = 0, wall = 0;
  int count = 0, rays = 0;
  for (int x = -12; x <= 12; x += 3) {
    for (int y = -12; y <= 12; y += 3) {
      if (x * x + y * y <= 144) sum += hu(x, y), ++count;
    }
  }
  for (int degrees = -120; degrees <= 120; degrees += 15, ++rays) {
    const double c = std::cos(degrees * M_PI / 180), d = std::sin(degrees * M_PI / 180);
    double brightest = -100;
    for (int r = 0; r < 24; r += 2) brightest = std::max(brightest, hu(r * d, r * c));
    wall += brightest;
  }
  return sum / count + wall / rays;
}

/// How far the profile lies below the lower of the two peaks within 8 mm on either side.
double depthAt(const std::vector<double>& profile, int at) {
  const int n = static_cast<int>(profile.size());
  const auto peak = [&](int low, int high) {
    double top = -1e9;
    for (int s = std::max(0, low); s <= std::min(n - 1, high); ++s)
      top = std::max(top, profile[static_cast<std::size_t>(s)]);
    return top;
  };
  return std::min(peak(at - 8, at - 2), peak(at + 2, at + 8)) - profile[static_cast<std::size_t>(at)];
}

/// Places darker than the endplates beside them, in sections of one tilt; the tilt that shows most.
std::vector<Column::Disc> candidates(const Coarse& scan, const Column& column) {
  const int n = static_cast<int>(column.canal_mm.size());
  std::vector<double> depth(static_cast<std::size_t>(n), -1), tilts(depth.size(), 0);
  for (const int degrees : {0, -10, 10, -20, 20, -30, 30, -40, 40}) {
    const double tilt = degrees * M_PI / 180;
    std::vector<double> along(depth.size());
    core::parallelFor(n, [&](std::int64_t at) {
      along[static_cast<std::size_t>(at)] = section(scan, column, static_cast<int>(at), tilt);
    });
    for (int s = 0; s < n; ++s) {
      const auto at = static_cast<std::size_t>(s);
      const double here = depthAt(along, s);
      if (here > depth[at]) depth[at] = here, tilts[at] = tilt;
    }
  }
  std::vector<Column::Disc> out;
  for (int s = 2; s + 2 < n; ++s) {
    const double mine = depth[static_cast<std::size_t>(s)];
    bool best = mine > 20;
    for (int d = -3; best && d <= 3; ++d) {
      const int other = s + d;
      if (other < 0 || other >= n || d == 0) continue;
      const double theirs = depth[static_cast<std::size_t>(other)];
      best = d < 0 ? mine > theirs : mine >= theirs;
    }
    if (best) out.push_back({s, mine, tilts[static_cast<std::size_t>(s)]});
  }
  return out;
}

/// The chain of candidates with the most depth, at distances that change slowly.
std::vector<Column::Disc> bestChain(const std::vector<Column::Disc>& all, double clear) {
  const int n = static_cast<int>(all.size());
  const auto gain = [&](int c) { return std::min(1.2, all[static_cast<std::size_t>(c)].depth / clear) - kWorth; };
  const auto gap = [&](int a, int b) {
    return all[static_cast<std::size_t>(b)].at - all[static_cast<std::size_t>(a)].at;
  };
  struct Link {
    double worth = -1e9;
    int before = -1;
  };
  // best[b][a]: the best chain that ends with a, b; a = b where b stands alone.
  std::vector<std::vector<Link>> best(static_cast<std::size_t>(n), std::vector<Link>(static_cast<std::size_t>(n)));
  const auto link = [&](int b, int a) -> Link& {
    return best[static_cast<std::size_t>(b)][static_cast<std::size_t>(a)];
  };
  int end = -1, end_before = -1;
  double top = 0;
  for (int b = 0; b < n; ++b) {
    for (int a = 0; a <= b; ++a) {
      Link& mine = link(b, a);
      if (a == b) {
        mine = {gain(b), -1};
      } else if (gap(a, b) >= kLow_mm && gap(a, b) <= kHigh_mm) {
        for (int before = 0; before <= a; ++before) {
          const double change = before == a ? 0 : std::log(double(gap(a, b)) / std::max(1, gap(before, a)));
          const double worth = link(a, before).worth + gain(b) - kEven * change * change;
          if (worth > mine.worth) mine = {worth, before};
        }
      }
      if (mine.worth > top) top = mine.worth, end = b, end_before = a;
    }
  }
  std::vector<Column::Disc> out;
  while (end >= 0) {
    out.push_back(all[static_cast<std::size_t>(end)]);
    if (end_before == end) break;
    const int before = link(end, end_before).before;
    end = end_before, end_before = before;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

/// Depth of bone, front to back (mm), in the sections 6 to 22 mm under a disc: the least from 12 to 40 mm aside, on the
/// side that has less. The sacrum's wings go on so far; transverse processes are thin.
double wingsUnder(const Coarse& scan, const Column& column, const Column::Disc& disc) {
  const Vector3d body = column.body(disc.at), up = column.normal(disc), left = column.left(disc.at);
  const Vector3d front = left.cross(up);  // unit vectors
  double least = 1e9;
  for (int aside = -40; aside <= 40; aside += 4) {
    if (std::abs(aside) < 12) continue;
    double sum = 0;
    int sections = 0;
    for (int down = 6; down <= 22; down += 2, ++sections) {
      for (int ahead = -70; ahead <= 50; ahead += 2) {
        const Vector3d p = body - down * up + ahead * front + aside * left;
        const Eigen::Vector3i at = scan.bone.frame.toIndex(p).array().round().cast<int>();
        if (scan.bone.contains(at[0], at[1], at[2]) && scan.bone.at(at[0], at[1], at[2])) sum += 2;
      }
    }
    least = std::min(least, sum / sections);
  }
  return least;
}

/// The disc on the sacrum is the highest with wings under it; the less of them the next disc has, the surer.
void findSacrum(const Coarse& scan, Column& column) {
  double above = 0;
  for (std::size_t d = column.discs.size(); d-- > 0;) {
    const double wings = wingsUnder(scan, column, column.discs[d]);
    if (wings >= kWings_mm) {
      column.sacrum_disc = static_cast<int>(d);
      column.sacrum_score = std::min(1.0, (wings - above) / kWings_mm);
      return;
    }
    above = wings;
  }
}

}  // namespace

Column findColumn(const Coarse& scan) {
  Column column = findCanal(scan);
  if (column.empty()) return column;
  const std::vector<Column::Disc> all = candidates(scan, column);
  if (all.empty()) return {};
  std::vector<double> depths;
  for (const Column::Disc& disc : all) depths.push_back(disc.depth);
  std::sort(depths.begin(), depths.end());
  const double clear = std::max(kClear_hu, depths[depths.size() * 4 / 5]);
  column.discs = bestChain(all, clear);
  for (Column::Disc& disc : column.discs) disc.depth = std::min(1.0, disc.depth / clear);
  findSacrum(scan, column);
  return column;
}

}  // namespace osteo::segment
