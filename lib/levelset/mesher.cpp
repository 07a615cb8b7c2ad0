#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "levelset/cube_table.h"
#include "levelset/grid.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;
using Tree = openvdb::FloatTree;

constexpr int kSide = 8, kPadded = kSide + 1, kVoxels = kSide * kSide * kSide;
constexpr int kWords = 3 * kVoxels / 64;

/// One 8³ block of cells: which of the edges that start in it are crossed, and where its output begins.
struct Block {
  Coord origin;
  std::array<std::uint64_t, kWords> crossed{};  ///< bit axis·512 + offset
  std::array<std::uint16_t, kWords> before{};   ///< crossings in earlier words
  std::uint32_t edges = 0, centroids = 0, triangles = 0;
  std::uint64_t first_vertex = 0, first_triangle = 0;

  std::uint64_t vertex(int bit) const {
    const std::uint64_t below = crossed[bit >> 6] & ((std::uint64_t{1} << (bit & 63)) - 1);
    return first_vertex + before[bit >> 6] + static_cast<unsigned>(__builtin_popcountll(below));
  }
};

/// The values of a block and of the next layer on its upper sides.
struct Samples {
  std::array<float, kPadded * kPadded * kPadded> value;
  float at(int x, int y, int z) const { return value[(x * kPadded + y) * kPadded + z]; }
  bool uniform() const {
    const bool first = value[0] < 0;
    return std::all_of(value.begin(), value.end(), [first](float v) { return (v < 0) == first; });
  }
};

int offsetOf(int x, int y, int z) { return (x * kSide + y) * kSide + z; }

void fetch(const Tree& tree, const Coord& origin, Samples& samples) {
  const auto copy = [&](int part) {
    const int side[3] = {part & 1, part >> 1 & 1, part >> 2 & 1};
    const Coord from = origin.offsetBy(side[0] * kSide, side[1] * kSide, side[2] * kSide);
    const auto* leaf = tree.probeConstLeaf(from);
    const float* data = leaf != nullptr ? leaf->buffer().data() : nullptr;
    const float tile = leaf != nullptr ? 0.0F : tree.getValue(from);
    const auto extent = [&](int axis) { return side[axis] != 0 ? 1 : kSide; };
    for (int x = 0; x < extent(0); ++x) {
      for (int y = 0; y < extent(1); ++y) {
        for (int z = 0; z < extent(2); ++z) {
          const int at = ((x + side[0] * kSide) * kPadded + y + side[1] * kSide) * kPadded + z + side[2] * kSide;
          samples.value[at] = data != nullptr ? data[offsetOf(x, y, z)] : tile;
        }
      }
    }
  };
  for (int part = 0; part < 8; ++part) copy(part);
}

int cellCase(const Samples& s, int x, int y, int z) {
  int inside = 0;
  for (int c = 0; c < 8; ++c)
    inside |= static_cast<int>(s.at(x + (c & 1), y + (c >> 1 & 1), z + (c >> 2 & 1)) < 0) << c;
  return inside;
}

template <class Body>
void forEachCell(const Samples& samples, const Body& body) {
  for (int x = 0; x < kSide; ++x) {
    for (int y = 0; y < kSide; ++y) {
      for (int z = 0; z < kSide; ++z) {
        const int inside = cellCase(samples, x, y, z);
        if (inside != 0 && inside != 255) body(x, y, z, inside);
      }
    }
  }
}

void count(const Tree& tree, Block& block) {
  Samples s;
  fetch(tree, block.origin, s);
  if (s.uniform()) return;
  for (int x = 0; x < kSide; ++x) {
    for (int y = 0; y < kSide; ++y) {
      for (int z = 0; z < kSide; ++z) {
        const bool here = s.at(x, y, z) < 0;
        const bool next[3] = {s.at(x + 1, y, z) < 0, s.at(x, y + 1, z) < 0, s.at(x, y, z + 1) < 0};
        for (int axis = 0; axis < 3; ++axis) {
          const int bit = axis * kVoxels + offsetOf(x, y, z);
          block.crossed[bit >> 6] |= static_cast<std::uint64_t>(here != next[axis]) << (bit & 63);
        }
      }
    }
  }
  for (int word = 0; word < kWords; ++word) {
    block.before[word] = static_cast<std::uint16_t>(block.edges);
    block.edges += static_cast<unsigned>(__builtin_popcountll(block.crossed[word]));
  }
  forEachCell(s, [&](int, int, int, int inside) {
    const CubeCase& drawn = cubeTable()[inside];
    block.triangles += static_cast<unsigned>(drawn.triangles.size());
    block.centroids += static_cast<unsigned>(drawn.centroids.size());
  });
}

/// Blocks that hold a leaf or touch one on a lower side, in a fixed order.
std::vector<Block> listBlocks(const Tree& tree) {
  std::vector<Coord> origins;
  for (auto leaf = tree.cbeginLeaf(); leaf; ++leaf) {
    for (int part = 0; part < 8; ++part) {
      const Coord shift(part & 1, part >> 1 & 1, part >> 2 & 1);
      origins.push_back(leaf->origin() - Coord(shift.x() * kSide, shift.y() * kSide, shift.z() * kSide));
    }
  }
  std::sort(origins.begin(), origins.end());
  origins.erase(std::unique(origins.begin(), origins.end()), origins.end());
  std::vector<Block> blocks(origins.size());
  for (std::size_t i = 0; i < origins.size(); ++i) blocks[i].origin = origins[i];
  return blocks;
}

/// Where the surface crosses an edge, in mm, rounded to float so that every file format keeps vertices apart.
Eigen::Vector3d crossingOf(const Samples& samples, const Coord& origin, const Coord& cell, int axis, double voxel_mm) {
  Coord end = cell;
  ++end[axis];
  const double a = samples.at(cell.x(), cell.y(), cell.z()), b = samples.at(end.x(), end.y(), end.z());
  const Coord ijk = origin + cell;
  const double reach = std::abs(ijk[axis]) + 1.0;
  const double margin = std::min(0.25, std::max(1e-3, 8 * reach * 0x1p-23));
  const double t = std::clamp(a / (a - b), margin, 1 - margin);
  Eigen::Vector3d p(ijk.x(), ijk.y(), ijk.z());
  p[axis] += std::isfinite(t) ? t : 0.5;
  return (p * voxel_mm).cast<float>().cast<double>();
}

/// Writes one block's vertices and triangles to their places.
class BlockWriter {
 public:
  BlockWriter(const Tree& tree, const std::vector<Block>& blocks, double voxel_mm, mesh::TriangleMesh& mesh)
      : tree_(tree), blocks_(blocks), voxel_mm_(voxel_mm), mesh_(mesh) {}

  void write(const Block& block) {
    if (block.edges == 0 && block.triangles == 0) return;
    fetch(tree_, block.origin, samples_);
    writeEdges(block);
    findNeighbours(block);
    std::uint64_t triangle = block.first_triangle, centroid = block.first_vertex + block.edges;
    forEachCell(samples_, [&](int x, int y, int z, int inside) {
      const CubeCase& drawn = cubeTable()[inside];
      for (const auto& corners : drawn.triangles) {
        mesh::Triangle& out = mesh_.triangles[triangle++];
        for (int k = 0; k < 3; ++k) {
          const std::uint64_t id = corners[k] < 12 ? edgeVertex(x, y, z, corners[k]) : centroid + corners[k] - 12;
          out[k] = static_cast<std::uint32_t>(id);
        }
      }
      for (const auto& loop : drawn.centroids) writeCentroid(block, Coord(x, y, z), loop, centroid++);
    });
  }

 private:
  Eigen::Vector3d crossing(const Coord& origin, const Coord& cell, int axis) const {
    return crossingOf(samples_, origin, cell, axis, voxel_mm_);
  }

  void writeEdges(const Block& block) {
    std::uint64_t vertex = block.first_vertex;
    for (int word = 0; word < kWords; ++word) {
      for (std::uint64_t bits = block.crossed[word]; bits != 0; bits &= bits - 1) {
        const int bit = word * 64 + __builtin_ctzll(bits), offset = bit % kVoxels;
        const Coord cell(offset >> 6, offset >> 3 & 7, offset & 7);
        mesh_.vertices[vertex++] = crossing(block.origin, cell, bit / kVoxels);
      }
    }
  }

  void writeCentroid(const Block& block, const Coord& cell, const std::vector<std::uint8_t>& loop,
                     std::uint64_t vertex) {
    Eigen::Vector3d sum = Eigen::Vector3d::Zero();
    for (const int edge : loop) {
      const int corner = edgeCorner(edge);
      sum += crossing(block.origin, cell + Coord(corner & 1, corner >> 1 & 1, corner >> 2 & 1), edge / 4);
    }
    mesh_.vertices[vertex] = (sum / static_cast<double>(loop.size())).cast<float>().cast<double>();
  }

  void findNeighbours(const Block& block) {
    for (int part = 0; part < 8; ++part) {
      const Coord origin = block.origin.offsetBy((part & 1) * kSide, (part >> 1 & 1) * kSide, (part >> 2 & 1) * kSide);
      const auto found = std::lower_bound(blocks_.begin(), blocks_.end(), origin,
                                          [](const Block& b, const Coord& o) { return b.origin < o; });
      neighbour_[part] = found != blocks_.end() && found->origin == origin ? &*found : nullptr;
    }
  }

  std::uint64_t edgeVertex(int x, int y, int z, int edge) const {
    const int corner = edgeCorner(edge);
    x += corner & 1;
    y += corner >> 1 & 1;
    z += corner >> 2 & 1;
    const Block* owner = neighbour_[(x >> 3) | (y >> 3) << 1 | (z >> 3) << 2];
    if (owner == nullptr) {
      throw core::Error(core::Exit::DataError, {.what = "the level set has a surface outside its narrow band",
                                                .hint = "rebuild it with reconstruct"});
    }
    return owner->vertex((edge / 4) * kVoxels + offsetOf(x & 7, y & 7, z & 7));
  }

  const Tree& tree_;
  const std::vector<Block>& blocks_;
  double voxel_mm_;
  mesh::TriangleMesh& mesh_;
  Samples samples_;
  std::array<const Block*, 8> neighbour_{};
};

constexpr int kChunk = 64;

std::vector<Block> countedBlocks(const Tree& tree) {
  std::vector<Block> blocks = listBlocks(tree);
  cubeTable();
  core::parallelChunks(static_cast<std::int64_t>(blocks.size()), kChunk,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t i = first; i < last; ++i) count(tree, blocks[i]);
                       });
  return blocks;
}

/// Adds the volume under a block's triangles, seen from `centre_mm`, and their area.
void measureBlock(const Tree& tree, const Block& block, double voxel_mm, const Eigen::Vector3d& centre_mm,
                  SurfaceSums& sums) {
  Samples samples;
  fetch(tree, block.origin, samples);
  forEachCell(samples, [&](int x, int y, int z, int inside) {
    const CubeCase& drawn = cubeTable()[inside];
    std::array<Eigen::Vector3d, 12 + 4> corner;
    std::uint32_t known = 0;
    const auto at = [&](int n) -> const Eigen::Vector3d& {
      if ((known >> n & 1) == 0) {
        const int low = edgeCorner(n);
        const Coord cell(x + (low & 1), y + (low >> 1 & 1), z + (low >> 2 & 1));
        corner[n] = crossingOf(samples, block.origin, cell, n / 4, voxel_mm) - centre_mm;
        known |= 1U << n;
      }
      return corner[n];
    };
    for (std::size_t loop = 0; loop < drawn.centroids.size(); ++loop) {
      Eigen::Vector3d sum = Eigen::Vector3d::Zero();
      for (const int edge : drawn.centroids[loop]) sum += at(edge);
      corner[12 + loop] = sum / static_cast<double>(drawn.centroids[loop].size());
      known |= 1U << (12 + loop);
    }
    for (const auto& t : drawn.triangles) {
      const Eigen::Vector3d normal = (at(t[1]) - at(t[0])).cross(at(t[2]) - at(t[0]));
      sums.volume_mm3 += at(t[0]).dot(normal) / 6;
      sums.area_mm2 += normal.norm() / 2;
    }
  });
}

}  // namespace

SurfaceSums measureSurface(const LevelSet& level_set) {
  const Tree& tree = level_set.grid().vdb->tree();
  const std::vector<Block> blocks = countedBlocks(tree);
  const auto n = static_cast<std::int64_t>(blocks.size());
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  const Eigen::Vector3d centre = 0.5 * (min + max).cast<double>() * level_set.voxel_mm();
  std::vector<SurfaceSums> parts(static_cast<std::size_t>((n + kChunk - 1) / kChunk));
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
    SurfaceSums& part = parts[static_cast<std::size_t>(chunk)];
    for (std::int64_t i = first; i < last; ++i) {
      const Block& block = blocks[i];
      part.vertices += block.edges + block.centroids;
      part.triangles += block.triangles;
      if (block.triangles > 0) measureBlock(tree, block, level_set.voxel_mm(), centre, part);
    }
  });
  SurfaceSums sums;
  for (const SurfaceSums& part : parts) {
    sums.volume_mm3 += part.volume_mm3;
    sums.area_mm2 += part.area_mm2;
    sums.vertices += part.vertices;
    sums.triangles += part.triangles;
  }
  return sums;
}

mesh::TriangleMesh toMesh(const LevelSet& level_set) {
  const Tree& tree = level_set.grid().vdb->tree();
  std::vector<Block> blocks = countedBlocks(tree);
  const auto n = static_cast<std::int64_t>(blocks.size());
  std::uint64_t vertices = 0, triangles = 0;
  for (Block& block : blocks) {
    block.first_vertex = vertices;
    block.first_triangle = triangles;
    vertices += block.edges + block.centroids;
    triangles += block.triangles;
  }
  if (vertices > UINT32_MAX) {
    throw core::Error(core::Exit::DataError,
                      {.what = "the surface has more than 2³² vertices", .hint = "choose a larger voxel"});
  }
  mesh::TriangleMesh mesh;
  mesh.frame_id = level_set.frameId();
  mesh.vertices.resize(vertices);
  mesh.triangles.resize(triangles);
  const double voxel_mm = level_set.voxel_mm();
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    BlockWriter writer(tree, blocks, voxel_mm, mesh);
    for (std::int64_t i = first; i < last; ++i) writer.write(blocks[i]);
  });
  return mesh;
}

}  // namespace osteo::levelset
