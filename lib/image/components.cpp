#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "image/morphology.h"

namespace osteo::image {
namespace {

/// Disjoint sets whose root is always the smallest member, so that roots follow the order of the voxels.
struct Forest {
  std::vector<std::int32_t> parent;

  std::int32_t add() {
    if (parent.size() == static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
      throw core::Error(core::Exit::DataError,
                        {.what = "too many connected parts", .hint = "smooth or crop the volume first"});
    parent.push_back(static_cast<std::int32_t>(parent.size()));
    return parent.back();
  }
  std::int32_t root(std::int32_t a) {
    while (parent[static_cast<std::size_t>(a)] != a) {
      auto& up = parent[static_cast<std::size_t>(a)];
      up = parent[static_cast<std::size_t>(up)];
      a = up;
    }
    return a;
  }
  std::int32_t join(std::int32_t a, std::int32_t b) {
    a = root(a);
    b = root(b);
    const auto low = std::min(a, b);
    parent[static_cast<std::size_t>(std::max(a, b))] = low;
    return low;
  }
};

/// The neighbours that come before a voxel in memory.
std::vector<Eigen::Vector3i> earlierNeighbours(Connectivity connectivity) {
  if (connectivity == Connectivity::Faces) return {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
  std::vector<Eigen::Vector3i> out;
  for (int dz = -1; dz <= 0; ++dz)
    for (int dy = -1; dy <= 1; ++dy)
      for (int dx = -1; dx <= 1; ++dx)
        if (dz < 0 || dy < 0 || (dy == 0 && dx < 0)) out.emplace_back(dx, dy, dz);
  return out;
}

/// First scan: provisional ids in `ids`, joined in the forest (Rosenfeld & Pfaltz 1966).
Forest provisionalIds(const LabelVolume& mask, Connectivity connectivity, Volume<std::int32_t>& ids) {
  Forest forest;
  forest.add();  // 0 is the outside
  const auto neighbours = earlierNeighbours(connectivity);
  const Eigen::Vector3i size = mask.frame.size;
  std::vector<std::int64_t> offsets;
  for (const auto& n : neighbours)
    offsets.push_back(n[0] + std::int64_t{size[0]} * (n[1] + std::int64_t{size[1]} * n[2]));
  std::int64_t at = 0;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i, ++at) {
        if (mask.voxels[static_cast<std::size_t>(at)] == 0) continue;
        std::int32_t id = 0;
        for (std::size_t n = 0; n < neighbours.size(); ++n) {
          const Eigen::Vector3i& step = neighbours[n];
          if (!mask.contains(i + step[0], j + step[1], k + step[2])) continue;
          const auto other = ids.voxels[static_cast<std::size_t>(at + offsets[n])];
          if (other != 0 && other != id) id = id == 0 ? other : forest.join(id, other);
        }
        ids.voxels[static_cast<std::size_t>(at)] = id == 0 ? forest.add() : id;
      }
  return forest;
}

}  // namespace

Components components(const LabelVolume& mask, Connectivity connectivity) {
  Components out;
  out.ids = Volume<std::int32_t>(mask.frame);
  Forest forest = provisionalIds(mask, connectivity, out.ids);
  std::vector<std::int64_t> counts(forest.parent.size(), 0);
  for (std::size_t id = 0; id < counts.size(); ++id) forest.parent[id] = forest.root(static_cast<std::int32_t>(id));
  for (const auto id : out.ids.voxels) ++counts[static_cast<std::size_t>(forest.parent[static_cast<std::size_t>(id)])];
  std::vector<std::int32_t> order;
  for (std::size_t id = 1; id < counts.size(); ++id)
    if (counts[id] > 0) order.push_back(static_cast<std::int32_t>(id));
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return counts[static_cast<std::size_t>(a)] > counts[static_cast<std::size_t>(b)];
  });
  std::vector<std::int32_t> final_id(counts.size(), 0);
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    final_id[static_cast<std::size_t>(order[rank])] = static_cast<std::int32_t>(rank + 1);
    out.voxels.push_back(counts[static_cast<std::size_t>(order[rank])]);
  }
  for (auto& id : out.ids.voxels) id = final_id[static_cast<std::size_t>(forest.parent[static_cast<std::size_t>(id)])];
  return out;
}

namespace {

/// 1 where the part's id lies in [1, last].
LabelVolume firstParts(const Components& parts, std::int32_t last) {
  LabelVolume out(parts.ids.frame);
  for (std::size_t i = 0; i < out.voxels.size(); ++i)
    out.voxels[i] = parts.ids.voxels[i] >= 1 && parts.ids.voxels[i] <= last;
  return out;
}

}  // namespace

LabelVolume largestComponent(const LabelVolume& mask, Connectivity connectivity) {
  return firstParts(components(mask, connectivity), 1);
}

LabelVolume dropSmall(const LabelVolume& mask, std::int64_t min_voxels, Connectivity connectivity) {
  const Components parts = components(mask, connectivity);
  const auto kept =
      std::count_if(parts.voxels.begin(), parts.voxels.end(), [&](std::int64_t n) { return n >= min_voxels; });
  return firstParts(parts, static_cast<std::int32_t>(kept));
}

LabelVolume fillHoles(const LabelVolume& mask) {
  LabelVolume outside(mask.frame);
  for (std::size_t i = 0; i < mask.voxels.size(); ++i) outside.voxels[i] = mask.voxels[i] == 0;
  const Components parts = components(outside, Connectivity::Faces);
  std::vector<char> open(parts.voxels.size() + 1, 0);
  const Eigen::Vector3i last = mask.frame.size - Eigen::Vector3i::Ones();
  for (int k = 0; k <= last[2]; ++k)
    for (int j = 0; j <= last[1]; ++j) {
      const bool whole_row = k == 0 || k == last[2] || j == 0 || j == last[1];
      for (int i = 0; i <= last[0]; i += whole_row ? 1 : std::max(last[0], 1))
        open[static_cast<std::size_t>(parts.ids.at(i, j, k))] = 1;
    }
  for (std::size_t i = 0; i < outside.voxels.size(); ++i) {
    const auto id = parts.ids.voxels[i];
    outside.voxels[i] = id == 0 || open[static_cast<std::size_t>(id)] == 0;
  }
  return outside;
}

}  // namespace osteo::image
