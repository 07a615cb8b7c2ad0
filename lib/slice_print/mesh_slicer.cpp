#include "slice_print/mesh_slicer.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "slice_print/chain.h"

namespace osteo::slice_print {

namespace {

// For each layer the triangles that its plane crosses, in the order of the mesh.
struct Buckets {
  std::vector<std::uint64_t> start;
  std::vector<std::uint32_t> triangles;
};

struct Span {
  int first, last;  // layers [first, last)
};

// Layers whose plane z satisfies min < z ≤ max of the triangle: those with a vertex below and one on or above.
Span layersOf(const mesh::TriangleMesh& mesh, const mesh::Triangle& t, const Stack& stack) {
  const double a = mesh.vertices[t[0]].z(), b = mesh.vertices[t[1]].z(), c = mesh.vertices[t[2]].z();
  const double low = std::min({a, b, c}), high = std::max({a, b, c});
  return {stack.layersUpTo(low), stack.layersUpTo(high)};
}

Buckets sortIntoLayers(const mesh::TriangleMesh& mesh, const Stack& stack) {
  std::vector<Span> spans(mesh.triangles.size());
  constexpr std::int64_t kChunk = 1 << 16;
  core::parallelChunks(static_cast<std::int64_t>(spans.size()), kChunk,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t t = first; t < last; ++t)
                           spans[t] = layersOf(mesh, mesh.triangles[t], stack);
                       });
  Buckets buckets;
  buckets.start.assign(static_cast<std::size_t>(stack.layers) + 1, 0);
  for (const Span& span : spans) {
    for (int layer = span.first; layer < span.last; ++layer) ++buckets.start[layer + 1];
  }
  for (int layer = 0; layer < stack.layers; ++layer) buckets.start[layer + 1] += buckets.start[layer];
  buckets.triangles.resize(buckets.start.back());
  std::vector<std::uint64_t> next(buckets.start.begin(), buckets.start.end() - 1);
  for (std::size_t t = 0; t < spans.size(); ++t) {
    for (int layer = spans[t].first; layer < spans[t].last; ++layer) {
      buckets.triangles[next[layer]++] = static_cast<std::uint32_t>(t);
    }
  }
  return buckets;
}

std::uint64_t edgeKey(std::uint32_t a, std::uint32_t b) {
  return (std::uint64_t{std::min(a, b)} << 32) | std::max(a, b);
}

// Where an edge crosses the plane, computed from its ends in index order: both triangles get the same bits.
Point crossing(const mesh::TriangleMesh& mesh, std::uint32_t a, std::uint32_t b, double z) {
  const Eigen::Vector3d& p = mesh.vertices[std::min(a, b)];
  const Eigen::Vector3d& q = mesh.vertices[std::max(a, b)];
  const double t = (z - p.z()) / (q.z() - p.z());
  return p.head<2>() + t * (q - p).head<2>();
}

// Outward triangles are counter-clockwise, so walking from the edge that goes down to the one that goes up keeps the
// solid left.
Cut cutOf(const mesh::TriangleMesh& mesh, const mesh::Triangle& t, double z) {
  Cut cut;
  for (int k = 0; k < 3; ++k) {
    const std::uint32_t a = t[k], b = t[(k + 1) % 3];
    const bool a_above = mesh.vertices[a].z() >= z, b_above = mesh.vertices[b].z() >= z;
    if (a_above && !b_above) cut.from = edgeKey(a, b), cut.at_from = crossing(mesh, a, b, z);
    if (!a_above && b_above) cut.to = edgeKey(a, b);
  }
  return cut;
}

Rings sliceLayer(const mesh::TriangleMesh& mesh, const Buckets& buckets, const Stack& stack, int layer) {
  const double z = stack.middle_mm(layer);
  std::vector<Cut> cuts;
  cuts.reserve(buckets.start[layer + 1] - buckets.start[layer]);
  for (std::uint64_t i = buckets.start[layer]; i < buckets.start[layer + 1]; ++i) {
    cuts.push_back(cutOf(mesh, mesh.triangles[buckets.triangles[i]], z));
  }
  std::int64_t open = 0;
  Rings rings = chainRings(cuts, open);
  if (open > 0) throw core::Error(core::Exit::Software, {.what = "a slice of a closed mesh stayed open"});
  return rings;
}

}  // namespace

bool isClosedChain(const mesh::TriangleMesh& mesh) {
  std::uint64_t sum = 0;
  for (const mesh::Triangle& t : mesh.triangles) {
    for (int k = 0; k < 3; ++k) {
      const std::uint32_t a = t[k], b = t[(k + 1) % 3];
      if (a == b) continue;
      const std::uint64_t hash = core::mix(edgeKey(a, b));
      sum += a < b ? hash : 0 - hash;
    }
  }
  return sum == 0;
}

Slicer meshSlicer(const mesh::TriangleMesh& mesh, const Stack& stack) {
  auto buckets = std::make_shared<const Buckets>(sortIntoLayers(mesh, stack));
  return [&mesh, stack, buckets](int first, int last, Rings* rings) {
    for (int layer = first; layer < last; ++layer) rings[layer - first] = sliceLayer(mesh, *buckets, stack, layer);
  };
}

}  // namespace osteo::slice_print
