#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "image/morphology.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

// Full cortex shows where it is thick: a high percentile of what is dense; in vivo it is no lighter than the least.
constexpr double kDensest = 0.97, kLeast_hu = 1000, kMost_hu = 1800;
constexpr double kInside = 0.5;       ///< of full cortex: what lies inside is no denser
constexpr int kReach = 3;             ///< voxels over which excess is put together; the point spread ends within it
constexpr int kBeside = 2;            ///< voxels beside the dense shell into which its excess spreads
constexpr double kPlain = 0.6;        ///< of full cortex, from which a voxel is cortical by itself
constexpr double kMostlySoft = 0.35;  ///< of the rise to the cortex next to it, below which a voxel is left out

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

double fullCortex_hu(const LabelVolume& shell, const CtVolume& ct) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(kMost_hu) + 1, 0);
  std::int64_t total = 0, below = 0;
  for (std::size_t v = 0; v < shell.voxels.size(); ++v) {
    if (!shell.voxels[v]) continue;
    ++counts[static_cast<std::size_t>(std::clamp<double>(ct.voxels[v], 0, kMost_hu))];
    ++total;
  }
  std::size_t hu = 0;
  while (hu + 1 < counts.size() && static_cast<double>(below += counts[hu]) < kDensest * static_cast<double>(total)) {
    ++hu;
  }
  return std::max(kLeast_hu, static_cast<double>(hu));
}

/// Level of what lies inside the cortex: the least mean of blocks of two voxels each way, up to two blocks off.
class Inside {
 public:
  Inside(const LabelVolume& whole, const CtVolume& ct, double most_hu) {
    image::Frame frame = whole.frame;
    frame.size = (frame.size.array() + 1) / 2;
    CtVolume means(frame);
    forVoxels(frame, [&](int i, int j, int k, std::size_t block) {
      means.voxels[block] = static_cast<float>(meanOf(whole, ct, 2 * Vector3i(i, j, k), most_hu));
    });
    least_ = CtVolume(frame);
    forVoxels(frame, [&](int i, int j, int k, std::size_t block) {
      float least = means.voxels[block];
      for (int n = 0; n < 125; ++n) {
        const Vector3i at(i + n % 5 - 2, j + n / 5 % 5 - 2, k + n / 25 - 2);
        if (means.contains(at[0], at[1], at[2])) least = std::min(least, means.at(at[0], at[1], at[2]));
      }
      least_.voxels[block] = least;
    });
  }
  double at(int i, int j, int k) const { return least_.at(i / 2, j / 2, k / 2); }

 private:
  /// Of the block's voxels below the bone's surface; most_hu where these are fewer than half.
  static double meanOf(const LabelVolume& whole, const CtVolume& ct, const Vector3i& low, double most_hu) {
    constexpr double kFat_hu = -100;
    double sum = 0;
    int count = 0;
    for (int n = 0; n < 8; ++n) {
      const Vector3i at = low + Vector3i(n % 2, n / 2 % 2, n / 4);
      if (!whole.contains(at[0], at[1], at[2])) continue;
      const std::int64_t v = whole.index(at[0], at[1], at[2]);
      if (!whole.voxels[static_cast<std::size_t>(v)] || onSurface(whole, v)) continue;
      sum += ct.voxels[static_cast<std::size_t>(v)];
      ++count;
    }
    return count >= 4 ? std::clamp(sum / count, kFat_hu, most_hu) : most_hu;
  }

  CtVolume least_;
};

/// How much of full cortex each voxel near the shell holds, above what lies on its side of the cortex.
Shares sharesOf(const LabelVolume& whole, const LabelVolume& shell, const CtVolume& ct, double soft_hu) {
  const double full_hu = fullCortex_hu(shell, ct);
  const Inside inside(whole, ct, kInside * full_hu);
  const std::vector<Vector3i> beside = ball(kBeside);
  Shares out(ct.frame, kFar);
  forVoxels(ct.frame, [&](int i, int j, int k, std::size_t v) {
    const bool near = std::any_of(beside.begin(), beside.end(), [&](const Vector3i& d) {
      return shell.contains(i + d[0], j + d[1], k + d[2]) && shell.at(i + d[0], j + d[1], k + d[2]);
    });
    if (!near) return;
    const bool within = whole.voxels[v] && !onSurface(whole, static_cast<std::int64_t>(v));
    const double base_hu = within ? inside.at(i, j, k) : soft_hu;
    const double share = (ct.voxels[v] - base_hu) / (full_hu - base_hu);
    out.voxels[v] = static_cast<std::int8_t>(std::lround(kFull * std::clamp(share, -0.5, 1.5)));
  });
  return out;
}

}  // namespace

LabelVolume corticalMask(const LabelVolume& whole, const CtVolume& ct, CortexLevels levels) {
  LabelVolume out = denseShell(whole, ct, levels.split_hu);
  const Shares shares = sharesOf(whole, out, ct, levels.soft_hu);
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
  return out;
}

void peelOffCortex(LabelVolume& whole, const LabelVolume& cortical, const CtVolume& ct, double soft_hu) {
  const LabelVolume before = whole;
  forVoxels(whole.frame, [&](int i, int j, int k, std::size_t v) {
    if (!before.voxels[v] || cortical.voxels[v]) return;
    for (int side = 0; side < 6; ++side) {
      const Vector3i d = (side % 2 ? 1 : -1) * Vector3i::Unit(side / 2);
      const Vector3i out = Vector3i(i, j, k) + d, in = Vector3i(i, j, k) - d;
      if (!before.contains(out[0], out[1], out[2]) || before.at(out[0], out[1], out[2])) continue;
      if (!cortical.contains(in[0], in[1], in[2]) || !cortical.at(in[0], in[1], in[2])) continue;
      if (ct.voxels[v] - soft_hu < kMostlySoft * (ct.at(in[0], in[1], in[2]) - soft_hu)) whole.voxels[v] = 0;
    }
  });
}

}  // namespace osteo::segment
