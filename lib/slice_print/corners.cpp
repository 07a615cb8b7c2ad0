#include "slice_print/corners.h"

#include <Eigen/Geometry>
#include <cmath>

namespace osteo::slice_print {

namespace {

constexpr double kChord_mm = 2e-3;  // an arc's greatest distance from its chords

// The arc between two sides that leave the corner along the unit vectors `back` and `ahead`, from side to side.
void addArc(const Point& corner, const Point& back, const Point& ahead, double reach, Ring& ring) {
  const double angle = std::acos(std::clamp(back.dot(ahead), -1.0, 1.0));  // between the sides
  const double radius = reach * std::tan(angle / 2), turn = M_PI - angle;
  const Point middle = (back + ahead).normalized(), centre = corner + middle * (reach / std::cos(angle / 2));
  const double way = back.x() * ahead.y() - back.y() * ahead.x() > 0 ? -1 : 1;
  const double step = 2 * std::acos(std::clamp(1 - kChord_mm / radius, 0.0, 1.0));
  const int steps = std::max(2, static_cast<int>(std::ceil(turn / step)));
  const Point from = corner + back * reach - centre;
  for (int s = 0; s <= steps; ++s) ring.push_back(centre + Eigen::Rotation2Dd(way * turn * s / steps) * from);
}

}  // namespace

Rings roundedCorners(const Rings& contours, double least_deg, double radius_mm, std::int64_t& rounded) {
  const double sharp = std::cos(least_deg * M_PI / 180);
  Rings result;
  result.reserve(contours.size());
  for (const Ring& ring : contours) {
    Ring round;
    const std::size_t n = ring.size();
    for (std::size_t i = 0; i < n; ++i) {
      const Point back = ring[(i + n - 1) % n] - ring[i], ahead = ring[(i + 1) % n] - ring[i];
      const double back_length = back.norm(), ahead_length = ahead.norm();
      const double cosine = back.dot(ahead) / (back_length * ahead_length);
      if (!(cosine > sharp && cosine < 1 - 1e-9)) {
        round.push_back(ring[i]);
        continue;
      }
      const double wanted = radius_mm / std::tan(std::acos(cosine) / 2);
      ++rounded;
      addArc(ring[i], back / back_length, ahead / ahead_length, std::min({wanted, back_length / 2, ahead_length / 2}),
             round);
    }
    result.push_back(std::move(round));
  }
  return result;
}

}  // namespace osteo::slice_print
