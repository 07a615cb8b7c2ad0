#include "slice_print/motion.h"

#include <algorithm>
#include <cmath>

namespace osteo::slice_print {

namespace {

// The square of the greatest speed from one move to the next.
double cornerSpeed2(const Move& in, const Move& out) {
  const double a = in.along.norm(), b = out.along.norm();
  if (a < 1e-9 || b < 1e-9) return 0;
  const double most2 = std::pow(std::min(in.speed_mm_s, out.speed_mm_s), 2);
  const double cosine = -in.along.dot(out.along) / (a * b);  // of the angle inside the corner
  const double sine_half = std::sqrt(std::max(0.0, (1 - cosine) / 2));
  if (sine_half > 0.999999) return most2;
  const double acceleration = std::min(in.acceleration_mm_s2, out.acceleration_mm_s2);
  return std::min(most2, acceleration * kDeviation_mm * sine_half / (1 - sine_half));
}

double time_s(double length_mm, double in2, double out2, const Move& move) {
  const double a = move.acceleration_mm_s2, v = move.speed_mm_s;
  const double peak2 = std::min(v * v, (in2 + out2) / 2 + a * length_mm);
  const double peak = std::sqrt(peak2), ramps_mm = (2 * peak2 - in2 - out2) / (2 * a);
  return (2 * peak - std::sqrt(in2) - std::sqrt(out2)) / a + std::max(0.0, length_mm - ramps_mm) / peak;
}

}  // namespace

double Move::length_mm() const {
  const double length = along.norm();
  return length > 0 ? length : std::abs(feed_mm);
}

double duration_s(const std::vector<Move>& moves) {
  const std::size_t n = moves.size();
  std::vector<double> speed2(n + 1, 0);  // at the start of each move
  for (std::size_t i = 1; i < n; ++i) speed2[i] = cornerSpeed2(moves[i - 1], moves[i]);
  const auto gain = [&](std::size_t i) { return 2 * moves[i].acceleration_mm_s2 * moves[i].length_mm(); };
  for (std::size_t i = n; i-- > 0;) speed2[i] = std::min(speed2[i], speed2[i + 1] + gain(i));
  for (std::size_t i = 0; i < n; ++i) speed2[i + 1] = std::min(speed2[i + 1], speed2[i] + gain(i));
  double time = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (moves[i].length_mm() > 0) time += time_s(moves[i].length_mm(), speed2[i], speed2[i + 1], moves[i]);
  }
  return time;
}

}  // namespace osteo::slice_print
