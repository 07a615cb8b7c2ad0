#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "image/filters.h"
#include "segment/defect_candidates.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::LabelVolume;

namespace {

constexpr double kShell_mm = 3;                ///< below the surface: dense bone is looked for
constexpr float kBare = 0.5f, kBare_hu = 120;  ///< of the shell beside, above soft tissue: less is no shell
constexpr double kLeastShell_hu =
    250;  ///< of the shell about a patch: what is thinner than the scan shows tells nothing
constexpr double kLeast_mm2 = 15, kMost_mm2 = 4000, kMost_mm = 30;
constexpr int kSides = 24;  ///< of the polygon about a patch

/// The bone's surface: of each of its voxels the way out and how dense the shell is.
struct Surface {
  const LabelVolume& inside;
  std::vector<std::int64_t> voxels;
  std::vector<Vector3d> normal;
  std::vector<float> shell_hu, typical_hu;  ///< above soft tissue
  image::Volume<std::int32_t> place;        ///< in `voxels`; -1 elsewhere

  Surface(const BoneScan& scan, const WorkGrid& grid) : inside(grid.inside), place(grid.bone.frame, -1) {
    const image::Frame& frame = inside.frame;
    for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
      if (!inside.voxels[static_cast<std::size_t>(v)]) continue;
      bool open = false;
      int sides = 0;
      image::forFaceNeighbours(frame, v, [&](std::int64_t to) {
        ++sides;
        open = open || !inside.voxels[static_cast<std::size_t>(to)];
      });
      if (!open || sides < 6) continue;
      place.voxels[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(voxels.size());
      voxels.push_back(v);
    }
    normal.resize(voxels.size()), shell_hu.resize(voxels.size());
    core::parallelFor(static_cast<std::int64_t>(voxels.size()), [&](std::int64_t n) {
      const auto at = static_cast<std::size_t>(n);
      normal[at] = normalAt(placeOf(voxels[at]));
      shell_hu[at] = static_cast<float>(shellHu(grid, at) - scan.soft_hu);
    });
    smooth();
  }

  Vector3i placeOf(std::int64_t v) const {
    const Vector3i& size = inside.frame.size;
    return {static_cast<int>(v % size[0]), static_cast<int>(v / size[0] % size[1]),
            static_cast<int>(v / size[0] / size[1])};
  }

  /// Runs visit(place) for the surface's voxels that touch one.
  template <class Visit>
  void forNeighbours(int n, const Visit& visit) const {
    const Vector3i at = placeOf(voxels[static_cast<std::size_t>(n)]);
    for (int d = 0; d < 27; ++d) {
      const Vector3i w = at + Vector3i(d % 3 - 1, d / 3 % 3 - 1, d / 9 - 1);
      if (d == 13 || !inside.contains(w[0], w[1], w[2])) continue;
      const std::int32_t to = place.at(w[0], w[1], w[2]);
      if (to >= 0) visit(to);
    }
  }

 private:
  Vector3d normalAt(const Vector3i& at) const {
    Vector3d out = Vector3d::Zero();
    for (int n = 0; n < 125; ++n) {
      const Vector3i d(n % 5 - 2, n / 5 % 5 - 2, n / 25 - 2), v = at + d;
      if (!inside.contains(v[0], v[1], v[2])) continue;
      out += (inside.at(v[0], v[1], v[2]) ? -1 : 1) * d.cast<double>().cwiseProduct(inside.frame.spacing_mm);
    }
    const double length = out.norm();
    return length > 0 ? Vector3d(out / length) : Vector3d::Zero();
  }

  double shellHu(const WorkGrid& grid, std::size_t n) const {
    const Vector3d at = placeOf(voxels[n]).cast<double>();
    double best = -1000;
    for (double mm = 0; mm <= kShell_mm; mm += 0.75)
      best = std::max<double>(
          best, image::sampleLinear(grid.ct, at - mm * normal[n].cwiseQuotient(inside.frame.spacing_mm), -1000));
    return best;
  }

  /// What is typical of the shell about each voxel.
  void smooth() {
    constexpr double kAbout_mm = 8, kMost_hu = 1000;
    image::CtVolume value(inside.frame), weight(inside.frame);
    for (std::size_t n = 0; n < voxels.size(); ++n) {
      value.voxels[static_cast<std::size_t>(voxels[n])] = std::clamp<float>(shell_hu[n], 0, kMost_hu);
      weight.voxels[static_cast<std::size_t>(voxels[n])] = 1;
    }
    value = image::gaussian(value, kAbout_mm), weight = image::gaussian(weight, kAbout_mm);
    typical_hu.resize(voxels.size());
    for (std::size_t n = 0; n < voxels.size(); ++n) {
      const auto v = static_cast<std::size_t>(voxels[n]);
      typical_hu[n] = value.voxels[v] / std::max(weight.voxels[v], 1e-6f);
    }
  }
};

/// A patch of the surface without a shell, the surface about it, and that surface carried on across it.
struct Patch {
  std::vector<std::int32_t> bare, rim;
  double area_mm2 = 0, radius_mm = 0, whole = 0, rim_hu = 0, bare_hu = 0;
  Vector3d centre_mm = Vector3d::Zero(), axis = Vector3d::UnitZ(), u = Vector3d::UnitX(), v = Vector3d::UnitY();
  std::array<double, kSides> hull = {};  ///< how far the patch reaches in each direction across the axis
  Eigen::Matrix<double, 6, 1> terms = Eigen::Matrix<double, 6, 1>::Zero();
  double rms_mm = 0, depth_mm = 0, rim_share = 0;

  static Eigen::Matrix<double, 6, 1> row(double x, double y) {
    return (Eigen::Matrix<double, 6, 1>() << 1, x, y, x * x, x * y, y * y).finished();
  }
  Vector3d local(const Vector3d& p) const {
    const Vector3d d = p - centre_mm;
    return {d.dot(u), d.dot(v), d.dot(axis)};
  }
  double heightAt(const Vector3d& q) const { return terms.dot(row(q[0], q[1])); }
  bool covers(const Vector3d& q, double more_mm) const {
    for (std::size_t s = 0; s < kSides; ++s) {
      const double angle = 2 * M_PI * static_cast<double>(s) / kSides;
      if (q[0] * std::cos(angle) + q[1] * std::sin(angle) > hull[s] + more_mm) return false;
    }
    return true;
  }
};

/// Patches of a size that counts.
std::vector<Patch> patchesOf(const Surface& surface) {
  const image::Frame& frame = surface.inside.frame;
  const double voxel_mm2 = std::pow(frame.voxelVolume_mm3(), 2.0 / 3);
  const auto bare = [&](std::int32_t n) {
    const auto at = static_cast<std::size_t>(n);
    return surface.shell_hu[at] < std::max(kBare * surface.typical_hu[at], kBare_hu);
  };
  std::vector<char> seen(surface.voxels.size(), 0);
  std::vector<Patch> out;
  for (std::size_t start = 0; start < seen.size(); ++start) {
    if (seen[start] || !bare(static_cast<std::int32_t>(start))) continue;
    Patch patch;
    patch.bare = {static_cast<std::int32_t>(start)};
    seen[start] = 1;
    for (std::size_t next = 0; next < patch.bare.size(); ++next) {
      surface.forNeighbours(patch.bare[next], [&](std::int32_t to) {
        if (!seen[static_cast<std::size_t>(to)] && bare(to))
          seen[static_cast<std::size_t>(to)] = 1, patch.bare.push_back(to);
      });
    }
    patch.area_mm2 = static_cast<double>(patch.bare.size()) * voxel_mm2;
    if (patch.area_mm2 >= kLeast_mm2 && patch.area_mm2 <= kMost_mm2) out.push_back(std::move(patch));
  }
  return out;
}

/// The surface about a patch, ring by ring. `seen` is all 0 before and after.
void addRim(const Surface& surface, Patch& patch, std::vector<char>& seen) {
  const double step_mm = std::cbrt(surface.inside.frame.voxelVolume_mm3());
  patch.radius_mm = std::sqrt(patch.area_mm2 / M_PI);
  const int rings = static_cast<int>(std::lround(std::clamp(0.9 * patch.radius_mm, 4.0, 14.0) / step_mm)) + 1;
  std::vector<std::int32_t> front = patch.bare, touched = front;
  for (const std::int32_t n : front) seen[static_cast<std::size_t>(n)] = 1;
  double first = 0, dense = 0;
  for (int r = 0; r < rings; ++r) {
    std::vector<std::int32_t> next;
    for (const std::int32_t n : front) {
      surface.forNeighbours(n, [&](std::int32_t to) {
        const auto at = static_cast<std::size_t>(to);
        if (seen[at]) return;
        seen[at] = 1;
        next.push_back(to), touched.push_back(to);
        const bool shell = surface.shell_hu[at] > 0.7f * surface.typical_hu[at];
        first += 1, dense += shell ? 1 : 0;
        if (r > 0 && shell) patch.rim.push_back(to);
      });
    }
    front = std::move(next);
  }
  for (const std::int32_t n : touched) seen[static_cast<std::size_t>(n)] = 0;
  patch.whole = dense / std::max(first, 1.0);
  patch.rim_share = first / static_cast<double>(patch.bare.size());
  for (const std::int32_t n : patch.rim)
    patch.rim_hu += surface.shell_hu[static_cast<std::size_t>(n)] / static_cast<double>(patch.rim.size());
  for (const std::int32_t n : patch.bare)
    patch.bare_hu += surface.shell_hu[static_cast<std::size_t>(n)] / static_cast<double>(patch.bare.size());
}

/// Carries the surface of the rim on across the patch: a quadric over the plane that the rim faces. False where the rim
/// tells too little.
bool carryOn(const Surface& surface, Patch& patch) {
  constexpr std::size_t kEnough = 20;
  const image::Frame& frame = surface.inside.frame;
  Vector3d axis = Vector3d::Zero();
  for (const std::int32_t n : patch.bare) {
    patch.centre_mm +=
        frame.centre(surface.voxels[static_cast<std::size_t>(n)]) / static_cast<double>(patch.bare.size());
    axis += surface.normal[static_cast<std::size_t>(n)];
  }
  if (axis.norm() < 0.25 * static_cast<double>(patch.bare.size())) return false;
  patch.axis = axis.normalized();
  for (int turn = 0; turn < 2; ++turn) {
    Vector3d sum = patch.axis;
    for (const std::int32_t n : patch.rim) {
      const Vector3d& normal = surface.normal[static_cast<std::size_t>(n)];
      if (normal.dot(patch.axis) > 0.3) sum += normal;
    }
    patch.axis = (0.5 * sum.normalized() + 0.5 * patch.axis).normalized();
  }
  patch.u = patch.axis.unitOrthogonal(), patch.v = patch.axis.cross(patch.u);
  std::vector<Vector3d> points;
  for (const std::int32_t n : patch.rim) {
    if (surface.normal[static_cast<std::size_t>(n)].dot(patch.axis) > 0.35)
      points.push_back(patch.local(frame.centre(surface.voxels[static_cast<std::size_t>(n)])));
  }
  if (points.size() < kEnough) return false;
  std::vector<char> known(points.size(), 1);
  for (int turn = 0; turn < 4; ++turn) {
    Eigen::Matrix<double, 6, 6> normal = 1e-3 * Eigen::Matrix<double, 6, 6>::Identity();
    Eigen::Matrix<double, 6, 1> right = Eigen::Matrix<double, 6, 1>::Zero();
    for (std::size_t n = 0; n < points.size(); ++n) {
      if (!known[n]) continue;
      const auto row = Patch::row(points[n][0], points[n][1]);
      normal += row * row.transpose(), right += points[n][2] * row;
    }
    patch.terms = normal.ldlt().solve(right);
    double squares = 0, count = 0;
    for (std::size_t n = 0; n < points.size(); ++n) {
      if (known[n]) squares += std::pow(points[n][2] - patch.heightAt(points[n]), 2), count += 1;
    }
    patch.rms_mm = std::sqrt(squares / std::max(count, 1.0));
    for (std::size_t n = 0; n < points.size(); ++n)
      known[n] = std::abs(points[n][2] - patch.heightAt(points[n])) < std::max(2.0 * patch.rms_mm, 0.7) ? 1 : 0;
  }
  patch.hull.fill(-1e9);
  for (const std::int32_t n : patch.bare) {
    const Vector3d q = patch.local(frame.centre(surface.voxels[static_cast<std::size_t>(n)]));
    patch.depth_mm += (patch.heightAt(q) - q[2]) / static_cast<double>(patch.bare.size());
    for (std::size_t s = 0; s < kSides; ++s) {
      const double angle = 2 * M_PI * static_cast<double>(s) / kSides;
      patch.hull[s] = std::max(patch.hull[s], q[0] * std::cos(angle) + q[1] * std::sin(angle));
    }
  }
  return *std::max_element(patch.hull.begin(), patch.hull.end()) < kMost_mm;
}

/// What lies between the patch and the surface carried on, on the grid. `seen` is all 0 before and after.
std::vector<std::int64_t> missing(const Surface& surface, const Patch& patch, std::vector<char>& seen) {
  const image::Frame& frame = surface.inside.frame;
  const double voxel_mm = std::cbrt(frame.voxelVolume_mm3());
  std::vector<std::int64_t> out;
  const auto visit = [&](std::int64_t to) {
    const auto at = static_cast<std::size_t>(to);
    if (seen[at] || surface.inside.voxels[at]) return;
    const Vector3d q = patch.local(frame.centre(to));
    if (!patch.covers(q, 0.5 * voxel_mm) || q[2] > patch.heightAt(q) + 0.25 * voxel_mm) return;
    if (q[2] < -2 * kMost_mm) return;
    seen[at] = 1;
    out.push_back(to);
  };
  for (const std::int32_t n : patch.bare)
    image::forFaceNeighbours(frame, surface.voxels[static_cast<std::size_t>(n)], visit);
  for (std::size_t next = 0; next < out.size(); ++next) image::forFaceNeighbours(frame, out[next], visit);
  for (const std::int64_t v : out) seen[static_cast<std::size_t>(v)] = 0;
  std::sort(out.begin(), out.end());
  return out;
}

/// How much a patch looks like one that something was taken from: the surface about it has a dense shell and goes on
/// smoothly across it, well above it; what is missing is about as deep as the patch is wide, and neither fat nor metal.
/// Limits set by hand on 209 phantom scenes (phantom cases, seeds 310 and 333) and eight real scans without lesions.
double scoreOf(const BoneScan& scan, const WorkGrid& grid, const Patch& patch,
               const std::vector<std::int64_t>& voxels) {
  double mean_hu = 0;
  for (const std::int64_t v : voxels)
    mean_hu += (grid.ct.voxels[static_cast<std::size_t>(v)] - scan.soft_hu) / static_cast<double>(voxels.size());
  const double voxel_mm3 = grid.ct.frame.voxelVolume_mm3(), volume = static_cast<double>(voxels.size()) * voxel_mm3;
  const double deep = patch.depth_mm / patch.radius_mm;
  return beyond(patch.rim_hu, 420, 25) * beyond(patch.whole, 0.86, 0.015) *
         beyond(patch.rms_mm / patch.radius_mm, 0.19, -0.015) * beyond(patch.rms_mm, 2.1, -0.08) *
         beyond(deep, 0.38, 0.03) * beyond(deep, 1.1, -0.04) * beyond(patch.depth_mm / std::cbrt(voxel_mm3), 1.5, 0.1) *
         beyond(volume / std::pow(patch.radius_mm, 3), 2.6, -0.1) *
         beyond((patch.rim_hu - patch.bare_hu) / scan.noise_hu, 9, 0.8) * beyond(mean_hu, 15, 3) *
         beyond(mean_hu, 170, -8) * beyond(patch.area_mm2, 33, 1.5) * beyond(patch.rim_share, 3, 0.15);
}

}  // namespace

std::vector<DefectCandidate> bites(const BoneScan& scan, const WorkGrid& grid) {
  const Surface surface(scan, grid);
  std::vector<DefectCandidate> out;
  std::vector<char> on_surface(surface.voxels.size(), 0), in_grid(grid.inside.voxels.size(), 0);  // all cleared again
  for (Patch& patch : patchesOf(surface)) {
    addRim(surface, patch, on_surface);
    if (patch.rim_hu < kLeastShell_hu || !carryOn(surface, patch)) continue;
    const std::vector<std::int64_t> voxels = missing(surface, patch, in_grid);
    if (voxels.empty()) continue;
    out.push_back({scoreOf(scan, grid, patch, voxels), grid.fine(voxels, scan.ct.frame)});
  }
  return out;
}

}  // namespace osteo::segment
