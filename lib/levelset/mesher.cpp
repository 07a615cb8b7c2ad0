#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "levelset/cell_block.h"
#include "levelset/cube_table.h"
#include "levelset/grid.h"
#include "mesh/io.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;
using Tree = openvdb::FloatTree;

using Samples = BlockSamples<0>;

constexpr int kVoxels = kSide * kSide * kSide;
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

int offsetOf(int x, int y, int z) { return (x * kSide + y) * kSide + z; }

void count(const Tree& tree, Block& block) {
  Samples s;
  s.fetch(tree, block.origin);
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
  s.forEachCell([&](int, int, int, int inside) {
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

/// Writes one block's vertices and triangles to their places.
class BlockWriter {
 public:
  BlockWriter(const Tree& tree, const std::vector<Block>& blocks, double voxel_mm, mesh::TriangleMesh& mesh)
      : tree_(tree), blocks_(blocks), voxel_mm_(voxel_mm), mesh_(mesh) {}

  void write(const Block& block) {
    if (block.edges == 0 && block.triangles == 0) return;
    samples_.fetch(tree_, block.origin);
    writeEdges(block);
    findNeighbours(block);
    std::uint64_t triangle = block.first_triangle, centroid = block.first_vertex + block.edges;
    samples_.forEachCell([&](int x, int y, int z, int inside) {
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
    return samples_.crossing(origin, cell, axis, voxel_mm_);
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

/// The facets of one block, each with corners of its own.
void addFacets(const Tree& tree, const Coord& origin, double voxel_mm, Samples& samples, std::string& facets) {
  samples.fetch(tree, origin);
  if (samples.uniform()) return;
  samples.forEachCell([&](int x, int y, int z, int inside) {
    const CubeCase& drawn = cubeTable()[inside];
    const auto crossing = [&](int edge) {
      const int corner = edgeCorner(edge);
      return samples.crossing(origin, Coord(x + (corner & 1), y + (corner >> 1 & 1), z + (corner >> 2 & 1)), edge / 4,
                              voxel_mm);
    };
    const auto place = [&](int corner) -> Eigen::Vector3d {
      if (corner < 12) return crossing(corner);
      const auto& loop = drawn.centroids[static_cast<std::size_t>(corner - 12)];
      Eigen::Vector3d sum = Eigen::Vector3d::Zero();
      for (const int edge : loop) sum += crossing(edge);
      return (sum / static_cast<double>(loop.size())).cast<float>().cast<double>();
    };
    for (const auto& t : drawn.triangles) mesh::StlWriter::add(facets, place(t[0]), place(t[1]), place(t[2]));
  });
}

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

}  // namespace

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

void writeStl(const LevelSet& level_set, const std::string& path, const std::string& frame_id) {
  constexpr std::int64_t kRun = 64;  // chunks that are held at once
  const Tree& tree = level_set.grid().vdb->tree();
  const std::vector<Block> blocks = countedBlocks(tree);
  std::int64_t triangles = 0;
  for (const Block& block : blocks) triangles += block.triangles;
  mesh::StlWriter writer(path, frame_id, triangles);
  const auto n = static_cast<std::int64_t>(blocks.size());
  for (std::int64_t start = 0; start < n; start += kRun * kChunk) {
    std::vector<std::string> facets(kRun);
    core::parallelChunks(std::min(kRun * kChunk, n - start), kChunk,
                         [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
                           Samples samples;
                           for (std::int64_t i = start + first; i < start + last; ++i)
                             if (blocks[i].triangles > 0)
                               addFacets(tree, blocks[i].origin, level_set.voxel_mm(), samples, facets[chunk]);
                         });
    for (const std::string& part : facets) writer.append(part);
  }
  writer.finish();
}

}  // namespace osteo::levelset
