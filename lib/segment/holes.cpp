#include "segment/holes.h"

#include <array>
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
  double area = 0, outline = 0, hu = 0;
  bool closed = true;
};

Hole flood(const Slice& s, std::vector<std::uint8_t>& seen, int start, const image::CtVolume& ct,
           const image::LabelVolume& mask) {
  Hole hole;
  hole.cells.push_back(start);
  seen[static_cast<std::size_t>(start)] = 1;
  for (std::size_t next = 0; next < hole.cells.size(); ++next) {
    const int u = hole.cells[next] % s.nu, v = hole.cells[next] / s.nu;
    hole.hu += ct.voxels[static_cast<std::size_t>(s.voxel(u, v))];
    const std::array<std::array<int, 2>, 4> sides{{{u - 1, v}, {u + 1, v}, {u, v - 1}, {u, v + 1}}};
    for (std::size_t side = 0; side < 4; ++side) {
      const auto [a, b] = sides[side];
      if (a < 0 || b < 0 || a >= s.nu || b >= s.nv) {
        hole.closed = false;
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
  hole.hu /= static_cast<double>(hole.cells.size());
  hole.area = static_cast<double>(hole.cells.size()) * s.su * s.sv;
  return hole;
}

}  // namespace

void fillSliceHoles(image::LabelVolume& mask, const image::CtVolume& ct, double radius_mm, double min_hu) {
  const image::Frame& frame = mask.frame;
  const std::array<std::int64_t, 3> stride{1, frame.size[0], std::int64_t{frame.size[0]} * frame.size[1]};
  const image::LabelVolume before = mask;
  for (int axis = 0; axis < 3; ++axis) {
    const int u = (axis + 1) % 3, v = (axis + 2) % 3;
    std::vector<std::vector<std::int64_t>> found(static_cast<std::size_t>(frame.size[axis]));
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
        if (seen[static_cast<std::size_t>(cell)] ||
            before.voxels[static_cast<std::size_t>(s.voxel(cell % s.nu, cell / s.nu))])
          continue;
        const Hole hole = flood(s, seen, cell, ct, before);
        // Outlines of pixels are 4 / pi times too long on average.
        const double mean_radius = 2 * hole.area / (hole.outline * 0.785);
        if (!hole.closed || mean_radius > radius_mm || hole.hu < min_hu) continue;
        for (const int c : hole.cells) found[static_cast<std::size_t>(k)].push_back(s.voxel(c % s.nu, c / s.nu));
      }
    });
    for (const auto& voxels : found) {
      for (const std::int64_t voxel : voxels) mask.voxels[static_cast<std::size_t>(voxel)] = 1;
    }
  }
}

}  // namespace osteo::segment
