#include "segment/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <queue>

#include "image/morphology.h"
#include "image/resample.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::Frame;
using image::LabelVolume;
using Ids = image::Volume<std::int32_t>;
using Owners = image::Volume<std::int16_t>;  // place in Anatomy::bones; -1: none

namespace {

constexpr float kThroughJoint = 6;  ///< length of a way through joint space, against bone
constexpr double kRibFrom_mm = 28;  ///< beside the vertebra's middle: the neck of its rib
constexpr double kRibTo_mm = 62;    ///< further than any transverse process
constexpr double kRib_mm2 = 300;    ///< a rib's section is less

/// Runs visit(voxel, its place in mm) for the voxels of a box, in mm.
template <class Visit>
void forBox(const Frame& frame, const Eigen::AlignedBox3d& box_mm, const Visit& visit) {
  Eigen::AlignedBox3d box;
  for (int corner = 0; corner < 8; ++corner)
    box.extend(frame.toIndex(box_mm.corner(static_cast<Eigen::AlignedBox3d::CornerType>(corner))));
  const Vector3i low = box.min().array().ceil().max(0).cast<int>();
  const Vector3i high = box.max().array().floor().min(frame.size.array().cast<double>() - 1).cast<int>();
  for (int k = low[2]; k <= high[2]; ++k) {
    for (int j = low[1]; j <= high[1]; ++j) {
      for (int i = low[0]; i <= high[0]; ++i) {
        const std::int64_t voxel = i + std::int64_t{frame.size[0]} * (j + std::int64_t{frame.size[1]} * k);
        visit(static_cast<std::size_t>(voxel), frame.toWorld(Vector3d(i, j, k)));
      }
    }
  }
}

Owners paintSeeds(const Anatomy& anatomy, const LabelVolume& whole) {
  Owners out(whole.frame, -1);
  for (const Seed& seed : anatomy.seeds) {
    forBox(whole.frame, seed.box_mm, [&](std::size_t voxel, const Vector3d& at) {
      if (whole.voxels[voxel] && out.voxels[voxel] < 0 && seed.holds(at))
        out.voxels[voxel] = static_cast<std::int16_t>(seed.bone);
    });
  }
  return out;
}

/// Which ids the seeds part: those with the most of a seed, and those that lie in seeds for their half.
std::vector<char> contested(const Owners& owners, const Ids& ids, std::size_t bones, std::size_t count) {
  std::vector<std::map<std::int32_t, int>> in(bones);
  std::vector<int> all(count, 0), seeded(count, 0);
  for (std::size_t v = 0; v < ids.voxels.size(); ++v) {
    if (ids.voxels[v] < 0) continue;
    const auto id = static_cast<std::size_t>(ids.voxels[v]);
    ++all[id];
    if (owners.voxels[v] < 0) continue;
    ++seeded[id];
    ++in[static_cast<std::size_t>(owners.voxels[v])][ids.voxels[v]];
  }
  std::vector<char> out(count, 0);
  for (std::size_t id = 0; id < count; ++id) out[id] = all[id] > 0 && 2 * seeded[id] >= all[id] ? 1 : 0;
  for (const auto& places : in) {
    const auto most = std::max_element(places.begin(), places.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != places.end()) out[static_cast<std::size_t>(most->first)] = 1;
  }
  return out;
}

/// Spreads the owners through the contested bones.
void spread(const Solid& solid, const Ids& ids, const std::vector<char>& open, Owners& owners) {
  using Front = std::pair<float, std::int64_t>;
  const Frame& frame = owners.frame;
  std::priority_queue<Front, std::vector<Front>, std::greater<>> front;
  image::CtVolume way(frame, std::numeric_limits<float>::max());
  const auto isOpen = [&](std::size_t v) {
    return ids.voxels[v] >= 0 && open[static_cast<std::size_t>(ids.voxels[v])];
  };
  for (std::size_t v = 0; v < owners.voxels.size(); ++v) {
    if (owners.voxels[v] < 0) continue;
    if (isOpen(v))
      way.voxels[v] = 0, front.push({0.0f, static_cast<std::int64_t>(v)});
    else
      owners.voxels[v] = -1;
  }
  const std::int64_t nx = frame.size[0], ny = frame.size[1];
  while (!front.empty()) {
    const auto [so_far, voxel] = front.top();
    front.pop();
    const auto here = static_cast<std::size_t>(voxel);
    if (so_far > way.voxels[here]) continue;
    const Vector3i at(static_cast<int>(voxel % nx), static_cast<int>(voxel / nx % ny),
                      static_cast<int>(voxel / (nx * ny)));
    for (int d = 0; d < 27; ++d) {
      const Vector3i step(d % 3 - 1, d / 3 % 3 - 1, d / 9 - 1), to = at + step;
      if (d == 13 || !owners.contains(to[0], to[1], to[2])) continue;
      const auto next = static_cast<std::size_t>(owners.index(to[0], to[1], to[2]));
      if (!isOpen(next)) continue;
      const auto length = static_cast<float>(step.cast<double>().cwiseProduct(frame.spacing_mm).norm());
      const float sum = so_far + length * (solid.tight.voxels[next] ? 1 : kThroughJoint);
      if (sum >= way.voxels[next]) continue;
      way.voxels[next] = sum;
      owners.voxels[next] = owners.voxels[here];
      front.push({sum, static_cast<std::int64_t>(next)});
    }
  }
}

/// The rib's name where the vertebra's tells: ribs hang on thoracic vertebrae.
Identity ribOf(const Identity& vertebra, bool left) {
  const std::string numbered = "vertebra T", side = left ? "left" : "right";
  if (vertebra.name.rfind(numbered, 0) == 0)
    return {fmt::format("rib {} {}", side, vertebra.name.substr(numbered.size())), "hangs on " + vertebra.name,
            vertebra.score};
  if (vertebra.name.empty() || vertebra.name.find_first_of("LC") != std::string::npos) return {};
  return {fmt::format("rib {} of {}", side, vertebra.name), "hangs on it", vertebra.score};
}

/// What of a vertebra lies kRibFrom_mm and more to one side, its largest part; empty unless that reaches further than
/// its processes do.
LabelVolume hangsOn(const VertebraPlace& place, bool left, const Owners& owners) {
  const Frame& frame = owners.frame;
  LabelVolume beside(frame);
  double far = 0;
  for (std::size_t v = 0; v < owners.voxels.size(); ++v) {
    if (owners.voxels[v] != place.bone) continue;
    const Vector3d at = frame.centre(static_cast<std::int64_t>(v)) - place.centre_mm;
    const double aside = (left ? 1 : -1) * at.dot(place.left);
    beside.voxels[v] = aside > kRibFrom_mm ? 1 : 0;
    far = std::max(far, aside);
  }
  return far < kRibTo_mm ? LabelVolume{} : image::largestComponent(beside, image::Connectivity::Corners);
}

/// Whether a bone is as thin as a rib, by its volume over the diagonal of its box.
bool isThin(const LabelVolume& bone) {
  const double volume_mm3 =
      bone.frame.voxelVolume_mm3() * static_cast<double>(std::count(bone.voxels.begin(), bone.voxels.end(), 1));
  const Vector3d size_mm = image::boundingBox(bone).size.cast<double>().cwiseProduct(bone.frame.spacing_mm);
  return volume_mm3 < kRib_mm2 * size_mm.norm();
}

/// Makes bones of their own of what hangs on vertebrae.
void cutRibs(const Anatomy& anatomy, std::vector<Identity>& bones, Owners& owners) {
  for (const VertebraPlace& place : anatomy.vertebrae) {
    for (const bool left : {true, false}) {
      const LabelVolume beside = hangsOn(place, left, owners);
      if (beside.voxels.empty()) continue;
      bones.push_back(isThin(beside) ? ribOf(bones[static_cast<std::size_t>(place.bone)], left) : Identity{});
      for (std::size_t v = 0; v < owners.voxels.size(); ++v) {
        if (beside.voxels[v]) owners.voxels[v] = static_cast<std::int16_t>(bones.size() - 1);
      }
    }
  }
}

}  // namespace

std::vector<Identity> partByAnatomy(const Anatomy& anatomy, const Solid& solid, int first, Ids& ids) {
  if (anatomy.seeds.empty()) return {};
  Owners owners = paintSeeds(anatomy, solid.whole);
  spread(solid, ids, contested(owners, ids, anatomy.bones.size(), static_cast<std::size_t>(first)), owners);
  std::vector<Identity> bones = anatomy.bones;
  cutRibs(anatomy, bones, owners);
  for (std::size_t v = 0; v < ids.voxels.size(); ++v) {
    if (owners.voxels[v] >= 0) ids.voxels[v] = first + owners.voxels[v];
  }
  return bones;
}

}  // namespace osteo::segment
