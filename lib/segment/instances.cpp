#include "segment/instances.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <queue>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/filters.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "segment/holes.h"
#include "segment/partition.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

constexpr double kReach_mm = 4;       ///< half the widest joint space that is seen as a dark sheet
constexpr double kGapShare = 0.5;     ///< of two bones' border that must run through joint space
constexpr double kShallow = 0.5;      ///< a neck this wide, against the thinner of two basins, joins them at once
constexpr std::uint16_t kFirst = 10;  ///< label of the first bone
constexpr double kBridge_mm = 0.5;    ///< half the widest hole in dense bone that is no joint space
constexpr double kNoisy_hu = 25;      ///< smoothed beyond this

/// Brightest value on one side within reach.
float brightest(const CtVolume& ct, Vector3i at, const Vector3i& step, int steps) {
  float best = -1e9f;
  for (int s = 0; s < steps; ++s) {
    at += step;
    if (!ct.contains(at[0], at[1], at[2])) break;
    best = std::max(best, ct.at(at[0], at[1], at[2]));
  }
  return best;
}

/// The thirteen lines through a voxel and its neighbours.
std::array<Vector3i, 13> lines() {
  std::array<Vector3i, 13> out;
  int n = 0;
  for (int d = 14; d < 27; ++d) out[static_cast<std::size_t>(n++)] = {d % 3 - 1, d / 3 % 3 - 1, d / 9 - 1};
  return out;
}

/// A voxel is a valley when both sides of it, along any line, rise above it by more than noise does and reach dense
/// bone.
LabelVolume withoutValleys(const LabelVolume& whole, const CtVolume& ct, const Separation& how) {
  const double rise = std::max(100.0, 4 * how.noise_hu), dense = how.soft_hu + 200;
  const auto directions = lines();
  LabelVolume out = whole;
  core::parallelFor(ct.frame.size[2], [&](std::int64_t k) {
    auto voxel = static_cast<std::size_t>(k * ct.frame.size[0] * ct.frame.size[1]);
    for (int j = 0; j < ct.frame.size[1]; ++j) {
      for (int i = 0; i < ct.frame.size[0]; ++i, ++voxel) {
        if (!whole.voxels[voxel]) continue;
        const float hu = ct.voxels[voxel];
        for (const Vector3i& d : directions) {
          const double length = d.cast<double>().cwiseProduct(ct.frame.spacing_mm).norm();
          const int steps = std::max(1, static_cast<int>(std::lround(kReach_mm / length)));
          const Vector3i at(i, j, static_cast<int>(k));
          const double a = brightest(ct, at, d, steps);
          if (a < dense || a < hu + rise) continue;
          const double b = brightest(ct, at, -d, steps);
          if (b < dense || b < hu + rise) continue;
          out.voxels[voxel] = 0;
          break;
        }
      }
    }
  });
  return out;
}

/// Places of the mask's voxels by decreasing depth (ties by place).
std::vector<std::int64_t> byDepth(const LabelVolume& whole, const CtVolume& depth) {
  std::vector<std::int64_t> order;
  for (std::size_t v = 0; v < whole.voxels.size(); ++v) {
    if (whole.voxels[v]) order.push_back(static_cast<std::int64_t>(v));
  }
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return depth.voxels[static_cast<std::size_t>(a)] > depth.voxels[static_cast<std::size_t>(b)];
  });
  return order;
}

/// Basins that flooding joins.
class Basins {
 public:
  int add(float peak) {
    parent_.push_back(static_cast<int>(parent_.size()));
    peak_.push_back(peak);
    return parent_.back();
  }
  int root(int a) const {
    while (parent_[static_cast<std::size_t>(a)] != a) a = parent_[static_cast<std::size_t>(a)];
    return a;
  }
  float peak(int a) const { return peak_[static_cast<std::size_t>(a)]; }
  int join(int a, int b) {
    if (peak(b) > peak(a) || (peak(a) == peak(b) && b < a)) std::swap(a, b);
    parent_[static_cast<std::size_t>(b)] = a;
    return a;
  }
  std::size_t size() const { return parent_.size(); }

 private:
  std::vector<int> parent_;
  std::vector<float> peak_;
};

/// Floods the depth from its peaks; basins that meet above kShallow of the lower peak are one. What has no depth is
/// left at -1.
Basins flood(const LabelVolume& whole, const CtVolume& depth, image::Volume<std::int32_t>& basin) {
  Basins basins;
  for (const std::int64_t voxel : byDepth(whole, depth)) {
    const float level = depth.voxels[static_cast<std::size_t>(voxel)];
    if (level <= 0) break;
    int mine = -1;
    image::forFaceNeighbours(whole.frame, voxel, [&](std::int64_t next) {
      const std::int32_t other = basin.voxels[static_cast<std::size_t>(next)];
      if (other < 0) return;
      const int root = basins.root(other);
      if (mine < 0) {
        mine = root;
      } else if (root != mine) {
        if (level >= kShallow * std::min(basins.peak(mine), basins.peak(root)))
          mine = basins.join(mine, root);
        else if (basins.peak(root) > basins.peak(mine))
          mine = root;
      }
    });
    basin.voxels[static_cast<std::size_t>(voxel)] = mine >= 0 ? mine : basins.add(level);
  }
  for (std::int32_t& id : basin.voxels) id = id < 0 ? id : basins.root(id);
  return basins;
}

/// Gives the mask's voxels without a basin to the one that comes to them first, as all spread along the mask (mm).
void grow(const LabelVolume& whole, image::Volume<std::int32_t>& basin) {
  using Front = std::pair<float, std::int64_t>;
  std::priority_queue<Front, std::vector<Front>, std::greater<>> front;
  for (std::size_t v = 0; v < basin.voxels.size(); ++v) {
    if (basin.voxels[v] >= 0) front.push({0.0f, static_cast<std::int64_t>(v)});
  }
  const std::int64_t row = whole.frame.size[0], slice = row * whole.frame.size[1];
  while (!front.empty()) {
    const auto [way, voxel] = front.top();
    front.pop();
    const std::int64_t from = voxel;
    const float so_far = way;
    image::forFaceNeighbours(whole.frame, from, [&](std::int64_t next) {
      std::int32_t& id = basin.voxels[static_cast<std::size_t>(next)];
      if (id >= 0 || !whole.voxels[static_cast<std::size_t>(next)]) return;
      id = basin.voxels[static_cast<std::size_t>(from)];
      const std::int64_t step = std::abs(next - from);
      const int axis = step == slice ? 2 : step == row ? 1 : 0;
      front.push({so_far + static_cast<float>(whole.frame.spacing_mm[axis]), next});
    });
  }
}

/// The border of two basins: faces, and how many of them lie in joint space. Basins that touch by edges or corners
/// alone have a border of none.
struct Border {
  double faces_mm2 = 0, gap_mm2 = 0;
};
using Borders = std::map<std::pair<int, int>, Border>;

Borders borders(const image::Volume<std::int32_t>& basin, const LabelVolume& tight) {
  Borders out;
  const image::Frame& frame = basin.frame;
  const auto directions = lines();
  Vector3i at;
  std::size_t v = 0;
  for (at[2] = 0; at[2] < frame.size[2]; ++at[2]) {
    for (at[1] = 0; at[1] < frame.size[1]; ++at[1]) {
      for (at[0] = 0; at[0] < frame.size[0]; ++at[0], ++v) {
        const std::int32_t a = basin.voxels[v];
        if (a < 0) continue;
        for (const Vector3i& d : directions) {
          const Vector3i to = at + d;
          if (!basin.contains(to[0], to[1], to[2])) continue;
          const auto next = static_cast<std::size_t>(basin.index(to[0], to[1], to[2]));
          const std::int32_t b = basin.voxels[next];
          if (b < 0 || b == a) continue;
          Border& border = out[{std::min(a, b), std::max(a, b)}];
          if (d.cwiseAbs().sum() > 1) continue;
          const double area = frame.voxelVolume_mm3() / frame.spacing_mm.dot(d.cast<double>());
          border.faces_mm2 += area;
          if (!tight.voxels[v] || !tight.voxels[next]) border.gap_mm2 += area;
        }
      }
    }
  }
  return out;
}

/// Joins basins over solid borders, the widest first, then what is too small with what it touches most.
std::vector<int> joinBasins(Borders pairs, std::vector<double> volume_mm3, double min_mm3) {
  std::vector<int> to(volume_mm3.size());
  std::iota(to.begin(), to.end(), 0);
  const auto solid = [](const Border& b) { return b.faces_mm2 - b.gap_mm2; };
  for (;;) {
    auto best = pairs.end();
    double widest = -1;
    for (auto p = pairs.begin(); p != pairs.end(); ++p) {
      const auto a = static_cast<std::size_t>(p->first.first), b = static_cast<std::size_t>(p->first.second);
      const bool one = p->second.gap_mm2 < kGapShare * p->second.faces_mm2;
      const bool crumb = std::min(volume_mm3[a], volume_mm3[b]) < min_mm3;
      if (!one && !crumb) continue;
      const double rank = one ? 1e9 + solid(p->second) : p->second.faces_mm2;
      if (rank > widest) widest = rank, best = p;
    }
    if (best == pairs.end()) return to;
    const auto [keep, gone] = best->first;
    pairs.erase(best);
    Borders next;
    for (const auto& [key, border] : pairs) {
      const int a = key.first == gone ? keep : key.first, b = key.second == gone ? keep : key.second;
      Border& sum = next[{std::min(a, b), std::max(a, b)}];
      sum.faces_mm2 += border.faces_mm2;
      sum.gap_mm2 += border.gap_mm2;
    }
    pairs = std::move(next);
    volume_mm3[static_cast<std::size_t>(keep)] += volume_mm3[static_cast<std::size_t>(gone)];
    std::replace(to.begin(), to.end(), gone, keep);
  }
}

/// Labels the basins from the largest down and lists them.
Bones listBones(const image::Volume<std::int32_t>& ids, std::size_t first_named,
                const std::vector<Identity>& identities) {
  const image::Frame& frame = ids.frame;
  const std::size_t count = first_named + identities.size();
  std::vector<double> voxels(count, 0);
  std::vector<Eigen::Vector3d> sum(count, Eigen::Vector3d::Zero());
  std::vector<char> cut(count, 0);
  std::size_t v = 0;
  for (int k = 0; k < frame.size[2]; ++k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i, ++v) {
        if (ids.voxels[v] < 0) continue;
        const auto b = static_cast<std::size_t>(ids.voxels[v]);
        voxels[b] += 1;
        sum[b] += Eigen::Vector3d(i, j, k);
        const Vector3i at(i, j, k);
        cut[b] = cut[b] || (at.array() == 0).any() || (at.array() == frame.size.array() - 1).any() ? 1 : 0;
      }
    }
  }
  std::vector<std::size_t> order;
  for (std::size_t b = 0; b < voxels.size(); ++b) {
    if (voxels[b] > 0) order.push_back(b);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return voxels[a] > voxels[b]; });
  Bones out{LabelVolume(frame), {}};
  std::vector<std::uint16_t> label(count, 0);
  for (const std::size_t b : order) {
    if (kFirst + out.list.size() > std::numeric_limits<std::uint16_t>::max())
      break;  // crumbs that no label is left for
    label[b] = static_cast<std::uint16_t>(kFirst + out.list.size());
    out.list.push_back({label[b], voxels[b] * frame.voxelVolume_mm3(), frame.toWorld(sum[b] / voxels[b]), cut[b] != 0,
                        b >= first_named ? identities[b - first_named] : Identity{}});
  }
  for (v = 0; v < ids.voxels.size(); ++v) {
    if (ids.voxels[v] >= 0) out.labels.voxels[v] = label[static_cast<std::size_t>(ids.voxels[v])];
  }
  return out;
}

/// On a box that holds all bone.
Bones separateInBox(LabelVolume dense, const LabelVolume& whole, CtVolume ct, const Separation& how) {
  const Anatomy anatomy = how.anatomy ? findAnatomy(whole, ct, how.soft_hu) : Anatomy{};
  LabelVolume tight = image::close(dense, kBridge_mm);
  dense = {};
  fillMarrow(tight, ct, how.fill_mm);
  tight = how.noise_hu > kNoisy_hu ? withoutValleys(tight, image::gaussian(ct, 0.75 * ct.frame.spacing_mm.minCoeff()),
                                                    {how.soft_hu, 0.4 * how.noise_hu})
                                   : withoutValleys(tight, ct, how);
  fillMarrow(tight, ct, how.fill_mm);
  ct = {};
  LabelVolume open(whole.frame);
  for (std::size_t v = 0; v < open.voxels.size(); ++v) {
    tight.voxels[v] = tight.voxels[v] && whole.voxels[v] ? 1 : 0;
    open.voxels[v] = tight.voxels[v] ? 0 : 1;
  }
  CtVolume depth = image::distanceMm(open);
  open = {};
  image::Volume<std::int32_t> basin(whole.frame, -1);
  const Basins basins = flood(whole, depth, basin);
  depth = {};
  grow(whole, basin);
  std::vector<double> volume_mm3(basins.size(), 0);
  for (const std::int32_t id : basin.voxels) {
    if (id >= 0) volume_mm3[static_cast<std::size_t>(id)] += whole.frame.voxelVolume_mm3();
  }
  const std::vector<int> to = joinBasins(borders(basin, tight), std::move(volume_mm3), how.min_bone_mm3);
  for (std::int32_t& id : basin.voxels) id = id < 0 ? id : to[static_cast<std::size_t>(id)];
  return listBones(basin, to.size(), partByAnatomy(anatomy, {whole, tight}, static_cast<int>(to.size()), basin));
}

}  // namespace

Bones separateBones(BoneMasks masks, const CtVolume& ct, const Separation& how) {
  const image::Box box = image::boundingBox(masks.whole);
  if (box.empty()) return {LabelVolume(ct.frame), {}};
  const image::Box grown = box.grown(Vector3i::Ones()).within(ct.frame);  // bone on its border is cut off
  const LabelVolume whole = image::crop(masks.whole, grown, std::uint16_t{0});
  masks.whole = {};
  LabelVolume dense = image::crop(masks.dense, grown, std::uint16_t{0});
  masks.dense = {};
  Bones bones = separateInBox(std::move(dense), whole, image::crop(ct, grown, -1000.0f), how);
  LabelVolume labels(ct.frame);
  image::paste(bones.labels, grown, labels);
  bones.labels = std::move(labels);
  return bones;
}

std::map<int, std::string> namesOf(const Bones& bones) {
  std::map<int, std::string> out;
  for (const Bone& bone : bones.list) {
    if (!bone.identity.name.empty()) out[bone.label] = bone.identity.name;
  }
  return out;
}

}  // namespace osteo::segment
