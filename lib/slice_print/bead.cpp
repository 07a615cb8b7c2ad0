#include "slice_print/bead.h"

#include <algorithm>
#include <cmath>

namespace osteo::slice_print {

namespace {

constexpr double kWidthWeight = 0.25;  // a bead's edge moves by half of what its width changes

using Spot = Eigen::Vector3d;

Spot spot(const BeadPoint& p) { return {p.at.x(), p.at.y(), kWidthWeight * p.width_mm}; }

double distance2(const Spot& p, const Spot& a, const Spot& b) {
  const Spot along = b - a;
  const double length2 = along.squaredNorm();
  const double t = length2 > 0 ? std::clamp((p - a).dot(along) / length2, 0.0, 1.0) : 0;
  return (p - a - t * along).squaredNorm();
}

std::size_t segments(const Bead& bead) { return bead.points.size() - (bead.closed ? 0 : 1); }

}  // namespace

const char* nameOf(BeadKind kind) {
  constexpr const char* kNames[] = {"outer perimeter", "inner perimeter", "thin wall", "infill", "support", "skirt"};
  return kNames[static_cast<int>(kind)];
}

double spacingOf_mm(double width_mm, double height_mm) { return width_mm - height_mm * (1 - M_PI / 4); }

double widthOf_mm(double spacing_mm, double height_mm) { return spacing_mm + height_mm * (1 - M_PI / 4); }

double length_mm(const Bead& bead) {
  double length = 0;
  for (std::size_t i = 0; i < segments(bead); ++i)
    length += (bead.points[(i + 1) % bead.points.size()].at - bead.points[i].at).norm();
  return length;
}

double filledArea_mm2(const Bead& bead, double height_mm) {
  double area = 0;
  for (std::size_t i = 0; i < segments(bead); ++i) {
    const BeadPoint &a = bead.points[i], &b = bead.points[(i + 1) % bead.points.size()];
    area += (b.at - a.at).norm() * spacingOf_mm((a.width_mm + b.width_mm) / 2, height_mm);
  }
  return area;
}

void scaleSpacing(std::vector<Bead>& beads, double factor, double height_mm) {
  for (Bead& bead : beads) {
    for (BeadPoint& p : bead.points) p.width_mm = widthOf_mm(factor * spacingOf_mm(p.width_mm, height_mm), height_mm);
  }
}

Bead simplified(const Bead& bead, double tolerance_mm) {
  const std::size_t n = bead.points.size(), last = bead.closed ? n : n - 1;
  if (n < 3) return bead;
  std::vector<char> keep(n + 1, 0);
  keep[0] = keep[last] = 1;
  std::vector<std::pair<std::size_t, std::size_t>> spans = {{0, last}};
  while (!spans.empty()) {
    const auto [from, to] = spans.back();
    spans.pop_back();
    double farthest = tolerance_mm * tolerance_mm;
    std::size_t split = 0;
    for (std::size_t i = from + 1; i < to; ++i) {
      const double d2 = distance2(spot(bead.points[i]), spot(bead.points[from]), spot(bead.points[to % n]));
      if (d2 > farthest) farthest = d2, split = i;
    }
    if (split == 0) continue;
    keep[split] = 1;
    spans.emplace_back(from, split);
    spans.emplace_back(split, to);
  }
  Bead result{bead.kind, bead.closed};
  for (std::size_t i = 0; i < n; ++i) {
    if (keep[i]) result.points.push_back(bead.points[i]);
  }
  return bead.closed && result.points.size() < 3 ? bead : result;
}

}  // namespace osteo::slice_print
