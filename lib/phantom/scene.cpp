#include "phantom/scene.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "phantom/anatomy.h"

namespace osteo::phantom {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

constexpr std::size_t kLabels = 5;  // labels 0 to 4 occur in scenes
constexpr double kSlope = 1.5;      // contract of Shape
constexpr double kStep_mm = 1.6;    // of the lattice that distances are interpolated on
constexpr double kDeep_mm = 10;     // below this depth a bone's cortex and rise of density are not met

/// Share of a cell of this width on the negative side.
double share(double distance, double width) { return std::clamp(0.5 - distance / width, 0.0, 1.0); }

/// What is found at a point.
struct Sample {
  double hu = kAir_hu;
  std::array<double, kLabels> label{1};
  double clearance = 1e9;  ///< distance to the next surface
};

/// Nodes over a block of voxels and their slices' overhang, on which distances are kept and interpolated.
class Lattice {
 public:
  void cover(const Vector3d& low, const Vector3d& extent, const Vector3d& spacing) {
    low_ = low;
    for (int d = 0; d < 3; ++d) {
      cells_[d] = std::max(1, static_cast<int>(std::ceil(extent[d] / std::min(kStep_mm, spacing[d]) - 1e-6)));
      per_mm_[d] = cells_[d] / extent[d];
    }
  }
  std::vector<double> sampled(const Distance& distance, const std::function<Vector3d(const Vector3d&)>& to) const {
    std::vector<double> out;
    out.reserve(static_cast<std::size_t>((cells_[0] + 1) * (cells_[1] + 1) * (cells_[2] + 1)));
    for (int k = 0; k <= cells_[2]; ++k) {
      for (int j = 0; j <= cells_[1]; ++j) {
        for (int i = 0; i <= cells_[0]; ++i)
          out.push_back(distance(to(low_ + Vector3d(i, j, k).cwiseQuotient(per_mm_))));
      }
    }
    return out;
  }
  /// Where interpolation reads from now on.
  void point(const Vector3d& world) {
    const Vector3d q = (world - low_).cwiseProduct(per_mm_);
    int cell[3];
    for (int d = 0; d < 3; ++d) {
      cell[d] = std::clamp(static_cast<int>(q[d]), 0, cells_[d] - 1);
      t_[d] = q[d] - cell[d];
    }
    row_ = static_cast<std::size_t>(cells_[0] + 1), slice_ = row_ * static_cast<std::size_t>(cells_[1] + 1);
    base_ = static_cast<std::size_t>(cell[0]) + row_ * static_cast<std::size_t>(cell[1]) +
            slice_ * static_cast<std::size_t>(cell[2]);
  }
  double read(const std::vector<double>& values) const {
    const double* v = values.data() + base_;
    const auto along = [&](const double* at) { return at[0] + t_[0] * (at[1] - at[0]); };
    const auto across = [&](const double* at) {
      const double a = along(at);
      return a + t_[1] * (along(at + row_) - a);
    };
    const double a = across(v);
    return a + t_[2] * (across(v + slice_) - a);
  }

 private:
  Vector3d low_, per_mm_;
  Vector3i cells_;
  double t_[3] = {};
  std::size_t row_ = 0, slice_ = 0, base_ = 0;
};

/// A tissue near a block of voxels: its distance where the last sample lies, its HU in the middle of the voxel. Without
/// nodes the block lies wholly inside.
struct NearTissue {
  const Tissue* tissue;
  std::vector<double> nodes = {};
  double distance = -1e9, hu = 0;
};

struct NearLesion {
  const Lesion* lesion;
  std::vector<double> nodes = {};
  double distance = 1e9;
};

struct NearBone {
  std::size_t bone;
  std::vector<double> nodes = {};  ///< none deep inside
  double raw = 0;                  ///< distance before the joints take their part
  double depth = 0;                ///< below the surface
  double cortex_mm = 0, spongy_hu = 0;
};

/// Mixes what lies at points of a voxel: distances come from the block's lattice, materials from the voxel's middle.
class Painter {
 public:
  explicit Painter(const Scene& scene) : bone_share(scene.bones.size()), s_(scene), back_(scene.rotation.transpose()) {
    for (const Bone& bone : scene.bones) {
      for (const Joint& joint : bone.joints) widest_ = std::max(widest_, joint.gap_mm + 1);
    }
  }

  /// Shares of the bones at the last sample.
  std::vector<double> bone_share;

  /// Collects what may be met within a box.
  void gather(const Vector3d& low, const Vector3d& extent, const Vector3d& spacing) {
    lattice_.cover(low, extent, spacing);
    const Vector3d world = low + extent / 2, p = toAnatomy(world);
    const double radius = extent.norm() / 2, far = kSlope * radius;
    const auto anatomy = [this](const Vector3d& at) { return toAnatomy(at); };
    collect(
        s_.room, world, radius, [](const Vector3d& at) { return at; }, room_);
    collect(s_.tissue, p, radius, anatomy, tissue_);
    collect(s_.over, p, radius, anatomy, over_);
    bones_.clear(), lesions_.clear();
    for (std::size_t i = 0; i < s_.bones.size(); ++i) {
      const Shape& shape = s_.bones[i].shape;
      if ((p - shape.centre_mm).norm() > shape.radius_mm + radius + widest_) continue;
      const double d = shape.distance(p);
      if (d > far + widest_) continue;
      bones_.push_back({i, {}, d});
      if (d > -far - kDeep_mm) bones_.back().nodes = lattice_.sampled(shape.distance, anatomy);
    }
    for (const Lesion& lesion : s_.lesions) {
      const Shape& shape = lesion.shape;
      const double zone = std::max(lesion.zone_mm, lesion.rim_mm) + 1;
      if ((p - shape.centre_mm).norm() > shape.radius_mm + radius + zone || shape.distance(p) > far + zone) continue;
      lesions_.push_back({&lesion, lattice_.sampled(shape.distance, anatomy)});
    }
  }

  /// The middle of a voxel, whose corners lie `reach` away.
  Sample middle(const Vector3d& world, double reach) {
    const Vector3d p = toAnatomy(world);
    read(world);
    look(room_, world, reach);
    look(tissue_, p, reach);
    look(over_, p, reach);
    for (NearBone& near : bones_) {
      if (near.depth < -kSlope * reach) continue;
      near.cortex_mm = s_.bones[near.bone].cortex_mm(p);
      near.spongy_hu = s_.bones[near.bone].spongiosa_hu(p, std::max(0.0, near.depth));
    }
    return mix(p, 1e-6);
  }

  /// Another point of the same voxel, for a cell of this width.
  Sample at(const Vector3d& world, double width) {
    read(world);
    return mix(toAnatomy(world), width);
  }

 private:
  Vector3d toAnatomy(const Vector3d& world) const { return back_ * (world - s_.shift_mm); }

  void collect(const std::vector<Tissue>& from, const Vector3d& p, double radius,
               const std::function<Vector3d(const Vector3d&)>& to_frame, std::vector<NearTissue>& to) const {
    to.clear();
    for (const Tissue& tissue : from) {
      if ((p - tissue.shape.centre_mm).norm() > tissue.shape.radius_mm + radius + 1) continue;
      const double d = tissue.shape.distance(p), far = kSlope * radius;
      if (d > far) continue;
      if (d < -far) to.clear();  // hides what lies below
      to.push_back({&tissue});
      if (d >= -far) to.back().nodes = lattice_.sampled(tissue.shape.distance, to_frame);
    }
  }

  /// All distances at a point.
  void read(const Vector3d& world) {
    lattice_.point(world);
    for (std::vector<NearTissue>* tissues : {&room_, &tissue_, &over_}) {
      for (NearTissue& near : *tissues) {
        if (!near.nodes.empty()) near.distance = lattice_.read(near.nodes);
      }
    }
    for (NearLesion& near : lesions_) near.distance = lattice_.read(near.nodes);
    for (NearBone& near : bones_) {
      if (!near.nodes.empty()) near.raw = lattice_.read(near.nodes);
    }
    carve();
  }

  /// Materials in the middle of a voxel, of those tissues that are not hidden.
  static void look(std::vector<NearTissue>& tissues, const Vector3d& p, double reach) {
    std::size_t top = 0;
    for (std::size_t i = 0; i < tissues.size(); ++i) {
      if (tissues[i].distance < -kSlope * reach) top = i;
    }
    for (std::size_t i = top; i < tissues.size(); ++i) {
      if (tissues[i].distance < kSlope * reach) tissues[i].hu = tissues[i].tissue->hu(p);
    }
  }

  /// Joints leave their gaps.
  void carve() {
    for (NearBone& near : bones_) {
      double d = near.raw;
      for (const Joint& joint : s_.bones[near.bone].joints) {
        if (const NearBone* other = find(joint.other)) d = std::max(d, joint.gap_mm - other->raw);
      }
      near.depth = -d;
    }
  }

  const NearBone* find(int bone) const {
    for (const NearBone& near : bones_) {
      if (near.bone == static_cast<std::size_t>(bone)) return &near;
    }
    return nullptr;
  }

  static void put(Sample& out, double part, double hu, std::uint16_t label) {
    out.hu += part * (hu - out.hu);
    for (double& value : out.label) value *= 1 - part;
    out.label[label] += part;
  }

  static void fill(const std::vector<NearTissue>& tissues, double width, Sample& out) {
    for (const NearTissue& near : tissues) {
      if (!near.nodes.empty()) out.clearance = std::min(out.clearance, std::abs(near.distance));
      const double part = share(near.distance, width);
      if (part > 0) put(out, part, near.hu, near.tissue->label);
    }
  }

  Sample mix(const Vector3d& p, double width) {
    Sample out;
    fill(room_, width, out);
    fill(tissue_, width, out);
    for (const NearBone& near : bones_) cartilage(near, width, out);
    double solid = 0;
    Sample bone;
    bone.hu = 0, bone.label = {};
    for (const NearBone& near : bones_) {
      out.clearance = std::min(out.clearance, std::abs(near.depth));
      double& part = bone_share[near.bone];
      part = std::min(share(-near.depth, width), 1 - solid);
      if (part <= 0) continue;
      solid += part;
      one(near, p, width, bone);
      out.clearance = std::min(out.clearance, bone.clearance);
    }
    if (solid > 0) {
      out.hu = out.hu * (1 - solid) + bone.hu;
      for (std::size_t l = 0; l < kLabels; ++l) out.label[l] = out.label[l] * (1 - solid) + bone.label[l];
    }
    for (const NearLesion& near : lesions_) loose(*near.lesion, p, width, out);
    fill(over_, width, out);
    return out;
  }

  void cartilage(const NearBone& near, double width, Sample& out) const {
    for (const Joint& joint : s_.bones[near.bone].joints) {
      const NearBone* other = find(joint.other);
      if (!other) continue;
      const double part = share(std::max(near.raw, other->raw) - joint.gap_mm - 0.5, std::max(width, 0.5));
      if (part > 0) put(out, part, s_.joint_hu, image::Background);
    }
  }

  /// Adds a bone's part of the mixture, `bone_share` in all.
  void one(const NearBone& near, const Vector3d& p, double width, Sample& mix) {
    const double part = bone_share[near.bone], depth = near.depth;
    double cortex = near.cortex_mm, missing = 0, rim = 0, rim_hu = 0, rarefied = 0, content = 0;
    for (const NearLesion& at : lesions_) {
      const Lesion& lesion = *at.lesion;
      if (static_cast<std::size_t>(lesion.bone) != near.bone) continue;
      double d = at.distance;
      if (lesion.closed) d = std::max(d, cortex + 1 - depth);
      if (lesion.margin == Margin::Lytic) {
        const double close = 1 - ramp(d, 0, lesion.zone_mm);
        cortex *= 1 - (1 - lesion.thinned_to) * close;
        rarefied = std::max(rarefied, 0.7 * close);
      }
      if (lesion.margin == Margin::Sclerotic) {
        rim = std::max(rim, share(d - lesion.rim_mm, width));
        rim_hu = lesion.rim_hu;
        mix.clearance = std::min(mix.clearance, std::abs(d - lesion.rim_mm));
      }
      for (const Ball& hole : lesion.holes) d = std::min(d, (p - hole.centre_mm).norm() - hole.radius_mm);
      mix.clearance = std::min(mix.clearance, std::abs(d));
      missing = std::max(missing, share(d, width));
      content = lesion.content_hu;
    }
    mix.clearance = std::min(mix.clearance, std::abs(depth - cortex));
    const double inner = std::min(share(cortex - depth, width), part), left = 1 - missing;
    const double spongy = near.spongy_hu + rarefied * (content - near.spongy_hu);
    const double compact = part - inner + inner * rim, cortical_hu = s_.bones[near.bone].cortical_hu;
    mix.hu +=
        left * ((part - inner) * cortical_hu + inner * (rim * rim_hu + (1 - rim) * spongy)) + missing * part * content;
    mix.label[image::Cortical] += left * compact;
    mix.label[image::Cancellous] += left * (part - compact);
    mix.label[image::Defect] += missing * part;
    bone_share[near.bone] *= left;
  }

  /// Loose pieces fill what is not bone.
  void loose(const Lesion& lesion, const Vector3d& p, double width, Sample& out) {
    const Bone& host = s_.bones[static_cast<std::size_t>(lesion.bone)];
    for (const Shape& piece : lesion.fragments) {
      if ((p - piece.centre_mm).norm() > piece.radius_mm + 2 * width + 2) continue;
      const double d = piece.distance(p);
      out.clearance = std::min({out.clearance, std::abs(d), std::abs(d + 1.5)});
      const double room = 1 - out.label[image::Cortical] - out.label[image::Cancellous];
      const double part = share(d, width) * room, inner = std::min(share(d + 1.5, width) * room, part);
      if (part <= 0) continue;
      out.hu += part * (host.cortical_hu - out.hu) + inner * (250 - host.cortical_hu);
      for (const std::size_t l : {std::size_t{image::Background}, std::size_t{image::Defect}})
        out.label[l] *= 1 - part / std::max(room, 1e-9);
      out.label[image::Cortical] += part - inner;
      out.label[image::Cancellous] += inner;
      bone_share[static_cast<std::size_t>(lesion.bone)] += part;
    }
  }

  const Scene& s_;
  Eigen::Matrix3d back_;
  double widest_ = 1;  ///< joint's gap
  Lattice lattice_;
  std::vector<NearTissue> room_, tissue_, over_;
  std::vector<NearBone> bones_;
  std::vector<NearLesion> lesions_;
};

/// One slab of blocks after another; each voxel depends on its own place
/// alone.
class Rasterizer {
 public:
  Rasterizer(const Scene& scene, const image::Frame& frame, double slice_mm)
      : scene_(scene), frame_(frame), reach_(frame.spacing_mm) {
    reach_[2] = std::max(frame.spacing_mm[2], slice_mm);
    for (int d = 0; d < 3; ++d) {
      block_[d] = std::clamp(static_cast<int>(std::lround(7 / frame.spacing_mm[d])), 2, 12);
      blocks_[d] = (frame.size[d] + block_[d] - 1) / block_[d];
      cells_[d] = std::max(2, static_cast<int>(std::lround(reach_[d] / 1.1)));
    }
    cell_ = reach_.cwiseQuotient(cells_.cast<double>());
    addLayers(slice_mm, frame.spacing_mm[2]);
  }

  int slabs() const { return blocks_[2]; }

  void slab(int k, Rendered& out, std::vector<double>& volume) const {
    Painter painter(scene_);
    for (int j = 0; j < blocks_[1]; ++j) {
      for (int i = 0; i < blocks_[0]; ++i) {
        const Vector3i first = Vector3i(i, j, k).cwiseProduct(block_), last = (first + block_).cwiseMin(frame_.size);
        const Vector3d overhang = (reach_ - frame_.spacing_mm) / 2;
        const Vector3d low = frame_.toWorld(first.cast<double>() - Vector3d::Constant(0.5)) - overhang;
        const Vector3d extent = (last - first).cast<double>().cwiseProduct(frame_.spacing_mm) + 2 * overhang;
        painter.gather(low, extent, frame_.spacing_mm);
        for (int c = first[2]; c < last[2]; ++c) {
          for (int b = first[1]; b < last[1]; ++b) {
            for (int a = first[0]; a < last[0]; ++a) voxel({a, b, c}, painter, out, volume);
          }
        }
      }
    }
  }

 private:
  /// Cells of one height in the slice direction.
  struct Layer {
    double offset_mm, height_mm;
    double hu_weight = 0, label_weight = 0;  ///< of each of its cells: in the slice's profile, in the voxel's own box
  };

  /// Layers about as high as the cells are wide that end where the slice's profile and the voxel's box do.
  void addLayers(double slice_mm, double spacing_mm) {
    const double edges[] = {-reach_[2] / 2, -std::min(slice_mm, spacing_mm) / 2, std::min(slice_mm, spacing_mm) / 2,
                            reach_[2] / 2};
    for (int part = 0; part < 3; ++part) {
      const double height = edges[part + 1] - edges[part];
      if (height < 1e-9) continue;
      const int cells = std::max(part == 1 ? 2 : 1, static_cast<int>(std::lround(height / cell_[0])));
      for (int c = 0; c < cells; ++c) {
        Layer layer{edges[part] + (c + 0.5) * height / cells, height / cells};
        const double share = layer.height_mm / (cells_[0] * cells_[1]);
        if (part == 1 || slice_mm > spacing_mm) layer.hu_weight = share / slice_mm;
        if (part == 1 || slice_mm < spacing_mm) layer.label_weight = share / spacing_mm;
        layers_.push_back(layer);
      }
    }
  }

  void voxel(const Vector3i& v, Painter& painter, Rendered& out, std::vector<double>& volume) const {
    const Vector3d centre = frame_.toWorld(v.cast<double>());
    const auto n = scene_.bones.size();
    std::fill(painter.bone_share.begin(), painter.bone_share.end(), 0.0);
    Sample sum = painter.middle(centre, reach_.norm() / 2);
    std::vector<double> mine = painter.bone_share;
    if (sum.clearance < 0.7 * reach_.norm()) {
      sum.hu = 0, sum.label = {};
      mine.assign(n, 0.0);
      for (const Layer& layer : layers_) {
        const double width = (cell_[0] + cell_[1] + layer.height_mm) / 3;
        for (int b = 0; b < cells_[1]; ++b) {
          for (int a = 0; a < cells_[0]; ++a) {
            std::fill(painter.bone_share.begin(), painter.bone_share.end(), 0.0);
            const Vector3d offset((a + 0.5) * cell_[0] - reach_[0] / 2, (b + 0.5) * cell_[1] - reach_[1] / 2,
                                  layer.offset_mm);
            const Sample s = painter.at(centre + offset, width);
            sum.hu += layer.hu_weight * s.hu;
            for (std::size_t l = 0; l < kLabels; ++l) sum.label[l] += layer.label_weight * s.label[l];
            for (std::size_t i = 0; i < n; ++i) mine[i] += layer.label_weight * painter.bone_share[i];
          }
        }
      }
    }
    const auto at = static_cast<std::size_t>(out.ct.index(v[0], v[1], v[2]));
    out.ct.voxels[at] = static_cast<float>(sum.hu);
    for (std::size_t l = 0; l < kLabels; ++l) volume[l] += sum.label[l];
    if (!out.metal_fraction.voxels.empty()) out.metal_fraction.voxels[at] = static_cast<float>(sum.label[image::Metal]);
    if (sum.label[0] > 0.5) return;
    const auto label = std::max_element(sum.label.begin() + 1, sum.label.end()) - sum.label.begin();
    out.labels.voxels[at] = static_cast<std::uint16_t>(label);
    if (label > image::Cancellous) return;
    out.instances.voxels[at] =
        static_cast<std::uint16_t>(10 + (std::max_element(mine.begin(), mine.end()) - mine.begin()));
  }

  const Scene& scene_;
  const image::Frame& frame_;
  Vector3d reach_, cell_;
  Vector3i block_, blocks_, cells_;
  std::vector<Layer> layers_;
};

}  // namespace

std::string nameOf(Margin margin) {
  switch (margin) {
    case Margin::Sharp:
      return "sharp";
    case Margin::Lytic:
      return "lytic";
    case Margin::MothEaten:
      return "moth_eaten";
    case Margin::Sclerotic:
      return "sclerotic";
    case Margin::None:
      break;
  }
  return "none";
}

Rendered render(const Scene& scene, const image::Frame& frame, double slice_mm) {
  Rendered out{image::CtVolume(frame), image::LabelVolume(frame), image::LabelVolume(frame), {}, {}};
  const bool metal = std::any_of(scene.over.begin(), scene.over.end(),
                                 [](const Tissue& tissue) { return tissue.label == image::Metal; });
  if (metal) out.metal_fraction = image::CtVolume(frame);
  const Rasterizer rasterizer(scene, frame, slice_mm);
  std::vector<std::vector<double>> volumes(static_cast<std::size_t>(rasterizer.slabs()),
                                           std::vector<double>(kLabels, 0.0));
  core::parallelFor(rasterizer.slabs(), [&](std::int64_t k) {
    rasterizer.slab(static_cast<int>(k), out, volumes[static_cast<std::size_t>(k)]);
  });
  out.volume_mm3.assign(kLabels, 0.0);
  for (const auto& layer : volumes) {
    for (std::size_t l = 0; l < kLabels; ++l) out.volume_mm3[l] += layer[l] * frame.voxelVolume_mm3();
  }
  return out;
}

}  // namespace osteo::phantom
