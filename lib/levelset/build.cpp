#include <openvdb/tools/SignedFloodFill.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "levelset/distance.h"
#include "levelset/grid.h"
#include "mesh/measures.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;

/// Where rows of voxels along x enter and leave a closed mesh: an inside test by winding number.
class RowCrossings {
 public:
  RowCrossings(const mesh::TriangleMesh& mesh, double voxel_mm) : mesh_(mesh), per_voxel_(1.0 / voxel_mm) {
    const mesh::Bounds box = mesh::bounds(mesh);
    for (int axis = 0; axis < 2; ++axis) {
      low_[axis] = static_cast<int>(std::floor(box.min[axis + 1] * per_voxel_));
      size_[axis] = static_cast<int>(std::ceil(box.max[axis + 1] * per_voxel_)) - low_[axis] + 1;
    }
    rows_.resize(static_cast<std::size_t>(size_[0]) * size_[1]);
    for (const mesh::Triangle& t : mesh.triangles) add(t);
    for (auto& row : rows_) std::sort(row.begin(), row.end());
  }

  bool inside(const Coord& ijk) const {
    const int y = ijk.y() - low_[0], z = ijk.z() - low_[1];
    if (y < 0 || z < 0 || y >= size_[0] || z >= size_[1]) return false;
    int winding = 0;
    for (const auto& [x, sign] : rows_[static_cast<std::size_t>(z) * size_[0] + y]) {
      if (x > ijk.x()) break;
      winding += sign;
    }
    return winding != 0;
  }

 private:
  /// Whether the edge passes the row's line on the side of larger y; the ends are ordered, so that both triangles of an
  /// edge see the same answer.
  static bool passes(const Eigen::Vector3d& p, const Eigen::Vector3d& q, double y, double z) {
    if ((p.z() > z) == (q.z() > z)) return false;
    const bool ordered = p.z() < q.z() || (p.z() == q.z() && p.y() < q.y());
    const Eigen::Vector3d &a = ordered ? p : q, &b = ordered ? q : p;
    return y < a.y() + (z - a.z()) / (b.z() - a.z()) * (b.y() - a.y());
  }

  void add(const mesh::Triangle& t) {
    const Eigen::Vector3d a = mesh_.vertices[t[0]] * per_voxel_, b = mesh_.vertices[t[1]] * per_voxel_,
                          c = mesh_.vertices[t[2]] * per_voxel_;
    const Eigen::Vector3d low = a.cwiseMin(b).cwiseMin(c), high = a.cwiseMax(b).cwiseMax(c);
    const Eigen::Vector3d normal = (b - a).cross(c - a);
    if (normal.x() == 0) return;
    for (int z = static_cast<int>(std::ceil(low.z())); z <= static_cast<int>(std::floor(high.z())); ++z) {
      for (int y = static_cast<int>(std::ceil(low.y())); y <= static_cast<int>(std::floor(high.y())); ++y) {
        const int passed = passes(a, b, y, z) + passes(b, c, y, z) + passes(c, a, y, z);
        if (passed % 2 == 0) continue;
        const double x = a.x() - (normal.y() * (y - a.y()) + normal.z() * (z - a.z())) / normal.x();
        rows_[static_cast<std::size_t>(z - low_[1]) * size_[0] + (y - low_[0])].emplace_back(x,
                                                                                             normal.x() < 0 ? 1 : -1);
      }
    }
  }

  const mesh::TriangleMesh& mesh_;
  double per_voxel_;
  std::array<int, 2> low_{}, size_{};
  std::vector<std::vector<std::pair<double, int>>> rows_;
};

/// Evaluates an implicit function on voxels low..high (inclusive; outside counts as outside) and keeps those around its
/// zero.
using Evaluate = std::function<void(const Coord& from, int side, std::vector<float>& values)>;

constexpr int kBlock = 32, kMargin = 2, kPadded = kBlock + 2 * kMargin;

/// Keeps the voxels of one block that have a neighbour on the other side, and the neighbours of these (for slopes).
void keepBand(const Coord& origin, const std::vector<float>& values, openvdb::FloatTree& tree) {
  constexpr int kX = kPadded * kPadded, kY = kPadded;
  const auto index = [](int x, int y, int z) { return (x + kMargin) * kX + (y + kMargin) * kY + z + kMargin; };
  // Bit 0: something of the 27 voxels around is inside, bit 1: something is outside; gathered axis by axis.
  std::vector<char> sides(values.size()), near(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) sides[i] = values[i] < 0 ? 1 : 2;
  for (const int step : {1, kY, kX}) {
    near = sides;
    for (std::size_t i = step; i + step < values.size(); ++i) sides[i] = near[i - step] | near[i] | near[i + step];
  }
  for (std::size_t i = 0; i < values.size(); ++i) near[i] = sides[i] == 3 ? 1 : 0;
  openvdb::tree::ValueAccessor<openvdb::FloatTree> out(tree);
  for (int x = 0; x < kBlock; ++x) {
    for (int y = 0; y < kBlock; ++y) {
      for (int z = 0; z < kBlock; ++z) {
        const int at = index(x, y, z);
        const bool kept =
            near[at] + near[at - kX] + near[at + kX] + near[at - kY] + near[at + kY] + near[at - 1] + near[at + 1] > 0;
        if (kept) out.setValue(origin.offsetBy(x, y, z), values[at]);
      }
    }
  }
}

LevelSet fromBlocks(const Eigen::Vector3i& low, const Eigen::Vector3i& high, double voxel_mm,
                    const Evaluate& evaluate) {
  // One voxel of margin closes a surface that reaches the box.
  const Eigen::Vector3i first = (low.array() - 1), count = (high - low).array() / kBlock + 1 + 1;
  const std::int64_t n = std::int64_t{count[0]} * count[1] * count[2];
  std::vector<openvdb::FloatTree::Ptr> parts(n);
  const float background = emptyGrid(voxel_mm)->background();
  core::parallelFor(n, [&](std::int64_t b) {
    const Coord origin(first[0] + static_cast<int>(b % count[0]) * kBlock,
                       first[1] + static_cast<int>(b / count[0] % count[1]) * kBlock,
                       first[2] + static_cast<int>(b / count[0] / count[1]) * kBlock);
    std::vector<float> values(static_cast<std::size_t>(kPadded) * kPadded * kPadded);
    evaluate(origin.offsetBy(-kMargin), kPadded, values);
    const bool side = values[0] < 0;
    if (std::all_of(values.begin(), values.end(), [side](float v) { return (v < 0) == side; })) return;
    parts[b] = std::make_shared<openvdb::FloatTree>(background);
    keepBand(origin, values, *parts[b]);
  });
  auto grid = emptyGrid(voxel_mm);
  for (auto& part : parts) {
    if (part) grid->tree().merge(*part);
  }
  openvdb::tools::signedFloodFill(grid->tree());
  return redistance(wrap(grid));
}

}  // namespace

LevelSet fromMesh(const mesh::TriangleMesh& mesh, double voxel_mm) {
  const mesh::Topology topology = mesh::topology(mesh);
  if (topology.boundary_edges > 0) {
    throw core::Error(core::Exit::DataError, {.what = "the mesh isn't closed",
                                              .expected = "every edge in two triangles",
                                              .got = std::to_string(topology.boundary_edges) + " open edges"});
  }
  const RowCrossings rows(mesh, voxel_mm);
  auto grid = distanceGrid(mesh, voxel_mm, kHalfWidth_voxels,
                           [&rows] { return [&rows](const Coord& ijk) { return rows.inside(ijk); }; });
  LevelSet out = wrap(grid);
  if (!mesh.frame_id.empty()) out.setMeta("frame_id", mesh.frame_id);
  return out;
}

LevelSet fromFunction(const std::function<double(const Eigen::Vector3d&)>& f, const Eigen::Vector3d& min_mm,
                      const Eigen::Vector3d& max_mm, double voxel_mm, const CertainValue& certain) {
  constexpr int kCell = 4;
  static_assert(kPadded % kCell == 0);
  const Eigen::Vector3i low = (min_mm / voxel_mm).array().floor().cast<int>(),
                        high = (max_mm / voxel_mm).array().ceil().cast<int>();
  return fromBlocks(low, high, voxel_mm, [&](const Coord& from, int side, std::vector<float>& values) {
    const int cells = side / kCell;
    for (int cell = 0; cell < cells * cells * cells; ++cell) {
      const Eigen::Vector3i first(cell / (cells * cells) * kCell, cell / cells % cells * kCell, cell % cells * kCell),
          origin = first + Eigen::Vector3i(from.x(), from.y(), from.z());
      const Eigen::Vector3d centre = (origin.cast<double>().array() + 0.5 * (kCell - 1)) * voxel_mm;
      const double known = certain ? certain(centre, 0.87 * (kCell - 1) * voxel_mm) : 0.0;
      for (int n = 0; n < kCell * kCell * kCell; ++n) {
        const Eigen::Vector3i shift(n / (kCell * kCell), n / kCell % kCell, n % kCell), ijk = origin + shift;
        const bool within = (ijk.array() >= low.array()).all() && (ijk.array() <= high.array()).all();
        const Eigen::Vector3i at = first + shift;
        values[(static_cast<std::size_t>(at[0]) * side + at[1]) * side + at[2]] =
            static_cast<float>(!within      ? voxel_mm
                               : known != 0 ? known
                                            : f(ijk.cast<double>() * voxel_mm));
      }
    }
  });
}

LevelSet fromSamples(const std::vector<float>& samples, const Eigen::Vector3i& base, const Eigen::Vector3i& size,
                     double voxel_mm) {
  const std::int64_t row = size[0], slice = row * size[1];
  return fromBlocks(base, base + size - Eigen::Vector3i::Ones(), voxel_mm,
                    [&](const Coord& from, int side, std::vector<float>& values) {
                      std::size_t at = 0;
                      for (int x = from.x() - base[0]; x < from.x() - base[0] + side; ++x) {
                        for (int y = from.y() - base[1]; y < from.y() - base[1] + side; ++y) {
                          for (int z = from.z() - base[2]; z < from.z() - base[2] + side; ++z) {
                            const bool within = x >= 0 && y >= 0 && z >= 0 && x < size[0] && y < size[1] && z < size[2];
                            values[at++] = within ? samples[x + row * y + slice * z] : static_cast<float>(voxel_mm);
                          }
                        }
                      }
                    });
}

}  // namespace osteo::levelset
