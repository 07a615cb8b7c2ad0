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
constexpr double kReach_mm = 8;     // joints' gaps and rims of lesions stay below this

/// Share of a cell of this width on the negative side.
double share(double distance, double width) { return std::clamp(0.5 - distance / width, 0.0, 1.0); }

/// What is found at a point.
struct Sample {
  double hu = kAir_hu;
  std::array<double, kLabels> label{1};
  double clearance = 1e9;  ///< distance to the next surface
};

/// A tissue near a block of voxels: its distance where the last sample lies,
/// its HU in the middle of the voxel.
struct NearTissue {
  const Tissue* tissue;
  bool whole;  ///< the block lies wholly inside
  bool moves = true;
  double distance = -1e9, hu = 0;
};

struct NearLesion {
  const Lesion* lesion;
  bool moves = true;
  double distance = 1e9;
};

struct NearBone {
  std::size_t bone;
  bool moves = true;
  double raw = 0;    ///< distance before the joints take their part
  double depth = 0;  ///< below the surface
  double cortex_mm = 0, spongy_hu = 0;
};

/// Mixes what lies at points of a voxel. What no surface passes within the
/// voxel is looked up in its middle alone.
class Painter {
 public:
  explicit Painter(const Scene& scene) : bone_share(scene.bones.size()), s_(scene), back_(scene.rotation.transpose()) {}

  /// Shares of the bones at the last sample.
  std::vector<double> bone_share;

  /// Collects what may be met within a ball.
  void gather(const Vector3d& world, double radius) {
    const Vector3d p = toAnatomy(world);
    collect(s_.room, world, radius, room_);
    collect(s_.tissue, p, radius, tissue_);
    collect(s_.over, p, radius, over_);
    bones_.clear(), lesions_.clear();
    for (std::size_t i = 0; i < s_.bones.size(); ++i) {
      if (reaches(s_.bones[i].shape, p, radius)) bones_.push_back({i});
    }
    for (const Lesion& lesion : s_.lesions) {
      if (reaches(lesion.shape, p, radius + lesion.zone_mm)) lesions_.push_back({&lesion});
    }
  }

  /// The middle of a voxel whose corners lie `reach` away.
  Sample middle(const Vector3d& world, double reach) {
    const Vector3d p = toAnatomy(world);
    look(room_, world, reach);
    look(tissue_, p, reach);
    look(over_, p, reach);
    for (NearLesion& near : lesions_) {
      near.distance = near.lesion->shape.distance(p);
      near.moves = near.distance < kSlope * reach + near.lesion->zone_mm + kReach_mm;
    }
    for (NearBone& near : bones_) {
      near.raw = s_.bones[near.bone].shape.distance(p);
      near.moves = near.raw < kSlope * reach + kReach_mm;
    }
    carve();
    for (NearBone& near : bones_) {
      if (near.depth < -kSlope * reach) continue;
      near.cortex_mm = s_.bones[near.bone].cortex_mm(p);
      near.spongy_hu = s_.bones[near.bone].spongiosa_hu(p, std::max(0.0, near.depth));
    }
    return mix(p, 1e-6);
  }

  /// Another point of the same voxel, for a cell of this width.
  Sample at(const Vector3d& world, double width) {
    const Vector3d p = toAnatomy(world);
    move(room_, world);
    move(tissue_, p);
    move(over_, p);
    for (NearLesion& near : lesions_) {
      if (near.moves) near.distance = near.lesion->shape.distance(p);
    }
    for (NearBone& near : bones_) {
      if (near.moves) near.raw = s_.bones[near.bone].shape.distance(p);
    }
    carve();
    return mix(p, width);
  }

 private:
  Vector3d toAnatomy(const Vector3d& world) const { return back_ * (world - s_.shift_mm); }

  static bool reaches(const Shape& shape, const Vector3d& p, double radius) {
    if ((p - shape.centre_mm).norm() > shape.radius_mm + radius + kReach_mm) return false;
    return shape.distance(p) < kSlope * radius + kReach_mm;
  }

  static void collect(const std::vector<Tissue>& from, const Vector3d& p, double radius, std::vector<NearTissue>& to) {
    to.clear();
    for (const Tissue& tissue : from) {
      if ((p - tissue.shape.centre_mm).norm() > tissue.shape.radius_mm + radius + 1) continue;
      const double d = tissue.shape.distance(p), far = kSlope * radius + 1;
      if (d > far) continue;
      if (d < -far) to.clear();  // hides what lies below
      to.push_back({&tissue, d < -far});
    }
  }

  static void look(std::vector<NearTissue>& tissues, const Vector3d& p, double reach) {
    std::size_t top = 0;
    for (std::size_t i = 0; i < tissues.size(); ++i) {
      NearTissue& near = tissues[i];
      if (!near.whole) near.distance = near.tissue->shape.distance(p);
      near.moves = !near.whole && std::abs(near.distance) < kSlope * reach;
      if (near.distance < -kSlope * reach) top = i;
    }
    for (std::size_t i = top; i < tissues.size(); ++i) {
      if (tissues[i].distance < kSlope * reach) tissues[i].hu = tissues[i].tissue->hu(p);
    }
  }

  static void move(std::vector<NearTissue>& tissues, const Vector3d& p) {
    for (NearTissue& near : tissues) {
      if (near.moves) near.distance = near.tissue->shape.distance(p);
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
      if (!near.whole) out.clearance = std::min(out.clearance, std::abs(near.distance));
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
  std::vector<NearTissue> room_, tissue_, over_;
  std::vector<NearBone> bones_;
  std::vector<NearLesion> lesions_;
};

/// One layer of blocks after another; each voxel depends on its own place
/// alone.
class Rasterizer {
 public:
  Rasterizer(const Scene& scene, const image::Frame& frame, double slice_mm)
      : scene_(scene), frame_(frame), slice_mm_(slice_mm), reach_(frame.spacing_mm) {
    reach_[2] = std::max(frame.spacing_mm[2], slice_mm);
    for (int d = 0; d < 3; ++d) {
      block_[d] = std::clamp(static_cast<int>(std::lround(9 / frame.spacing_mm[d])), 2, 12);
      blocks_[d] = (frame.size[d] + block_[d] - 1) / block_[d];
      cells_[d] = std::max(2, static_cast<int>(std::lround(reach_[d] / 1.1)));
    }
    cell_ = reach_.cwiseQuotient(cells_.cast<double>());
    // Weights of the layers of cells: in the slice's profile for the HU, in the
    // voxel's own box for the label.
    hu_weight_ = overlaps(slice_mm), label_weight_ = overlaps(frame.spacing_mm[2]);
  }

  int layers() const { return blocks_[2]; }

  void layer(int k, Rendered& out, std::vector<double>& volume) const {
    Painter painter(scene_);
    for (int j = 0; j < blocks_[1]; ++j) {
      for (int i = 0; i < blocks_[0]; ++i) {
        const Vector3i first = Vector3i(i, j, k).cwiseProduct(block_), last = (first + block_).cwiseMin(frame_.size);
        const Vector3d half = (last - first).cast<double>().cwiseProduct(frame_.spacing_mm) / 2;
        const Vector3d middle = frame_.toWorld((first + last).cast<double>() / 2 - Vector3d::Constant(0.5));
        painter.gather(middle, half.norm() + (reach_ - frame_.spacing_mm).norm() / 2);
        for (int c = first[2]; c < last[2]; ++c) {
          for (int b = first[1]; b < last[1]; ++b) {
            for (int a = first[0]; a < last[0]; ++a) voxel({a, b, c}, painter, out, volume);
          }
        }
      }
    }
  }

 private:
  std::vector<double> overlaps(double height) const {
    std::vector<double> out;
    double sum = 0;
    for (int c = 0; c < cells_[2]; ++c) {
      const double low = c * cell_[2] - reach_[2] / 2;
      out.push_back(std::max(0.0, std::min(low + cell_[2], height / 2) - std::max(low, -height / 2)));
      sum += out.back();
    }
    for (double& weight : out) weight /= sum * cells_[0] * cells_[1];
    return out;
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
      for (int c = 0; c < cells_[2]; ++c) {
        for (int b = 0; b < cells_[1]; ++b) {
          for (int a = 0; a < cells_[0]; ++a) {
            std::fill(painter.bone_share.begin(), painter.bone_share.end(), 0.0);
            const Vector3d offset = (Vector3d(a, b, c) + Vector3d::Constant(0.5)).cwiseProduct(cell_) - reach_ / 2;
            const Sample s = painter.at(centre + offset, cell_.mean());
            const auto layer = static_cast<std::size_t>(c);
            sum.hu += hu_weight_[layer] * s.hu;
            for (std::size_t l = 0; l < kLabels; ++l) sum.label[l] += label_weight_[layer] * s.label[l];
            for (std::size_t i = 0; i < n; ++i) mine[i] += label_weight_[layer] * painter.bone_share[i];
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
  double slice_mm_;
  Vector3d reach_, cell_;
  Vector3i block_, blocks_, cells_;
  std::vector<double> hu_weight_, label_weight_;
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
  std::vector<std::vector<double>> volumes(static_cast<std::size_t>(rasterizer.layers()),
                                           std::vector<double>(kLabels, 0.0));
  core::parallelFor(rasterizer.layers(), [&](std::int64_t k) {
    rasterizer.layer(static_cast<int>(k), out, volumes[static_cast<std::size_t>(k)]);
  });
  out.volume_mm3.assign(kLabels, 0.0);
  for (const auto& layer : volumes) {
    for (std::size_t l = 0; l < kLabels; ++l) out.volume_mm3[l] += layer[l] * frame.voxelVolume_mm3();
  }
  return out;
}

}  // namespace osteo::phantom
