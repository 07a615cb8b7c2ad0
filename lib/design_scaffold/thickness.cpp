#include "design_scaffold/thickness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/blocks.h"

namespace osteo::design_scaffold {
namespace {

using openvdb::Coord;

/// Samples on a box of voxels, x fastest.
struct Window {
  Eigen::Vector3i base, size;
  double voxel_mm = 0;
  std::int64_t count() const { return std::int64_t{size[0]} * size[1] * size[2]; }
  std::size_t at(int i, int j, int k) const {
    return static_cast<std::size_t>(i + std::int64_t{size[0]} * (j + std::int64_t{size[1]} * k));
  }
  Span slices(int first, int last) const { return {point(0, 0, first), point(size[0] - 1, size[1] - 1, last)}; }
  Eigen::Vector3d point(int i, int j, int k) const {
    return (base + Eigen::Vector3i(i, j, k)).cast<double>() * voxel_mm;
  }
};

constexpr float kFar = 1e9F;

/// One line of samples with room for its lower envelope of parabolas.
struct Line {
  std::vector<float> values, border, result;
  std::vector<std::int32_t> nearest, nearest_result;
  std::vector<int> site;
  explicit Line(std::size_t n) : values(n), border(n + 1), result(n), nearest(n), nearest_result(n), site(n) {}

  /// Squared distances along the line (Felzenszwalb & Huttenlocher 2012), and whose they are.
  void transform() {
    const int n = static_cast<int>(values.size());
    int last = -1;
    for (int q = 0; q < n; ++q) {
      if (values[q] >= kFar) continue;
      while (last >= 0 && crossing(q, site[last]) <= border[last]) --last;
      border[last + 1] = last < 0 ? -kFar : crossing(q, site[last]);
      site[++last] = q;
    }
    if (last < 0) return;
    for (int q = 0, s = 0; q < n; ++q) {
      while (s < last && border[s + 1] < static_cast<float>(q)) ++s;
      const auto step = static_cast<float>(q - site[s]);
      result[q] = step * step + values[site[s]];
      nearest_result[q] = nearest[site[s]];
    }
    values.swap(result);
    nearest.swap(nearest_result);
  }

 private:
  float crossing(int q, int r) const {
    return (values[q] + static_cast<float>(q) * q - values[r] - static_cast<float>(r) * r) /
           (2.0F * static_cast<float>(q - r));
  }
};

/// Squared distances in voxels to the nearest sample that is zero on entry (the others must be kFar), and its number.
struct DistanceField {
  std::vector<float> squared;
  std::vector<std::int32_t> nearest;

  explicit DistanceField(const Window& window)
      : squared(static_cast<std::size_t>(window.count())), nearest(static_cast<std::size_t>(window.count())) {}

  void transform(const Window& window) {
    std::iota(nearest.begin(), nearest.end(), 0);
    for (int axis = 0; axis < 3; ++axis) {
      const int u = axis == 0 ? 1 : 0, v = axis == 2 ? 1 : 2;
      core::parallelFor(window.size[v], [&](std::int64_t slice) {
        Line line(static_cast<std::size_t>(window.size[axis]));
        Eigen::Vector3i index;
        index[v] = static_cast<int>(slice);
        for (index[u] = 0; index[u] < window.size[u]; ++index[u]) {
          for (int& i = index[axis] = 0; i < window.size[axis]; ++i) {
            const std::size_t n = window.at(index[0], index[1], index[2]);
            line.values[i] = squared[n];
            line.nearest[i] = nearest[n];
          }
          line.transform();
          for (int& i = index[axis] = 0; i < window.size[axis]; ++i) {
            const std::size_t n = window.at(index[0], index[1], index[2]);
            squared[n] = line.values[i];
            nearest[n] = line.nearest[i];
          }
        }
      });
    }
  }
};

/// Calls f(sample) for all samples of the window, in parallel over slices; f gets i, j, k and the sample's number.
template <class F>
void forSamples(const Window& window, const F& f) {
  core::parallelFor(window.size[2], [&](std::int64_t k) {
    for (int j = 0; j < window.size[1]; ++j)
      for (int i = 0; i < window.size[0]; ++i) f(i, j, static_cast<int>(k), window.at(i, j, static_cast<int>(k)));
  });
}

enum Phase : std::uint8_t { Outside, Wall, Pore };

/// Paints a sphere's diameter on all samples of its phase that it holds.
void paint(const Window& window, const std::vector<std::uint8_t>& phases, Eigen::Vector3i centre, float radius,
           int first_slice, int last_slice, std::vector<float>& diameters) {
  const int reach = static_cast<int>(radius);
  const std::uint8_t phase = phases[window.at(centre[0], centre[1], centre[2])];
  for (int k = std::max(first_slice, centre[2] - reach); k <= std::min(last_slice, centre[2] + reach); ++k)
    for (int j = std::max(0, centre[1] - reach); j <= std::min(window.size[1] - 1, centre[1] + reach); ++j) {
      const int dk = k - centre[2], dj = j - centre[1];
      const float rest = radius * radius - static_cast<float>(dk * dk + dj * dj);
      if (rest < 0) continue;
      const int half = static_cast<int>(std::sqrt(rest));
      for (int i = std::max(0, centre[0] - half); i <= std::min(window.size[0] - 1, centre[0] + half); ++i) {
        const std::size_t n = window.at(i, j, k);
        if (phases[n] == phase) diameters[n] = std::max(diameters[n], 2 * radius);
      }
    }
}

/// A centre needs no painting when a neighbour's sphere holds its own.
bool isCovered(const Window& window, const std::vector<float>& radii, int i, int j, int k) {
  const float own = radii[window.at(i, j, k)];
  for (int dk = -1; dk <= 1; ++dk)
    for (int dj = -1; dj <= 1; ++dj)
      for (int di = -1; di <= 1; ++di) {
        const int x = i + di, y = j + dj, z = k + dk;
        if ((di | dj | dk) == 0 || (Eigen::Array3i(x, y, z) < 0).any() ||
            (Eigen::Array3i(x, y, z) >= window.size.array()).any())
          continue;
        const float step = std::sqrt(static_cast<float>(di * di + dj * dj + dk * dk));
        if (radii[window.at(x, y, z)] >= own + step - 1e-4F) return true;
      }
  return false;
}

Diameters summary(std::vector<float> diameters, double voxel_mm) {
  if (diameters.empty()) return {};
  const auto rank = [&](double share) {
    const auto at = diameters.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(diameters.size() - 1));
    std::nth_element(diameters.begin(), at, diameters.end());
    return voxel_mm * *at;
  };
  const double mean = std::accumulate(diameters.begin(), diameters.end(), 0.0) / static_cast<double>(diameters.size());
  return {mean * voxel_mm, rank(0.05), rank(0.5), rank(0.95), rank(1)};
}

/// The whole body, or a cube around the sample in it that is nearest to its centre.
Window windowOf(const levelset::LevelSet& solid, const Envelope& envelope) {
  Window window;
  window.voxel_mm = solid.voxel_mm();
  Eigen::Vector3i last;
  solid.activeBox(window.base, last);
  window.size = last - window.base + Eigen::Vector3i::Ones();
  if (window.count() <= kWindow) return window;
  const int side = static_cast<int>(std::cbrt(static_cast<double>(kWindow))), step = std::max(1, side / 24);
  std::vector<Eigen::Vector3i> inside;
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  for (int k = 0; k < window.size[2]; k += step) {
    const Body body(envelope, window.slices(k, k));
    for (int j = 0; j < window.size[1]; j += step)
      for (int i = 0; i < window.size[0]; i += step) {
        if (body.envelope_mm(window.point(i, j, k)) >= 0) continue;
        inside.emplace_back(i, j, k);
        centre += inside.back().cast<double>();
      }
  }
  if (inside.empty()) inside.emplace_back(window.size / 2);
  centre /= static_cast<double>(inside.size());
  const Eigen::Vector3i best =
      *std::min_element(inside.begin(), inside.end(), [&](const Eigen::Vector3i& a, const Eigen::Vector3i& b) {
        return (a.cast<double>() - centre).squaredNorm() < (b.cast<double>() - centre).squaredNorm();
      });
  for (int axis = 0; axis < 3; ++axis) {
    const int size = std::min(side, window.size[axis]);
    window.base[axis] += std::clamp(best[axis] - size / 2, 0, window.size[axis] - size);
    window.size[axis] = size;
  }
  return window;
}

/// Distance in voxels from a sample to the surface beyond which its nearest sample of the other side lies: samples
/// around that one know how far beyond the surface they are.
float toSurface(const Window& window, const std::vector<float>& distance, const Eigen::Vector3i& from,
                std::int32_t nearest) {
  const std::int32_t row = window.size[0], slice = row * window.size[1];
  const Eigen::Vector3i at(nearest % row, nearest % slice / row, nearest / slice);
  const bool inside = distance[static_cast<std::size_t>(nearest)] < 0;
  float best = kFar;
  for (int k = std::max(0, at[2] - 1); k <= std::min(window.size[2] - 1, at[2] + 1); ++k)
    for (int j = std::max(0, at[1] - 1); j <= std::min(window.size[1] - 1, at[1] + 1); ++j)
      for (int i = std::max(0, at[0] - 1); i <= std::min(window.size[0] - 1, at[0] + 1); ++i) {
        const float beyond = distance[window.at(i, j, k)];
        if ((beyond < 0) != inside || std::abs(beyond) > 1.5F) continue;
        const float way = (from - Eigen::Vector3i(i, j, k)).cast<float>().norm();
        best = std::min(best, way - std::abs(beyond));
      }
  return best;
}

/// Radius in voxels of the largest sphere around each core sample that stays in its phase; 0 where it would leave the
/// core.
std::vector<float> sphereRadii(const Window& window, const std::vector<std::uint8_t>& phases,
                               const std::vector<float>& distance) {
  DistanceField border(window), other(window);
  std::vector<float> radii(phases.size(), 0.0F);
  forSamples(window, [&](int, int, int, std::size_t n) { border.squared[n] = phases[n] == Outside ? 0 : kFar; });
  border.transform(window);
  for (const Phase phase : {Wall, Pore}) {
    forSamples(window, [&](int, int, int, std::size_t n) {
      other.squared[n] = (distance[n] < 0) == (phase == Wall) ? kFar : 0;
    });
    other.transform(window);
    forSamples(window, [&](int i, int j, int k, std::size_t n) {
      if (phases[n] != phase || other.squared[n] >= kFar) return;
      const float own = std::abs(distance[n]);  // next to the surface the sample itself knows best
      const float radius = own < 2 ? own : toSurface(window, distance, {i, j, k}, other.nearest[n]);
      if (radius <= std::sqrt(border.squared[n]) + 0.5F) radii[n] = radius;
    });
  }
  return radii;
}

/// Diameter in voxels of the largest sphere that holds each sample of the core and lies in its phase.
std::vector<float> paintedDiameters(const Window& window, const std::vector<std::uint8_t>& phases,
                                    const std::vector<float>& distance) {
  const std::vector<float> radii = sphereRadii(window, phases, distance);
  std::vector<float> diameters(phases.size(), 0.0F);
  constexpr int kSlab = 8;
  const float reach = *std::max_element(radii.begin(), radii.end());
  core::parallelChunks(window.size[2], kSlab, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    const int low = std::max(0, static_cast<int>(first) - static_cast<int>(reach) - 1);
    const int high = std::min(window.size[2] - 1, static_cast<int>(last) + static_cast<int>(reach));
    for (int k = low; k <= high; ++k)
      for (int j = 0; j < window.size[1]; ++j)
        for (int i = 0; i < window.size[0]; ++i) {
          const float radius = radii[window.at(i, j, k)];
          if (radius <= 0 || k + radius < static_cast<float>(first) || k - radius > static_cast<float>(last) ||
              isCovered(window, radii, i, j, k))
            continue;
          paint(window, phases, {i, j, k}, radius, static_cast<int>(first), static_cast<int>(last) - 1, diameters);
        }
  });
  return diameters;
}

}  // namespace

Thickness measureThickness(const levelset::LevelSet& solid, const Envelope& envelope) {
  core::Progress progress("walls and pores", 3);
  const Window window = windowOf(solid, envelope);
  const auto count = static_cast<std::size_t>(window.count());
  std::vector<std::uint8_t> phases(count);
  std::vector<float> distance(count);
  core::parallelFor(window.size[2], [&](std::int64_t k) {
    const Body body(envelope, window.slices(static_cast<int>(k), static_cast<int>(k)));
    const auto values = solid.grid().vdb->getConstAccessor();
    for (int j = 0; j < window.size[1]; ++j)
      for (int i = 0; i < window.size[0]; ++i) {
        const std::size_t n = window.at(i, j, static_cast<int>(k));
        const Eigen::Vector3d p = window.point(i, j, static_cast<int>(k));
        const Eigen::Vector3i ijk = window.base + Eigen::Vector3i(i, j, static_cast<int>(k));
        distance[n] = values.getValue(Coord(ijk[0], ijk[1], ijk[2])) / static_cast<float>(window.voxel_mm);
        const bool core = body.envelope_mm(p) < 0 && body.skin_mm(p) > 0;
        phases[n] = !core ? Outside : distance[n] < 0 ? Wall : Pore;
      }
  });
  progress.advance();
  const std::vector<float> diameters = paintedDiameters(window, phases, distance);
  progress.advance();
  std::vector<float> walls, pores;
  for (std::size_t n = 0; n < count; ++n)
    if (diameters[n] > 0) (phases[n] == Wall ? walls : pores).push_back(diameters[n]);
  progress.advance();
  return {summary(std::move(walls), window.voxel_mm), summary(std::move(pores), window.voxel_mm), window.count()};
}

Thickness measureThickness(const Lattice& lattice) {
  // A single cell is looked at with half a cell around it, so that spheres may leave it; foams are large enough.
  constexpr int kNodes = 48, kFoamNodes = 20;
  const int cells = lattice.cells(), margin = cells > 1 ? 0 : kNodes / 2;
  const int side = cells > 1 ? cells * kFoamNodes : kNodes;
  Window window;
  window.base.setConstant(-margin);
  window.size.setConstant(side + 2 * margin);
  window.voxel_mm = cells * lattice.spec().cell_mm / side;
  const auto count = static_cast<std::size_t>(window.count());
  std::vector<std::uint8_t> phases(count);
  std::vector<float> distance(count);
  forSamples(window, [&](int i, int j, int k, std::size_t n) {
    const Eigen::Vector3d at = window.point(i, j, k) / lattice.spec().cell_mm;
    distance[n] = static_cast<float>(lattice.distanceAt(at) * lattice.spec().cell_mm / window.voxel_mm);
    phases[n] = distance[n] < 0 ? Wall : Pore;
  });
  const std::vector<float> diameters = paintedDiameters(window, phases, distance);
  std::vector<float> walls, pores;
  for (int k = margin; k < side + margin; ++k)
    for (int j = margin; j < side + margin; ++j)
      for (int i = margin; i < side + margin; ++i) {
        const std::size_t n = window.at(i, j, k);
        if (diameters[n] > 0) (phases[n] == Wall ? walls : pores).push_back(diameters[n]);
      }
  return {summary(std::move(walls), window.voxel_mm), summary(std::move(pores), window.voxel_mm), window.count()};
}

double overlap_mm3(const levelset::LevelSet& solid, const levelset::LevelSet& host) {
  const openvdb::FloatGrid& grid = *solid.grid().vdb;
  const double voxel = solid.voxel_mm();
  const auto point = [voxel](const Coord& ijk) -> Eigen::Vector3d {
    return Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()) * voxel;
  };
  const auto shared = [&](const openvdb::CoordBBox& box) {
    const Sampler distance(host, {point(box.min()), point(box.max())});
    const auto values = grid.getConstAccessor();
    double voxels = 0;
    for (auto ijk = box.begin(); ijk; ++ijk)
      if (values.getValue(*ijk) < 0 && distance(point(*ijk)) < 0) ++voxels;
    return voxels;
  };
  std::vector<openvdb::CoordBBox> boxes;
  for (auto leaf = grid.tree().cbeginLeaf(); leaf; ++leaf) boxes.push_back(leaf->getNodeBoundingBox());
  auto tile = grid.tree().cbeginValueAll();
  tile.setMaxDepth(openvdb::FloatTree::ValueAllCIter::LEAF_DEPTH - 1);
  for (; tile; ++tile)
    if (*tile < 0) boxes.push_back(tile.getBoundingBox());
  const double voxels =
      core::parallelSum(static_cast<std::int64_t>(boxes.size()), 64, [&](std::int64_t first, std::int64_t last) {
        double sum = 0;
        for (std::int64_t n = first; n < last; ++n) sum += shared(boxes[static_cast<std::size_t>(n)]);
        return sum;
      });
  return voxels * voxel * voxel * voxel;
}

}  // namespace osteo::design_scaffold
