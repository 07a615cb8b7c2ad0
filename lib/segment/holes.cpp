#include "segment/holes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/parallel.h"

namespace osteo::segment {

namespace {

/// One slice of the mask, copied out: `cells` 0 open, 1 mask.
struct Slice {
  int nu = 0, nv = 0;
  double su = 1, sv = 1;
  std::int64_t base = 0, du = 0, dv = 0;
  std::int64_t voxel(int u, int v) const { return base + u * du + v * dv; }
};

/// Flood-fills the region of open cells at `start`; tells its size, outline, HU and whether it reaches the slice's
/// border.
struct Hole {
  std::vector<int> cells;
  double area = 0, outline = 0;
  double mean_hu = 0, std_hu = 0, air = 0;  ///< air: share below -250 HU
  double ring_hu = 0;                       ///< mean of the mask along the outline
  bool closed = true;

  /// Outlines of pixels are 4 / pi times too long on average.
  double radius() const { return 2 * area / (outline * 0.785); }
  /// 2 votes when the content can't be soft tissue, 1 when only the shape speaks for marrow, 0 against.
  int votes(const HoleLimits& limits) const {
    if (!closed || radius() > limits.radius_mm || air > 0.05) return 0;
    const bool cancellous = mean_hu > limits.soft_hu + 20;
    const bool yellow_marrow = mean_hu < limits.soft_hu - 40 && std_hu < 60 && ring_hu > limits.soft_hu + 500;
    return cancellous || yellow_marrow ? 2 : 1;
  }
};

Hole flood(const Slice& s, std::vector<std::uint8_t>& seen, int start, const image::CtVolume& ct,
           const image::LabelVolume& mask) {
  Hole hole;
  hole.cells.push_back(start);
  seen[static_cast<std::size_t>(start)] = 1;
  for (std::size_t next = 0; next < hole.cells.size(); ++next) {
    const int u = hole.cells[next] % s.nu, v = hole.cells[next] / s.nu;
    const double hu = ct.voxels[static_cast<std::size_t>(s.voxel(u, v))];
    hole.mean_hu += hu;
    hole.std_hu += hu * hu;
    hole.air += hu < -250 ? 1 : 0;
    const std::array<std::array<int, 2>, 4> sides{{{u - 1, v}, {u + 1, v}, {u, v - 1}, {u, v + 1}}};
    for (std::size_t side = 0; side < 4; ++side) {
      const auto [a, b] = sides[side];
      if (a < 0 || b < 0 || a >= s.nu || b >= s.nv) {
        hole.closed = false;
        continue;
      }
      if (mask.voxels[static_cast<std::size_t>(s.voxel(a, b))]) {
        const double edge = side < 2 ? s.sv : s.su;
        hole.outline += edge;
        hole.ring_hu += edge * ct.voxels[static_cast<std::size_t>(s.voxel(a, b))];
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
  hole.mean_hu /= n;
  hole.std_hu = std::sqrt(std::max(0.0, hole.std_hu / n - hole.mean_hu * hole.mean_hu));
  hole.air /= n;
  hole.ring_hu /= std::max(hole.outline, 1e-9);
  hole.area = n * s.su * s.sv;
  return hole;
}

}  // namespace

void fillMarrow(image::LabelVolume& mask, const image::CtVolume& ct, const HoleLimits& limits) {
  const image::Frame& frame = mask.frame;
  const std::array<std::int64_t, 3> stride{1, frame.size[0], std::int64_t{frame.size[0]} * frame.size[1]};
  std::vector<std::uint8_t> votes(mask.voxels.size(), 0);
  for (int axis = 0; axis < 3; ++axis) {
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
        const int vote = hole.votes(limits);
        if (vote == 0) continue;
        for (const int c : hole.cells)
          votes[static_cast<std::size_t>(s.voxel(c % s.nu, c / s.nu))] += static_cast<std::uint8_t>(vote);
      }
    });
  }
  for (std::size_t i = 0; i < votes.size(); ++i) {
    if (votes[i] >= 2) mask.voxels[i] = 1;
  }
}

}  // namespace osteo::segment
