#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/morphology.h"
#include "segment/defect_candidates.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::LabelVolume;

namespace {

constexpr double kLeast_mm3 = 60, kMost_mm3 = 8e4, kAir_hu = -250, kSliver_mm = 1.0;

/// The outward normal of a mask at a voxel of its surface, from the voxels within two of it.
Vector3d normalAt(const LabelVolume& mask, const Vector3i& at) {
  Vector3d out = Vector3d::Zero();
  for (int n = 0; n < 125; ++n) {
    const Vector3i d(n % 5 - 2, n / 5 % 5 - 2, n / 25 - 2), v = at + d;
    if (!mask.contains(v[0], v[1], v[2])) continue;
    out += (mask.at(v[0], v[1], v[2]) ? -1 : 1) * d.cast<double>().cwiseProduct(mask.frame.spacing_mm);
  }
  const double length = out.norm();
  return length > 0 ? Vector3d(out / length) : Vector3d::Zero();
}

/// How dense the bone is right below a place of its surface: the largest HU within 3 mm.
double shellHu(const WorkGrid& grid, std::int64_t voxel) {
  const image::Frame& frame = grid.ct.frame;
  const Vector3i at(static_cast<int>(voxel % frame.size[0]), static_cast<int>(voxel / frame.size[0] % frame.size[1]),
                    static_cast<int>(voxel / frame.size[0] / frame.size[1]));
  const Vector3d normal = normalAt(grid.bone, at);
  double best = -1000;
  for (double mm = 0; mm <= 3; mm += 0.5) {
    const Vector3d index = at.cast<double>() - mm * normal.cwiseQuotient(frame.spacing_mm);
    best = std::max<double>(best, image::sampleLinear(grid.ct, index, -1000));
  }
  return best;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

struct Pocket {
  std::vector<std::int64_t> voxels;
};

/// The pocket's opening: middle, direction outwards, radius of a disk of its area.
struct Mouth {
  Vector3d centre_mm = Vector3d::Zero(), axis = Vector3d::Zero();
  double radius_mm = 0;
};

Mouth mouthOf(const LabelVolume& inside, const LabelVolume& closed, const Pocket& pocket) {
  const image::Frame& frame = inside.frame;
  Mouth out;
  double area_mm2 = 0;
  for (const std::int64_t v : pocket.voxels) {
    const Vector3d here = frame.centre(v);
    image::forFaceNeighbours(frame, v, [&](std::int64_t to) {
      const auto at = static_cast<std::size_t>(to);
      if (inside.voxels[at] || closed.voxels[at]) return;
      const Vector3d way = frame.centre(to) - here;
      const double area = frame.voxelVolume_mm3() / way.norm();
      out.centre_mm += area * (here + way / 2), out.axis += area * way.normalized(), area_mm2 += area;
    });
  }
  if (area_mm2 == 0) return out;
  out.centre_mm /= area_mm2;
  out.radius_mm = std::sqrt(out.axis.norm() / M_PI);  // the area seen from outside
  out.axis.normalize();
  return out;
}

/// Adds what of the bone's mask holds the same as the pocket and hangs together with it, no deeper or wider than a ball
/// that opens as the pocket does: soft places that filling has called marrow. Returns how many times larger it gets.
double grow(const BoneScan& scan, const WorkGrid& grid, const LabelVolume& inside, const Mouth& mouth, Pocket& pocket) {
  constexpr double kBand = 2.5, kLeastBand_hu = 35, kMostBand_hu = 75, kWide = 1.2, kDeep = 1.7;
  std::vector<double> hu;
  for (const std::int64_t v : pocket.voxels) hu.push_back(grid.ct.voxels[static_cast<std::size_t>(v)]);
  std::nth_element(hu.begin(), hu.begin() + static_cast<std::ptrdiff_t>(hu.size() / 2), hu.end());
  const double level = hu[hu.size() / 2], band = std::clamp(kBand * scan.noise_hu, kLeastBand_hu, kMostBand_hu);
  const auto before = static_cast<double>(pocket.voxels.size());
  std::vector<std::uint8_t> seen(inside.voxels.size(), 0);
  for (const std::int64_t v : pocket.voxels) seen[static_cast<std::size_t>(v)] = 1;
  for (std::size_t next = 0; next < pocket.voxels.size(); ++next) {
    image::forFaceNeighbours(inside.frame, pocket.voxels[next], [&](std::int64_t to) {
      const auto at = static_cast<std::size_t>(to);
      if (seen[at] || !inside.voxels[at] || std::abs(grid.ct.voxels[at] - level) > band) return;
      const Vector3d way = inside.frame.centre(to) - mouth.centre_mm;
      const double deep = -way.dot(mouth.axis), wide = (way + deep * mouth.axis).norm();
      if (deep > kDeep * mouth.radius_mm || wide > kWide * mouth.radius_mm) return;
      seen[at] = 1;
      pocket.voxels.push_back(to);
    });
  }
  std::sort(pocket.voxels.begin(), pocket.voxels.end());
  return static_cast<double>(pocket.voxels.size()) / before;
}

std::vector<double> evidenceOf(const BoneScan& scan, const WorkGrid& grid, const LabelVolume& inside,
                               const LabelVolume& closed, const Pocket& pocket, double radius_mm) {
  const image::Frame& frame = grid.ct.frame;
  std::vector<std::int64_t> touched, around;
  std::vector<char> mine(0);
  // A local copy would do; marks are cheap and are cleared again.
  std::vector<std::uint8_t> seen(grid.ct.voxels.size(), 0);
  for (const std::int64_t v : pocket.voxels) seen[static_cast<std::size_t>(v)] = 1;
  double contact = 0, mouth = 0, hu = 0, square = 0, border = 0;
  const std::int64_t row = frame.size[0], slice = row * frame.size[1];
  for (const std::int64_t v : pocket.voxels) {
    const double here = grid.ct.voxels[static_cast<std::size_t>(v)];
    hu += here, square += here * here;
    int sides = 0;
    image::forFaceNeighbours(frame, v, [&](std::int64_t to) {
      ++sides;
      const auto at = static_cast<std::size_t>(to);
      const std::int64_t step = std::abs(to - v);
      const double area = frame.voxelVolume_mm3() / frame.spacing_mm[step == slice ? 2 : step == row ? 1 : 0];
      if (inside.voxels[at]) {
        contact += area;
        if (seen[at] == 0) seen[at] = 2, touched.push_back(to);
      } else if (!closed.voxels[at]) {
        mouth += area;
      }
    });
    border += sides < 6 ? 1 : 0;
  }
  const auto n = static_cast<double>(pocket.voxels.size());
  hu /= n, square = std::sqrt(std::max(0.0, square / n - hu * hu));
  // The bone's own surface beside the pocket, out to about 7 mm.
  std::vector<std::int64_t> front = touched;
  const int rings = std::max(3, static_cast<int>(std::lround(7 / std::cbrt(frame.voxelVolume_mm3()))));
  for (int r = 0; r < rings; ++r) {
    std::vector<std::int64_t> next;
    for (const std::int64_t v : front) {
      const Vector3i at(static_cast<int>(v % row), static_cast<int>(v / row % frame.size[1]),
                        static_cast<int>(v / slice));
      for (int d = 0; d < 27; ++d) {
        const Vector3i w = at + Vector3i(d % 3 - 1, d / 3 % 3 - 1, d / 9 - 1);
        if (!inside.contains(w[0], w[1], w[2])) continue;
        const std::int64_t to = inside.index(w[0], w[1], w[2]);
        if (seen[static_cast<std::size_t>(to)] || !inside.voxels[static_cast<std::size_t>(to)]) continue;
        bool surface = false;
        image::forFaceNeighbours(frame, to, [&](std::int64_t out) {
          surface = surface || !inside.voxels[static_cast<std::size_t>(out)];
        });
        if (!surface) continue;
        seen[static_cast<std::size_t>(to)] = 3;
        next.push_back(to);
        if (r > 0) around.push_back(to);
      }
    }
    front = std::move(next);
  }
  std::vector<double> shell, beside;
  for (const std::int64_t v : touched) shell.push_back(shellHu(grid, v) - scan.soft_hu);
  for (const std::int64_t v : around) beside.push_back(shellHu(grid, v) - scan.soft_hu);
  const double typical = std::max(50.0, quantile(beside, 0.6));
  double bare = 0, dense = 0;
  for (const double s : shell) bare += s < 0.55 * typical ? 1 : 0, dense += s > 1.3 * typical ? 1 : 0;
  double bare_beside = 0;
  for (const double s : beside) bare_beside += s < 0.55 * typical ? 1 : 0;
  const double count = std::max<double>(1, static_cast<double>(shell.size()));
  const double volume = n * frame.voxelVolume_mm3();
  return {volume,
          radius_mm,
          contact / std::max(mouth, 1.0),
          volume / std::pow(std::max(mouth, 1.0), 1.5),
          volume / std::pow(std::max(contact, 1.0), 1.5),
          hu - scan.soft_hu,
          square / std::max(10.0, scan.noise_hu),
          quantile(shell, 0.5) / typical,
          bare / count,
          bare_beside / std::max<double>(1, static_cast<double>(beside.size())),
          dense / count,
          typical,
          border / n,
          static_cast<double>(around.size()) / count};
}

}  // namespace

namespace {

/// Pockets of a size that counts, as lists of voxels.
std::vector<Pocket> pocketsOf(const LabelVolume& mask) {
  const image::Components parts = image::components(mask, image::Connectivity::Faces);
  std::vector<Pocket> out(parts.voxels.size());
  const double voxel_mm3 = mask.frame.voxelVolume_mm3();
  for (std::size_t v = 0; v < parts.ids.voxels.size(); ++v) {
    const std::int32_t id = parts.ids.voxels[v];
    if (id == 0) continue;
    const double mm3 = static_cast<double>(parts.voxels[static_cast<std::size_t>(id - 1)]) * voxel_mm3;
    if (mm3 < kLeast_mm3 || mm3 > kMost_mm3) continue;
    out[static_cast<std::size_t>(id - 1)].voxels.push_back(static_cast<std::int64_t>(v));
  }
  out.erase(std::remove_if(out.begin(), out.end(), [](const Pocket& p) { return p.voxels.empty(); }), out.end());
  return out;
}

}  // namespace

std::vector<DefectCandidate> bites(const BoneScan& scan, const WorkGrid& grid) {
  const LabelVolume inside = image::fillHoles(grid.bone);
  const double voxel_mm = inside.frame.spacing_mm.maxCoeff();
  std::vector<DefectCandidate> out;
  for (const double radius_mm : {7.0, 14.0, 24.0}) {
    const LabelVolume closed = image::close(inside, radius_mm);
    LabelVolume pockets(inside.frame);
    for (std::size_t v = 0; v < pockets.voxels.size(); ++v)
      pockets.voxels[v] = closed.voxels[v] && !inside.voxels[v] && grid.ct.voxels[v] > kAir_hu ? 1 : 0;
    for (const double neck_mm : {kSliver_mm, radius_mm / 4}) {
      if (neck_mm > kSliver_mm && neck_mm < 1.5 * voxel_mm) continue;
      std::vector<Pocket> list = pocketsOf(image::open(pockets, std::max(neck_mm, 1.01 * voxel_mm)));
      std::vector<DefectCandidate> found(list.size());
      core::parallelFor(static_cast<std::int64_t>(list.size()), [&](std::int64_t p) {
        Pocket& pocket = list[static_cast<std::size_t>(p)];
        DefectCandidate& candidate = found[static_cast<std::size_t>(p)];
        const Mouth mouth = mouthOf(inside, closed, pocket);
        candidate.evidence = evidenceOf(scan, grid, inside, closed, pocket, radius_mm);
        candidate.evidence.push_back(mouth.radius_mm);
        candidate.evidence.push_back(grow(scan, grid, inside, mouth, pocket));
        candidate.voxels = grid.fine(pocket.voxels, scan.ct.frame);
      });
      for (DefectCandidate& candidate : found) out.push_back(std::move(candidate));
    }
  }
  return out;
}

}  // namespace osteo::segment
