#include "design_scaffold/struts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <voro++/voro++.hh>

#include "core/random.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr int kFoamCells = 6;

/// Adds struts, each once in the periodic box.
class Collector {
 public:
  explicit Collector(int cells) { network_.cells = cells; }
  void add(const Vector3d& from, const Vector3d& to) {
    constexpr double kShortest = 1e-6;
    if ((to - from).norm() < kShortest) return;
    // The middle tells a strut from all others but those that cross there, and the direction those.
    const Vector3d middle = 0.5 * (from + to), way = (to - from).cwiseAbs();
    const auto key =
        std::make_tuple(rounded(middle[0]), rounded(middle[1]), rounded(middle[2]), std::lround(1e5 * way[0]),
                        std::lround(1e5 * way[1]), std::lround(1e5 * way[2]), slant(to - from));
    if (known_.emplace(key, true).second) network_.struts.push_back({from, to});
  }
  StrutNetwork take() { return std::move(network_); }

 private:
  long rounded(double x) const {
    const double cells = network_.cells;
    return std::lround(1e5 * (x - cells * std::floor(x / cells + 1e-7)));
  }
  /// Which of the directions ± along each axis a strut has, the same for both of its ends.
  static int slant(Vector3d way) {
    constexpr double kZero = 1e-7;
    int first = 0;
    while (first < 2 && std::abs(way[first]) < kZero) ++first;
    if (way[first] < 0) way = -way;
    return (way[0] < -kZero ? 1 : 0) + (way[1] < -kZero ? 2 : 0) + (way[2] < -kZero ? 4 : 0);
  }
  StrutNetwork network_;
  std::map<std::tuple<long, long, long, long, long, long, int>, bool> known_;
};

void addBcc(Collector& out) {
  for (int n = 0; n < 8; ++n) out.add(Vector3d::Constant(0.5), Vector3d(n & 1, n >> 1 & 1, n >> 2));
}

void addFcc(Collector& out) {
  for (int axis = 0; axis < 3; ++axis) {
    const Vector3d a = Vector3d::Unit((axis + 1) % 3), b = Vector3d::Unit((axis + 2) % 3), centre = 0.5 * (a + b);
    for (const Vector3d& corner : {Vector3d(0, 0, 0), a, b, Vector3d(a + b)}) out.add(centre, corner);
  }
}

void addOctahedron(Collector& out) {
  const Vector3d middle = Vector3d::Constant(0.5);
  for (int axis = 0; axis < 3; ++axis)
    for (const double one : {-0.5, 0.5})
      for (const double other : {-0.5, 0.5})
        out.add(middle + one * Vector3d::Unit(axis), middle + other * Vector3d::Unit((axis + 1) % 3));
}

void addKelvin(Collector& out) {
  std::vector<Vector3d> corners;  // all permutations of (0, ±1/4, ±1/2)
  for (int zero = 0; zero < 3; ++zero)
    for (int n = 0; n < 8; ++n) {
      const int quarter = (zero + (n & 1 ? 1 : 2)) % 3, half = 3 - zero - quarter;
      corners.emplace_back((n & 2 ? 0.25 : -0.25) * Vector3d::Unit(quarter) +
                           (n & 4 ? 0.5 : -0.5) * Vector3d::Unit(half));
    }
  const double edge = std::sqrt(2.0) / 4;
  for (const Vector3d& a : corners)
    for (const Vector3d& b : corners)
      if (std::abs((a - b).norm() - edge) < 1e-9) out.add(a, b);
}

Vector3d randomPoint(const core::Random& random, std::uint64_t n) {
  return kFoamCells * Vector3d(random.uniform(3 * n), random.uniform(3 * n + 1), random.uniform(3 * n + 2));
}

double periodicSquare(const Vector3d& a, const Vector3d& b) {
  const Eigen::Array3d apart = (a - b).array().abs();
  return apart.min(kFoamCells - apart).matrix().squaredNorm();
}

std::vector<Vector3d> scattered(std::uint64_t seed) {
  constexpr int kPoints = kFoamCells * kFoamCells * kFoamCells, kCandidates = 12;
  const core::Random random(seed, 0x5eed);
  std::vector<Vector3d> points;
  for (std::uint64_t n = 0; n < kPoints; ++n) {
    Vector3d best = Vector3d::Zero();
    double farthest = -1;
    for (std::uint64_t c = 0; c < kCandidates; ++c) {
      const Vector3d candidate = randomPoint(random, n * kCandidates + c);
      double nearest = 1e9;
      for (const Vector3d& point : points) nearest = std::min(nearest, periodicSquare(candidate, point));
      if (nearest > farthest) best = candidate, farthest = nearest;
    }
    points.push_back(best);
  }
  return points;
}

/// Distance from a point to a segment.
double distanceTo(const Strut& strut, const Vector3d& p) {
  const Vector3d along = strut.to - strut.from, from = p - strut.from;
  const double t = std::clamp(from.dot(along) / along.squaredNorm(), 0.0, 1.0);
  return (from - t * along).norm();
}

/// Calls visit(node, d) for every node of slice k (not wrapped) nearer to a strut than `reach`, all in cells.
template <class Visit>
void nearStrut(const Strut& strut, PeriodicNodes nodes, double step, double reach, int k, const Visit& visit) {
  const Eigen::Array3i low = ((strut.from.cwiseMin(strut.to).array() - reach) / step).ceil().cast<int>();
  const Eigen::Array3i high = ((strut.from.cwiseMax(strut.to).array() + reach) / step).floor().cast<int>();
  // The slices of all images that fall on this one.
  for (int kk = k + static_cast<int>(std::ceil(static_cast<double>(low[2] - k) / nodes.side)) * nodes.side;
       kk <= high[2]; kk += nodes.side)
    for (int j = low[1]; j <= high[1]; ++j)
      for (int i = low[0]; i <= high[0]; ++i) {
        const double d = distanceTo(strut, step * Vector3d(i, j, kk));
        if (d < reach) visit(nodes.at(i, j, k), d);
      }
}

/// Distances to the nearest axis, or with blend > 0 the smooth minimum over all; `reach` where there is none nearer.
std::vector<float> axisDistances(const StrutNetwork& network, PeriodicNodes nodes, double blend, double reach) {
  const double step = static_cast<double>(network.cells) / nodes.side;
  std::vector<float> out(nodes.size());
  core::parallelFor(nodes.side, [&](std::int64_t k) {
    const std::size_t slice = static_cast<std::size_t>(nodes.side) * nodes.side, first = slice * k;
    std::vector<double> best(slice, blend > 0 ? 0.0 : reach);
    for (const Strut& strut : network.struts)
      nearStrut(strut, nodes, step, reach, static_cast<int>(k), [&](std::size_t n, double d) {
        if (blend > 0)
          best[n - first] += std::exp(-d / blend);
        else
          best[n - first] = std::min(best[n - first], d);
      });
    for (std::size_t n = 0; n < slice; ++n) {
      const double d = blend <= 0 ? best[n] : best[n] > 0 ? -blend * std::log(best[n]) : reach;
      out[first + n] = static_cast<float>(std::min(d, reach));
    }
  });
  return out;
}

/// The level below which the wanted share of the samples lies; a step is that between nodes.
double levelOf(const std::vector<float>& values, double step, double share) {
  std::vector<float> steps(values.size());
  for (std::size_t n = 0; n < values.size(); ++n) steps[n] = static_cast<float>(values[n] / step);
  const auto [least, most] = std::minmax_element(steps.begin(), steps.end());
  double low = *least - 1, high = *most + 1;
  for (int round = 0; round < 40 && high - low > 1e-6; ++round) {
    const double middle = 0.5 * (low + high);
    (negativeShare(steps, middle) < share ? low : high) = middle;
  }
  return 0.5 * (low + high) * step;
}

}  // namespace

double negativeShare(const std::vector<float>& steps, double offset) {
  const double sum =
      core::parallelSum(static_cast<std::int64_t>(steps.size()), 1 << 16, [&](std::int64_t first, std::int64_t last) {
        double part = 0;
        for (std::int64_t n = first; n < last; ++n) part += std::clamp(0.5 + offset - steps[n], 0.0, 1.0);
        return part;
      });
  return sum / static_cast<double>(steps.size());
}

StrutNetwork unitCell(LatticeType type) {
  Collector out(1);
  if (type == LatticeType::Bcc) addBcc(out);
  if (type == LatticeType::Fcc || type == LatticeType::Octet) addFcc(out);
  if (type == LatticeType::Octet) addOctahedron(out);
  if (type == LatticeType::Kelvin) addKelvin(out);
  if (type == LatticeType::Cubic)
    for (int axis = 0; axis < 3; ++axis) out.add(Vector3d::Zero(), Vector3d::Unit(axis));
  return out.take();
}

StrutNetwork voronoiFoam(std::uint64_t seed) {
  constexpr int kBlocks = 4, kPerBlock = 8;
  voro::container box(0, kFoamCells, 0, kFoamCells, 0, kFoamCells, kBlocks, kBlocks, kBlocks, true, true, true,
                      kPerBlock);
  const std::vector<Vector3d> points = scattered(seed);
  for (std::size_t n = 0; n < points.size(); ++n)
    box.put(static_cast<int>(n), points[n].x(), points[n].y(), points[n].z());
  Collector out(kFoamCells);
  voro::c_loop_all loop(box);
  voro::voronoicell cell;
  std::vector<double> corners;
  if (loop.start()) do {
      if (!box.compute_cell(cell, loop)) continue;
      cell.vertices(loop.x(), loop.y(), loop.z(), corners);
      const auto corner = [&](int n) { return Vector3d(corners[3 * n], corners[3 * n + 1], corners[3 * n + 2]); };
      for (int a = 0; a < cell.p; ++a)
        for (int e = 0; e < cell.nu[a]; ++e)
          if (cell.ed[a][e] > a) out.add(corner(a), corner(cell.ed[a][e]));
    } while (loop.inc());
  return out.take();
}

StrutField strutField(const StrutNetwork& network, PeriodicNodes nodes, double volume_fraction, double fillet) {
  constexpr double kBlends = 6;  // beyond the surface, where an axis no longer tells
  constexpr double kSettled = 2e-5, kReach = 0.6;
  const double step = static_cast<double>(network.cells) / nodes.side;
  StrutField field;
  field.values = axisDistances(network, nodes, 0, kReach);
  field.radius_cells = levelOf(field.values, step, volume_fraction);
  // The fillet follows the radius, and the radius the fillet: a fixed point, found by secants.
  double guess = field.radius_cells, last_guess = 0, last_excess = 0;
  for (int round = 0; fillet > 0 && round < 8; ++round) {
    const double blend = fillet * guess;
    field.values = axisDistances(network, nodes, blend, guess + kBlends * blend + 4 * step);
    field.radius_cells = levelOf(field.values, step, volume_fraction);
    const double excess = field.radius_cells - guess;
    if (std::abs(excess) < kSettled) break;
    const double slope = round > 0 ? (excess - last_excess) / (guess - last_guess) : -1;
    last_guess = guess, last_excess = excess;
    guess -= excess / std::min(slope, -0.5);
  }
  for (float& value : field.values) value -= static_cast<float>(field.radius_cells);
  return field;
}

}  // namespace osteo::design_scaffold
