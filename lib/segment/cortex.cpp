#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "image/morphology.h"
#include "segment/cortex_level.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

constexpr double kInside = 0.5;  ///< of full cortex: what lies inside is no denser
constexpr int kReach = 3;        ///< voxels over which excess is put together; the point spread ends within it
constexpr int kBeside = 2;       ///< voxels beside the dense shell into which its excess spreads
constexpr double kPlain = 0.6;   ///< of full cortex, from which a voxel is cortical by itself
constexpr double kMostly = 0.5;  ///< of full cortex, from which a voxel that covers cortex belongs to it
constexpr double kAny = 1e9;
constexpr double kThin_mm = 1.25;     ///< cortex is rarely thinner; longer voxels may hold marrow beneath it
constexpr double kMostlySoft = 0.35;  ///< of the rise to the cortex next to it, below which such a voxel is no bone

/// Shares of full cortex in 64 parts, from -32 to 96; kFar where no cortex is near.
using Shares = image::Volume<std::int8_t>;
constexpr int kFull = 64;
constexpr std::int8_t kFar = -128;

bool onSurface(const LabelVolume& mask, std::int64_t voxel) {
  bool out = false;
  image::forFaceNeighbours(mask.frame, voxel,
                           [&](std::int64_t w) { out = out || !mask.voxels[static_cast<std::size_t>(w)]; });
  return out;
}

std::vector<Vector3i> ball(int radius) {
  std::vector<Vector3i> out;
  for (int n = 0, side = 2 * radius + 1; n < side * side * side; ++n) {
    const Vector3i d = Vector3i(n % side, n / side % side, n / (side * side)).array() - radius;
    if (d.squaredNorm() <= radius * (radius + 1) - 1) out.push_back(d);
  }
  return out;
}

/// Whether a voxel or one that shares a face with it is on the surface, which blur puts a voxel off the dense.
bool nearSurface(const LabelVolume& mask, std::int64_t voxel) {
  bool out = onSurface(mask, voxel);
  image::forFaceNeighbours(mask.frame, voxel, [&](std::int64_t w) { out = out || onSurface(mask, w); });
  return out;
}

/// Dense voxels of the bone that are connected with its surface.
LabelVolume denseShell(const LabelVolume& whole, const CtVolume& ct, double split_hu) {
  LabelVolume dense(whole.frame);
  forVoxels(whole.frame, [&](int, int, int, std::size_t v) {
    dense.voxels[v] = whole.voxels[v] && ct.voxels[v] >= split_hu ? 1 : 0;
  });
  const image::Components parts = image::components(dense, image::Connectivity::Faces);
  std::vector<char> reaches(parts.voxels.size() + 1, 0);
  for (std::size_t v = 0; v < dense.voxels.size(); ++v) {
    char& reached = reaches[static_cast<std::size_t>(parts.ids.voxels[v])];
    if (dense.voxels[v] && !reached) reached = nearSurface(whole, static_cast<std::int64_t>(v)) ? 1 : 0;
  }
  forVoxels(whole.frame, [&](int, int, int, std::size_t v) {
    if (!reaches[static_cast<std::size_t>(parts.ids.voxels[v])]) dense.voxels[v] = 0;
  });
  return dense;
}

/// Level of what lies inside the cortex, by means of blocks of two voxels each way: the least of those that blur from
/// the shell does not reach, up to one block off, or two where none is so near, or else of any, in thin bone; at most
/// most_hu.
class Inside {
 public:
  Inside(const LabelVolume& whole, const LabelVolume& shell, const CtVolume& ct, double most_hu) {
    image::Frame frame = whole.frame;
    frame.size = (frame.size.array() + 1) / 2;
    CtVolume clear(frame), any(frame);
    forVoxels(frame, [&](int i, int j, int k, std::size_t block) {
      const Vector3i low = 2 * Vector3i(i, j, k);
      clear.voxels[block] = meanOf(whole, ct, low, [&](std::int64_t v) { return touches(shell, v); });
      any.voxels[block] = meanOf(whole, ct, low, [](std::int64_t) { return false; });
    });
    level_ = CtVolume(frame, static_cast<float>(most_hu));
    forVoxels(frame, [&](int i, int j, int k, std::size_t block) {
      if (!holdsBone(whole, 2 * Vector3i(i, j, k))) return;
      for (const auto& [means, reach] : {std::pair{&clear, 1}, {&clear, 2}, {&any, 2}}) {
        const float least = leastAbout(*means, {i, j, k}, reach);
        if (least >= static_cast<float>(most_hu)) continue;
        level_.voxels[block] = least;
        break;
      }
    });
  }
  double at(int i, int j, int k) const { return level_.at(i / 2, j / 2, k / 2); }

 private:
  static bool holdsBone(const LabelVolume& whole, const Vector3i& low) {
    for (int n = 0; n < 8; ++n) {
      const Vector3i at = low + Vector3i(n % 2, n / 2 % 2, n / 4);
      if (whole.contains(at[0], at[1], at[2]) && whole.at(at[0], at[1], at[2])) return true;
    }
    return false;
  }

  static float leastAbout(const CtVolume& means, const Vector3i& middle, int reach) {
    float least = means.at(middle[0], middle[1], middle[2]);
    for (int n = 0, side = 2 * reach + 1; n < side * side * side; ++n) {
      const Vector3i at = middle.array() + Eigen::Array3i(n % side, n / side % side, n / (side * side)) - reach;
      if (means.contains(at[0], at[1], at[2])) least = std::min(least, means.at(at[0], at[1], at[2]));
    }
    return least;
  }

  static bool touches(const LabelVolume& shell, std::int64_t voxel) {
    bool out = shell.voxels[static_cast<std::size_t>(voxel)] != 0;
    image::forFaceNeighbours(shell.frame, voxel,
                             [&](std::int64_t w) { out = out || shell.voxels[static_cast<std::size_t>(w)]; });
    return out;
  }

  /// Of the block's voxels below the bone's surface that are not left out; very high where these are fewer than half.
  template <class LeftOut>
  static float meanOf(const LabelVolume& whole, const CtVolume& ct, const Vector3i& low, const LeftOut& left_out) {
    constexpr double kFat_hu = -100, kNone_hu = 1e9;
    double sum = 0;
    int count = 0;
    for (int n = 0; n < 8; ++n) {
      const Vector3i at = low + Vector3i(n % 2, n / 2 % 2, n / 4);
      if (!whole.contains(at[0], at[1], at[2])) continue;
      const std::int64_t v = whole.index(at[0], at[1], at[2]);
      if (!whole.voxels[static_cast<std::size_t>(v)] || onSurface(whole, v) || left_out(v)) continue;
      sum += ct.voxels[static_cast<std::size_t>(v)];
      ++count;
    }
    return static_cast<float>(count >= 4 ? std::max(sum / count, kFat_hu) : kNone_hu);
  }

  CtVolume level_;
};

/// Whether HU still rise from a voxel near the bone's surface inwards: it lies on the outer side of the cortex.
bool risesInwards(const LabelVolume& whole, const CtVolume& ct, const Vector3i& at) {
  Eigen::Vector3d inwards = Eigen::Vector3d::Zero();
  for (int n = 0; n < 125; ++n) {
    const Vector3i d(n % 5 - 2, n / 5 % 5 - 2, n / 25 - 2), v = at + d;
    if (!whole.contains(v[0], v[1], v[2])) continue;
    inwards += (whole.at(v[0], v[1], v[2]) ? 1 : -1) * d.cast<double>().cwiseProduct(whole.frame.spacing_mm);
  }
  const double length = inwards.norm();
  if (length == 0) return false;
  const Eigen::Vector3d step =
      inwards.cwiseQuotient(whole.frame.spacing_mm) * (whole.frame.spacing_mm.minCoeff() / length);
  const Eigen::Vector3d here = at.cast<double>();
  return image::sampleLinear(ct, here + step, -1000) > image::sampleLinear(ct, here - step, -1000);
}

/// Soft tissue and full cortex.
struct SideLevels {
  double soft_hu, full_hu;
};

/// How much of full cortex each voxel near the shell holds, above what lies on its side of the cortex.
Shares sharesOf(const LabelVolume& whole, const LabelVolume& shell, const CtVolume& ct, SideLevels levels) {
  const double soft_hu = levels.soft_hu, full_hu = levels.full_hu;
  const Inside inside(whole, shell, ct, kInside * full_hu);
  const std::vector<Vector3i> beside = ball(kBeside);
  const bool flanks = ct.frame.spacing_mm.maxCoeff() <= kThin_mm;  // longer voxels show none
  Shares out(ct.frame, kFar);
  forVoxels(ct.frame, [&](int i, int j, int k, std::size_t v) {
    const bool near = std::any_of(beside.begin(), beside.end(), [&](const Vector3i& d) {
      return shell.contains(i + d[0], j + d[1], k + d[2]) && shell.at(i + d[0], j + d[1], k + d[2]);
    });
    if (!near) return;
    const bool outer = !whole.voxels[v] || onSurface(whole, static_cast<std::int64_t>(v)) ||
                       (flanks && risesInwards(whole, ct, {i, j, k}));
    const double base_hu = outer ? soft_hu : inside.at(i, j, k);
    const double share = (ct.voxels[v] - base_hu) / (full_hu - base_hu);
    out.voxels[v] = static_cast<std::int8_t>(std::lround(kFull * std::clamp(share, -0.5, 1.5)));
  });
  return out;
}

/// Whether a voxel of the bone lies on the outside of cortex (no bone on one side of it, cortex on the other) and rises
/// above soft tissue by less than `share` of what the cortex does.
bool covers(const LabelVolume& whole, const LabelVolume& cortical, const CtVolume& ct, const Vector3i& at,
            double soft_hu, double share) {
  for (int side = 0; side < 6; ++side) {
    const Vector3i d = (side % 2 ? 1 : -1) * Vector3i::Unit(side / 2), out = at + d, in = at - d;
    if (!whole.contains(out[0], out[1], out[2]) || whole.at(out[0], out[1], out[2])) continue;
    if (!cortical.contains(in[0], in[1], in[2]) || !cortical.at(in[0], in[1], in[2])) continue;
    if (ct.at(out[0], out[1], out[2]) > ct.at(at[0], at[1], at[2])) continue;  // metal, or another bone's cortex
    if (ct.at(at[0], at[1], at[2]) - soft_hu < share * (ct.at(in[0], in[1], in[2]) - soft_hu)) return true;
  }
  return false;
}

}  // namespace

Cortex findCortex(const LabelVolume& whole, const CtVolume& ct, CortexLevels levels) {
  LabelVolume out = denseShell(whole, ct, levels.split_hu);
  const FullCortex full = fullCortex(whole, out, ct, levels.soft_hu);
  const Shares shares = sharesOf(whole, out, ct, {levels.soft_hu, full.hu});
  const std::vector<Vector3i> reach = ball(kReach);
  forVoxels(ct.frame, [&](int i, int j, int k, std::size_t v) {
    const int mine = whole.voxels[v] ? shares.voxels[v] : kFar;
    out.voxels[v] = 0;
    if (mine == kFar) return;
    int mass = 0, ahead = 0;  // in halves of a voxel, so that equals count half
    for (const Vector3i& d : reach) {
      if (!shares.contains(i + d[0], j + d[1], k + d[2])) continue;
      const int other = shares.at(i + d[0], j + d[1], k + d[2]);
      if (other == kFar) continue;
      mass += 2 * other;
      ahead += other > mine ? 2 : other == mine ? 1 : 0;
    }
    if (kFull * ahead < mass || mine >= kPlain * kFull) out.voxels[v] = 1;
  });
  const LabelVolume inner = out;
  forVoxels(ct.frame, [&](int i, int j, int k, std::size_t v) {
    if (whole.voxels[v] && !inner.voxels[v] && shares.voxels[v] >= kMostly * kFull &&
        covers(whole, inner, ct, {i, j, k}, levels.soft_hu, kAny))
      out.voxels[v] = 1;
  });
  return {std::move(out), full};
}

void peelOffCortex(LabelVolume& whole, const LabelVolume& cortical, const CtVolume& ct, double soft_hu) {
  const LabelVolume before = whole;
  const double share = ct.frame.spacing_mm.maxCoeff() <= kThin_mm ? kAny : kMostlySoft;
  forVoxels(whole.frame, [&](int i, int j, int k, std::size_t v) {
    if (before.voxels[v] && !cortical.voxels[v] && covers(before, cortical, ct, {i, j, k}, soft_hu, share))
      whole.voxels[v] = 0;
  });
}

}  // namespace osteo::segment
