#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "image/volume.h"
#include "simulate/elastic.h"

namespace osteo::simulate {

/// A further material in a voxel: a share that bears beside the voxel's own (parallel, as an implant that cuts through
/// the voxel), or that lies in a row with it (as a thin layer).
struct Mix {
  std::int64_t voxel;
  std::uint16_t material;  ///< as Filling::material, not 0
  float value, share;
  bool is_layer;
};

/// What fills the voxels of a frame before it becomes a mesh; one voxel is one element.
struct Filling {
  image::Frame frame;
  std::optional<image::Frame> grid = {};             ///< of the file, when the frame is but a part of it
  Eigen::Vector3i offset = Eigen::Vector3i::Zero();  ///< of the frame's first voxel on that grid
  std::vector<std::uint16_t> material;               ///< 0 empty, else 1 + index into the list of materials
  std::vector<float> value;                          ///< solid fraction or relative density; empty: 1 everywhere
  std::vector<std::uint16_t> label = {};             ///< labels for regions; empty unless the model comes from labels
  std::vector<float> poisson = {};  ///< for materials whose value is a modulus; empty: the material's own
  std::vector<Mix> mixes = {};      ///< by rising voxel, applied in order
  bool is_periodic = false;         ///< pieces may hang together across the sides of the grid
};

/// A row of face-connected elements along x, and the first node of each of the four node rows that it touches
/// (index dy + 2·dz); the nodes of a run are contiguous.
struct ElementRun {
  int i = 0, j = 0, k = 0, count = 0;
  std::int64_t element = 0;
  std::array<std::int64_t, 4> node = {};
};

/// A row of contiguous nodes along x.
struct NodeRun {
  int i = 0, j = 0, k = 0, count = 0;
  std::int64_t node = 0;
};

/// Arrays that the vectorised kernel reads end in this many zeros.
constexpr int kPadding = 8;

/// Stiffness per element, MPa. Where all elements are multiples of one tensor, the factor alone is kept; else three
/// (all cubic) or nine entries in the order of Elastic. Arrays end in kPadding zeros.
struct Stiffness {
  Elastic base;
  std::vector<float> scale;               ///< empty when the tensors differ in more than a factor
  std::vector<std::vector<float>> entry;  ///< empty when they don't
  bool isUniform() const { return !scale.empty(); }
  Elastic at(std::size_t e) const {
    if (isUniform()) return double(scale[e]) * base;
    if (entry.size() == 3) return cubic(double(entry[0][e]), double(entry[1][e]), double(entry[2][e]));
    return {double(entry[0][e]), double(entry[1][e]), double(entry[2][e]), double(entry[3][e]), double(entry[4][e]),
            double(entry[5][e]), double(entry[6][e]), double(entry[7][e]), double(entry[8][e])};
  }
};

/// A sparse mesh of equal 8-node bricks: only elements with material and their nodes are stored. Elements and nodes are
/// numbered with x fastest, then y, then z. Node (i, j, k) is the lower corner of voxel (i, j, k).
struct VoxelModel {
  image::Frame frame;
  image::Frame grid;                                 ///< of the file that the frame was cut from, for output
  Eigen::Vector3i offset = Eigen::Vector3i::Zero();  ///< of the frame's first voxel on it
  std::vector<std::int64_t> mixed;                   ///< elements of more than one material, rising
  std::vector<ElementRun> runs;
  std::vector<std::int64_t> layer_start;  ///< first run of each layer k, and the end
  std::vector<NodeRun> node_runs;
  std::vector<std::int64_t> row_start;  ///< first node run of each node row j + (ny+1)·k, and the end
  std::int64_t elements = 0, nodes = 0;
  std::vector<std::uint16_t> material, label;  ///< per element; material is the index into the list; label may be empty
  std::vector<float> value;                    ///< per element, see Filling; empty: 1 everywhere
  Stiffness stiffness;
  std::int64_t dropped_pieces = 0, dropped_elements = 0;

  /// Number of node (i, j, k), -1 where there is none.
  std::int64_t nodeAt(int i, int j, int k) const;
  /// Centre of an element and position of a node in LPS mm.
  Eigen::Vector3d elementPoint(int i, int j, int k) const { return frame.toWorld({double(i), double(j), double(k)}); }
  Eigen::Vector3d nodePoint(int i, int j, int k) const { return frame.toWorld({i - 0.5, j - 0.5, k - 0.5}); }
  Elastic elastic(std::int64_t e) const { return stiffness.at(static_cast<std::size_t>(e)); }
  float valueOf(std::int64_t e) const { return value.empty() ? 1.0F : value[static_cast<std::size_t>(e)]; }
  double bytes() const;
};

/// A face of an element without a neighbour. `axis` is the grid axis, `sign` the outward direction along it.
struct Face {
  std::array<std::int64_t, 4> nodes;
  std::int64_t element;
  int axis, sign;
};

/// Stiffness of a material's value; `poisson` is Filling::poisson where there is one, else NaN.
using ElasticLaw = std::function<Elastic(std::uint16_t material, float value, float poisson)>;

/// Builds the mesh of the largest face-connected piece; other pieces are dropped and counted.
/// Throws DataError when nothing is filled or a stiffness is not positive.
VoxelModel buildModel(const Filling& filling, const ElasticLaw& law);

/// All outer faces, element by element.
std::vector<Face> exposedFaces(const VoxelModel& model);

/// Calls visit(element, i, j, k, nodes) for every element in order; node a of the brick is at (a & 1, a >> 1 & 1, a >>
/// 2).
template <class Visit>
void forEachElement(const VoxelModel& model, std::int64_t first_run, std::int64_t last_run, const Visit& visit) {
  for (std::int64_t r = first_run; r < last_run; ++r) {
    const ElementRun& run = model.runs[static_cast<std::size_t>(r)];
    for (int x = 0; x < run.count; ++x) {
      std::array<std::int64_t, 8> nodes;
      for (int row = 0; row < 4; ++row) {
        nodes[static_cast<std::size_t>(2 * row)] = run.node[static_cast<std::size_t>(row)] + x;
        nodes[static_cast<std::size_t>(2 * row + 1)] = run.node[static_cast<std::size_t>(row)] + x + 1;
      }
      visit(run.element + x, run.i + x, run.j, run.k, nodes);
    }
  }
}
template <class Visit>
void forEachElement(const VoxelModel& model, const Visit& visit) {
  forEachElement(model, 0, static_cast<std::int64_t>(model.runs.size()), visit);
}

/// Calls visit(node, i, j, k) for every node in order.
template <class Visit>
void forEachNode(const VoxelModel& model, const Visit& visit) {
  for (const auto& run : model.node_runs)
    for (int x = 0; x < run.count; ++x) visit(run.node + x, run.i + x, run.j, run.k);
}

}  // namespace osteo::simulate
