#include "reconstruct/surface.h"

#include <openvdb/tools/ValueTransformer.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "image/resample.h"
#include "levelset/components.h"
#include "levelset/grid.h"
#include "reconstruct/edge_field.h"

namespace osteo::reconstruct {
namespace {

/// Half-level of a blurred step of width sigma: slope = contrast / (sigma √2π). The median over surface points.
double measureBlur(const levelset::LevelSet& surface, const EdgeField& field) {
  const mesh::TriangleMesh mesh = levelset::toMesh(surface);
  const std::size_t stride = std::max<std::size_t>(1, mesh.vertices.size() / 20000);
  const double step = 0.5 * field.grey.frame.spacing_mm.minCoeff();
  std::vector<double> sigmas;
  for (std::size_t v = 0; v < mesh.vertices.size(); v += stride) {
    Eigen::Vector3d slope;
    for (int axis = 0; axis < 3; ++axis) {
      const Eigen::Vector3d shift = Eigen::Vector3d::Unit(axis) * step;
      slope[axis] = (sampleSpline(field.grey, field.grey.frame.toIndex(mesh.vertices[v] + shift)) -
                     sampleSpline(field.grey, field.grey.frame.toIndex(mesh.vertices[v] - shift))) /
                    (2 * step);
    }
    const double contrast = image::sampleLinear(field.contrast, field.grey.frame.toIndex(mesh.vertices[v]), 0.0F);
    if (slope.norm() > 0) sigmas.push_back(contrast / (slope.norm() * 2.5066282746310002));
  }
  if (sigmas.empty()) return 0;
  std::nth_element(sigmas.begin(), sigmas.begin() + sigmas.size() / 2, sigmas.end());
  return sigmas[sigmas.size() / 2];
}

using Tree = openvdb::FloatTree;
using Accessor = openvdb::tree::ValueAccessor<const Tree>;

/// Calls body(leaf, accessor of `source`) for all leaves of `tree`, in parallel.
template <class Body>
void forEachLeaf(Tree& tree, const Tree& source, const Body& body) {
  std::vector<Tree::LeafNodeType*> leaves;
  tree.getNodes(leaves);
  core::parallelChunks(static_cast<std::int64_t>(leaves.size()), 32,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         const Accessor values(source);
                         for (std::int64_t i = first; i < last; ++i) body(*leaves[i], values);
                       });
}

/// Sum of the principal curvatures on a wide stencil.
float curvature(const Accessor& phi, const openvdb::Coord& ijk, float voxel_mm) {
  constexpr int kArm = 2;
  float sum = -6 * phi.getValue(ijk);
  for (int axis = 0; axis < 3; ++axis) {
    openvdb::Coord before = ijk, after = ijk;
    before[axis] -= kArm;
    after[axis] += kArm;
    sum += phi.getValue(before) + phi.getValue(after);
  }
  return sum / (kArm * kArm * voxel_mm * voxel_mm);
}

/// The active voxels of a tree as one list, each with its neighbours one and two voxels away along the axes.
class FlatVoxels {
 public:
  explicit FlatVoxels(const Tree& tree) : ids_(tree, -1, openvdb::TopologyCopy()) {
    std::vector<const Tree::LeafNodeType*> leaves;
    tree.getNodes(leaves);
    for (const auto* leaf : leaves) {
      IdLeaf& ids = *ids_.probeLeaf(leaf->origin());
      for (auto voxel = leaf->cbeginValueOn(); voxel; ++voxel) {
        ids.setValueOnly(voxel.pos(), static_cast<std::int32_t>(values_.size()));
        values_.push_back(*voxel);
      }
    }
    neighbours_.resize(values_.size());
    std::vector<IdLeaf*> id_leaves;
    ids_.getNodes(id_leaves);
    core::parallelChunks(static_cast<std::int64_t>(id_leaves.size()), 32,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           const openvdb::tree::ValueAccessor<const IdTree> ids(ids_);
                           for (std::int64_t i = first; i < last; ++i) findNeighbours(*id_leaves[i], ids);
                         });
  }

  /// Gives every voxel the mean of itself and of the six voxels so far away, as far as they are active.
  void average(int arm) {
    const std::vector<float> before = values_;
    core::parallelChunks(static_cast<std::int64_t>(before.size()), 1 << 14,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           for (std::int64_t i = first; i < last; ++i) {
                             float sum = before[i];
                             int n = 1;
                             for (int k = 0; k < 6; ++k) {
                               const std::int32_t next = neighbours_[i][6 * (arm - 1) + k];
                               sum += next < 0 ? 0.0F : before[next];
                               n += next < 0 ? 0 : 1;
                             }
                             values_[i] = sum / static_cast<float>(n);
                           }
                         });
  }

  void store(Tree& tree) const {
    std::vector<Tree::LeafNodeType*> leaves;
    tree.getNodes(leaves);
    std::size_t i = 0;
    for (auto* leaf : leaves) {
      for (auto voxel = leaf->beginValueOn(); voxel; ++voxel) voxel.setValue(values_[i++]);
    }
  }

 private:
  using IdTree = openvdb::Int32Tree;
  using IdLeaf = IdTree::LeafNodeType;

  void findNeighbours(const IdLeaf& leaf, const openvdb::tree::ValueAccessor<const IdTree>& ids) {
    for (auto voxel = leaf.cbeginValueOn(); voxel; ++voxel) {
      for (int k = 0; k < 12; ++k) {
        openvdb::Coord next = voxel.getCoord();
        next[k % 6 / 2] += (k % 2 == 0 ? -1 : 1) * (1 + k / 6);
        neighbours_[*voxel][k] = ids.getValue(next);
      }
    }
  }

  IdTree ids_;
  std::vector<float> values_;
  std::vector<std::array<std::int32_t, 12>> neighbours_;
};

/// Curvature at the voxels beside the surface, smoothed along it: what is left of the scan's noise in the surface would
/// be sharpened with it.
Tree smoothCurvature(const levelset::LevelSet& surface, double smoothing_mm) {
  const auto h = static_cast<float>(surface.voxel_mm());
  const auto& phi = surface.grid().vdb->tree();
  Tree bend(phi, 0.0F, openvdb::TopologyCopy());
  forEachLeaf(bend, phi, [h](Tree::LeafNodeType& leaf, const Accessor& values) {
    for (auto voxel = leaf.beginValueOn(); voxel; ++voxel) {
      if (std::abs(values.getValue(voxel.getCoord())) > h) {  // farther, the stencil leaves the band
        leaf.setValueOff(voxel.pos());
      } else {
        voxel.setValue(curvature(values, voxel.getCoord(), h));
      }
    }
  });
  // A pair of passes with arms of one and two voxels spreads by √(10/7) voxels along each axis.
  const int passes = 2 * std::clamp(static_cast<int>(0.7 * smoothing_mm * smoothing_mm / (h * h) + 0.5), 1, 8);
  FlatVoxels flat(bend);
  for (int pass = 0; pass < passes; ++pass) flat.average(1 + pass % 2);
  flat.store(bend);
  return bend;
}

/// Blur moves the half level of a curved edge towards its centre by sigma²/2 times the curvature (heat equation): moved
/// back.
levelset::LevelSet undoCurvatureShift(const levelset::LevelSet& surface, double sigma_mm) {
  const auto h = static_cast<float>(surface.voxel_mm());
  const auto strength = static_cast<float>(0.5 * sigma_mm * sigma_mm);
  const Tree bend = smoothCurvature(surface, 1.7 * sigma_mm);
  auto grid = surface.grid().vdb->deepCopy();
  forEachLeaf(grid->tree(), bend, [=](Tree::LeafNodeType& leaf, const Accessor& values) {
    const float most = 0.3F * h;
    float bent = 0;
    for (auto voxel = leaf.beginValueOn(); voxel; ++voxel) {
      if (values.probeValue(voxel.getCoord(), bent)) voxel.setValue(*voxel - std::clamp(strength * bent, -most, most));
    }
  });
  return levelset::wrap(grid);
}

levelset::LevelSet clean(const levelset::LevelSet& surface, double dust_mm3, SurfaceReport& report) {
  using levelset::Components;
  const auto keep = [&](const levelset::Piece& piece) { return piece.volume_mm3 >= dust_mm3; };
  const Components solid(surface, Components::Side::Inside);
  for (const auto& piece : solid.pieces()) {
    report.components += keep(piece) ? 1 : 0;
    report.dust_removed += keep(piece) ? 0 : 1;
    report.dust_mm3 += keep(piece) ? 0 : piece.volume_mm3;
  }
  if (report.components == 0) {
    throw core::Error(core::Exit::DataError, {.what = "every piece of bone is smaller than the dust limit",
                                              .hint = "lower --dust-mm3 or check the labels"});
  }
  const levelset::LevelSet dusted = solid.filtered(keep, false);  // the next step asks for sides only
  const Components hollow(dusted, Components::Side::Outside);
  const auto stays = [&](const levelset::Piece& piece) { return piece.reaches_border || keep(piece); };
  for (const auto& piece : hollow.pieces()) report.cavities_filled += stays(piece) ? 0 : 1;
  return levelset::redistance(hollow.filtered(stays, false));
}

/// Box of the bone's voxels in mm, with a margin.
void worldBox(const image::Box& box, const image::Frame& frame, Eigen::Vector3d& low, Eigen::Vector3d& high) {
  const Eigen::Vector3i first = box.low, last = box.low + box.size - Eigen::Vector3i::Ones();
  low = Eigen::Vector3d::Constant(1e300);
  high = -low;
  for (int c = 0; c < 8; ++c) {
    Eigen::Vector3d corner;
    for (int axis = 0; axis < 3; ++axis) corner[axis] = (c >> axis & 1) != 0 ? last[axis] + 2.5 : first[axis] - 2.5;
    low = low.cwiseMin(frame.toWorld(corner));
    high = high.cwiseMax(frame.toWorld(corner));
  }
}

/// What the edges are found with reaches this far: blur, plateaus and the gate.
const Eigen::Vector3i kMargin = Eigen::Vector3i::Constant(14);

/// 1 for the given labels, 0 for all others.
std::vector<char> table(const std::set<int>& values) {
  std::vector<char> out(65536, 0);
  for (const int value : values) out[value] = 1;
  return out;
}

image::Box boxOf(const image::LabelVolume& labels, const std::set<int>& values) {
  const std::vector<char> is_bone = table(values);
  const Eigen::Vector3i& size = labels.frame.size;
  Eigen::Vector3i first = size, last = Eigen::Vector3i::Constant(-1);
  const std::uint16_t* voxel = labels.voxels.data();
  for (int k = 0; k < size[2]; ++k) {
    for (int j = 0; j < size[1]; ++j, voxel += size[0]) {
      int from = 0, to = size[0] - 1;
      while (from <= to && is_bone[voxel[from]] == 0) ++from;
      if (from > to) continue;
      while (is_bone[voxel[to]] == 0) --to;
      first = first.cwiseMin(Eigen::Vector3i(from, j, k));
      last = last.cwiseMax(Eigen::Vector3i(to, j, k));
    }
  }
  return {first, (last - first).array() + 1};
}

}  // namespace

std::set<int> boneLabels(const image::Segmentation& segmentation, const std::vector<std::string>& wanted) {
  std::vector<char> seen(65536, 0);
  for (const std::uint16_t v : segmentation.labels.voxels) seen[v] = 1;
  std::set<int> present;
  for (int v = 0; v < 65536; ++v) {
    if (seen[v] != 0) present.insert(v);
  }
  present.erase(image::Background);
  std::set<int> chosen;
  for (const std::string& name : wanted) {
    int value = -1;
    for (const auto& [candidate, known] : segmentation.names) value = known == name ? candidate : value;
    if (value < 0 && !name.empty() && name.find_first_not_of("0123456789") == std::string::npos && name.size() < 6)
      value = std::stoi(name);
    if (present.count(value) == 0) {
      std::string got;
      for (const int p : present) {
        const auto known = segmentation.names.find(p);
        got += (got.empty() ? "" : ", ") + std::to_string(p) +
               (known == segmentation.names.end() ? "" : " " + known->second);
      }
      throw core::Error(core::Exit::DataError, {.what = "the labels hold no '" + name + "'", .got = got});
    }
    chosen.insert(value);
  }
  if (!wanted.empty()) return chosen;
  for (const int value : present) {
    if (value == image::Cortical || value == image::Cancellous || value >= 10) chosen.insert(value);
  }
  if (chosen.empty()) {
    throw core::Error(core::Exit::DataError, {.what = "the labels hold no bone",
                                              .expected = "voxels labelled 1, 2, or 10 and above",
                                              .hint = "segment first, or name the labels with --label"});
  }
  return chosen;
}

image::Box boneBox(const image::LabelVolume& labels, const std::set<int>& values) {
  return boxOf(labels, values).grown(kMargin).within(labels.frame);
}

levelset::LevelSet boneSurface(const image::LabelVolume& labels, const image::CtVolume* ct,
                               const SurfaceOptions& options, SurfaceReport& report) {
  const image::Box box = boxOf(labels, options.labels), around = box.grown(kMargin).within(labels.frame);
  const image::LabelVolume part = image::crop(labels, around, std::uint16_t{0});
  std::vector<char> bone(part.voxels.size());
  const std::vector<char> is_bone = table(options.labels);
  std::transform(part.voxels.begin(), part.voxels.end(), bone.begin(), [&](std::uint16_t v) { return is_bone[v]; });
  const EdgeField field = ct != nullptr ? edgesInGreys(bone, image::crop(*ct, around, 0.0F), options.voxel_mm)
                                        : edgesInLabels(bone, part.frame);
  Eigen::Vector3d low, high;
  worldBox(box, labels.frame, low, high);
  levelset::LevelSet surface = levelset::fromFunction(
      std::cref(field), low, high, options.voxel_mm,
      [&](const Eigen::Vector3d& centre, double radius) { return field.certain(centre, radius); });
  const double sigma = measureBlur(surface, field);
  report.blur_sigma_mm = ct != nullptr ? sigma : 0;
  surface = undoCurvatureShift(surface, std::min(sigma, 2 * labels.frame.spacing_mm.maxCoeff()));
  surface = clean(surface, options.dust_mm3, report);
  if (!labels.frame.frame_id.empty()) surface.setMeta("frame_id", labels.frame.frame_id);
  return surface;
}

}  // namespace osteo::reconstruct
