#include "segment/holes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/parallel.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "segment/steps.h"

namespace osteo::segment {

namespace {

/// One slice of the mask, copied out: `cells` 0 open, 1 mask.
struct Slice {
  int nu = 0, nv = 0;
  double su = 1, sv = 1;
  std::int64_t base = 0, du = 0, dv = 0;
  std::int64_t voxel(int u, int v) const { return base + u * du + v * dv; }
};

constexpr std::uint8_t kWideCutVote = 4;  ///< not yet settled

/// Flood-fills the open cells from `start`; a marrow space is closed by the mask, or cut off by one side of the image,
/// not too wide and holds no air.
struct Hole {
  std::vector<int> cells;
  double area = 0, outline = 0, air = 0;  ///< air: share below -250 HU
  std::array<double, 4> border{};         ///< of the outline, on each side of the image

  /// What it adds to the votes of its cells.
  std::uint8_t vote(double max_radius_mm) const {
    constexpr double kCutShare = 0.3, kWideCutShare = 0.35;
    const double cut = *std::max_element(border.begin(), border.end());
    // Outlines of pixels are 4 / pi times too long on average.
    if (2 * area / (outline * 0.785) > max_radius_mm || air > 0.05) return 0;
    if (cut == 0) return kClosedVote;
    if (std::count(border.begin(), border.end(), 0.0) < 3 || cut > kWideCutShare * outline) return 0;
    return cut <= kCutShare * outline ? kCutVote : kWideCutVote;
  }
};

Hole flood(const Slice& s, std::vector<std::uint8_t>& seen, int start, const image::CtVolume& ct,
           const image::LabelVolume& mask) {
  Hole hole;
  hole.cells.push_back(start);
  seen[static_cast<std::size_t>(start)] = 1;
  for (std::size_t next = 0; next < hole.cells.size(); ++next) {
    const int u = hole.cells[next] % s.nu, v = hole.cells[next] / s.nu;
    hole.air += ct.voxels[static_cast<std::size_t>(s.voxel(u, v))] < -250 ? 1 : 0;
    const std::array<std::array<int, 2>, 4> sides{{{u - 1, v}, {u + 1, v}, {u, v - 1}, {u, v + 1}}};
    for (std::size_t side = 0; side < 4; ++side) {
      const auto [a, b] = sides[side];
      if (a < 0 || b < 0 || a >= s.nu || b >= s.nv) {
        hole.outline += side < 2 ? s.sv : s.su;
        hole.border[side] += side < 2 ? s.sv : s.su;
        continue;
      }
      if (mask.voxels[static_cast<std::size_t>(s.voxel(a, b))]) {
        hole.outline += side < 2 ? s.sv : s.su;
        continue;
      }
      const int cell = a + s.nu * b;
      if (!seen[static_cast<std::size_t>(cell)]) {
        seen[static_cast<std::size_t>(cell)] = 1;
        hole.cells.push_back(cell);
      }
    }
  }
  const auto n = static_cast<double>(hole.cells.size());
  hole.air /= n;
  hole.area = n * s.su * s.sv;
  return hole;
}

/// Votes of all slices along one axis.
void castAlong(const image::LabelVolume& mask, const image::CtVolume& ct, double max_radius_mm, int axis,
               std::vector<std::uint8_t>& votes) {
  const image::Frame& frame = mask.frame;
  const std::array<std::int64_t, 3> stride{1, frame.size[0], std::int64_t{frame.size[0]} * frame.size[1]};
  const int u = (axis + 1) % 3, v = (axis + 2) % 3;
  core::parallelFor(frame.size[axis], [&](std::int64_t k) {
    const Slice s{frame.size[u],
                  frame.size[v],
                  frame.spacing_mm[u],
                  frame.spacing_mm[v],
                  k * stride[static_cast<std::size_t>(axis)],
                  stride[static_cast<std::size_t>(u)],
                  stride[static_cast<std::size_t>(v)]};
    std::vector<std::uint8_t> seen(static_cast<std::size_t>(s.nu) * static_cast<std::size_t>(s.nv), 0);
    for (int cell = 0; cell < s.nu * s.nv; ++cell) {
      if (seen[static_cast<std::size_t>(cell)]) continue;
      if (mask.voxels[static_cast<std::size_t>(s.voxel(cell % s.nu, cell / s.nu))]) continue;
      const Hole hole = flood(s, seen, cell, ct, mask);
      const std::uint8_t vote = hole.vote(max_radius_mm);
      if (vote == 0) continue;
      for (const int c : hole.cells) {
        std::uint8_t& sum = votes[static_cast<std::size_t>(s.voxel(c % s.nu, c / s.nu))];
        sum = static_cast<std::uint8_t>(sum + vote);
      }
    }
  });
}

/// Of each connected part, from 1 on: the share of its surface that the mask leaves open; the image's border is open,
/// or doesn't count.
std::vector<double> openShares(const image::LabelVolume& mask, const image::Components& parts, bool is_border_open) {
  const image::Frame& frame = mask.frame;
  std::vector<double> surface(parts.voxels.size() + 1, 0), open(parts.voxels.size() + 1, 0);
  Eigen::Vector3i v;
  for (v[2] = 0; v[2] < frame.size[2]; ++v[2]) {
    for (v[1] = 0; v[1] < frame.size[1]; ++v[1]) {
      for (v[0] = 0; v[0] < frame.size[0]; ++v[0]) {
        const auto id = static_cast<std::size_t>(parts.ids.at(v[0], v[1], v[2]));
        if (id == 0) continue;
        for (int side = 0; side < 6; ++side) {
          const Eigen::Vector3i next = v + (side % 2 ? 1 : -1) * Eigen::Vector3i::Unit(side / 2);
          const bool inside = mask.contains(next[0], next[1], next[2]);
          if (inside && parts.ids.at(next[0], next[1], next[2]) > 0) continue;
          const double area = frame.voxelVolume_mm3() / frame.spacing_mm[side / 2];
          if (!inside && !is_border_open) continue;
          surface[id] += area;
          if (!inside || !mask.at(next[0], next[1], next[2])) open[id] += area;
        }
      }
    }
  }
  for (std::size_t id = 1; id < open.size(); ++id) open[id] = surface[id] > 0 ? open[id] / surface[id] : 1;
  return open;
}

/// Adds the connected parts of `candidates` whose surface is nearly closed by the mask; the image border is open.
void addEnclosed(image::LabelVolume& mask, const image::LabelVolume& candidates) {
  constexpr double kOpenShare = 0.3;  // the spinal canal has 0.4 and more, marrow behind foramina 0.1 to 0.3
  const image::Components parts = image::components(candidates, image::Connectivity::Faces);
  const std::vector<double> open = openShares(mask, parts, true);
  for (std::size_t i = 0; i < mask.voxels.size(); ++i) {
    const auto id = static_cast<std::size_t>(parts.ids.voxels[i]);
    if (id > 0 && open[id] < kOpenShare) mask.voxels[i] = 1;
  }
}

/// Makes wide cuts kCutVote or nothing.
void settleWideCuts(const image::LabelVolume& mask, std::vector<std::uint8_t>& votes, bool is_noisy) {
  constexpr double kOpenShare = 0.15;
  const image::Frame& frame = mask.frame;
  Eigen::Vector3i low = frame.size, high = -Eigen::Vector3i::Ones(), at;
  const auto eachWide = [&](const auto& visit) {
    std::size_t v = 0;
    for (at[2] = 0; at[2] < frame.size[2]; ++at[2])
      for (at[1] = 0; at[1] < frame.size[1]; ++at[1])
        for (at[0] = 0; at[0] < frame.size[0]; ++at[0], ++v)
          if (votes[v] % kClosedVote >= kWideCutVote) visit(v);
  };
  eachWide([&](std::size_t) { low = low.cwiseMin(at), high = high.cwiseMax(at); });
  if (high[0] < 0) return;
  const image::Box box =
      image::Box{low, high - low + Eigen::Vector3i::Ones()}.grown(Eigen::Vector3i::Ones()).within(frame);
  const image::LabelVolume near = image::crop(mask, box, std::uint16_t{0});
  image::LabelVolume voted(near.frame);
  forVoxels(near.frame, [&](int i, int j, int k, std::size_t v) {
    const auto whole = static_cast<std::size_t>(mask.index(box.low[0] + i, box.low[1] + j, box.low[2] + k));
    voted.voxels[v] = votes[whole] > 0 ? 1 : 0;
  });
  const image::Components parts = image::components(voted, image::Connectivity::Faces);
  const std::vector<double> open = openShares(near, parts, false);
  eachWide([&](std::size_t v) {
    const Eigen::Vector3i here = at - box.low;
    const auto id = static_cast<std::size_t>(parts.ids.at(here[0], here[1], here[2]));
    const int wide = votes[v] % kClosedVote / kWideCutVote, sure = votes[v] - kWideCutVote * wide;
    const bool counts = sure > 0 || wide > 1 || is_noisy || open[id] < kOpenShare;
    votes[v] = static_cast<std::uint8_t>(sure + (counts ? wide * kCutVote : 0));
  });
}

}  // namespace

std::vector<std::uint8_t> castVotes(const image::LabelVolume& mask, const image::CtVolume& ct, double max_radius_mm,
                                    bool is_noisy) {
  std::vector<std::uint8_t> votes(mask.voxels.size(), 0);
  for (int axis = 0; axis < 3; ++axis) castAlong(mask, ct, max_radius_mm, axis, votes);
  settleWideCuts(mask, votes, is_noisy);
  return votes;
}

void fillMarrow(image::LabelVolume& mask, const image::CtVolume& ct, double max_radius_mm) {
  const std::vector<std::uint8_t> votes = castVotes(mask, ct, max_radius_mm);
  image::LabelVolume single(mask.frame);
  for (std::size_t i = 0; i < votes.size(); ++i) {
    if (votes[i] >= 2 * kClosedVote) mask.voxels[i] = 1;
    if (votes[i] / kClosedVote == 1) single.voxels[i] = 1;
  }
  addEnclosed(mask, single);
}

}  // namespace osteo::segment
