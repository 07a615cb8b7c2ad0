#include "segment/geodesic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

namespace osteo::segment {

using Eigen::Vector3d;

int Geodesic::nearest(const Vector3d& d, int start) const {
  int at = start;
  double best = directions[static_cast<std::size_t>(at)].dot(d);
  for (bool moved = true; moved;) {
    moved = false;
    for (const int next : neighbours[static_cast<std::size_t>(at)]) {
      const double close = directions[static_cast<std::size_t>(next)].dot(d);
      if (close > best) best = close, at = next, moved = true;
    }
  }
  return at;
}

Geodesic geodesic(int times) {
  Geodesic out;
  const double g = (1 + std::sqrt(5.0)) / 2;
  for (const double a : {-1.0, 1.0}) {
    for (const double b : {-g, g}) {
      out.directions.insert(out.directions.end(), {{0, a, b}, {a, b, 0}, {b, 0, a}});
    }
  }
  for (Vector3d& d : out.directions) d.normalize();
  std::vector<std::array<int, 3>> faces;
  const auto at = [&](int n) -> const Vector3d& { return out.directions[static_cast<std::size_t>(n)]; };
  const auto beside = [&](int a, int b) { return at(a).dot(at(b)) > 0.4; };  // cosine 1 / sqrt 5
  for (int a = 0; a < 12; ++a) {
    for (int b = a + 1; b < 12; ++b) {
      for (int c = b + 1; c < 12; ++c) {
        if (!beside(a, b) || !beside(b, c) || !beside(a, c)) continue;
        const bool outward = at(a).cross(at(b)).dot(at(c)) > 0;
        faces.push_back(outward ? std::array<int, 3>{a, b, c} : std::array<int, 3>{a, c, b});
      }
    }
  }
  for (int t = 0; t < times; ++t) {
    std::map<std::pair<int, int>, int> halves;
    const auto half = [&](int a, int b) {
      const auto found = halves.try_emplace(std::minmax(a, b), static_cast<int>(out.directions.size()));
      if (found.second) out.directions.push_back(Vector3d(at(a) + at(b)).normalized());
      return found.first->second;
    };
    std::vector<std::array<int, 3>> finer;
    finer.reserve(4 * faces.size());
    for (const auto& f : faces) {
      const int ab = half(f[0], f[1]), bc = half(f[1], f[2]), ca = half(f[2], f[0]);
      finer.insert(finer.end(), {{f[0], ab, ca}, {f[1], bc, ab}, {f[2], ca, bc}, {ab, bc, ca}});
    }
    faces = std::move(finer);
  }
  out.neighbours.resize(out.directions.size());
  for (const auto& f : faces) {
    for (std::size_t i = 0; i < 3; ++i) out.neighbours[static_cast<std::size_t>(f[i])].push_back(f[(i + 1) % 3]);
  }
  return out;
}

}  // namespace osteo::segment
