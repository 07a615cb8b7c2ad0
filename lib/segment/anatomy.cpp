#include "segment/anatomy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "image/filters.h"
#include "image/resample.h"
#include "segment/hip_joints.h"
#include "segment/spine.h"

namespace osteo::segment {

using Eigen::AlignedBox3d;
using Eigen::Vector3d;
using image::CtVolume;
using image::Frame;
using image::LabelVolume;

Coarse coarsen(const LabelVolume& whole, const CtVolume& ct, double soft_hu) {
  const Frame& fine = ct.frame;
  AlignedBox3d box;
  for (int corner = 0; corner < 8; ++corner) {
    const Eigen::Vector3i at(corner & 1 ? fine.size[0] - 1 : 0, corner & 2 ? fine.size[1] - 1 : 0,
                             corner & 4 ? fine.size[2] - 1 : 0);
    box.extend(fine.toWorld(at.cast<double>()));
  }
  const double mm = std::max(2.0, std::cbrt(fine.voxelVolume_mm3()));
  Frame frame;
  frame.spacing_mm.setConstant(mm);
  frame.origin_mm = box.min();
  frame.size = ((box.max() - box.min()) / mm).array().floor().cast<int>() + 1;
  Coarse out{image::resampleLinear(ct, frame, -1000.0f), image::resampleNearest(whole, frame)};
  for (float& hu : out.hu.voxels) hu = std::clamp(hu - static_cast<float>(soft_hu), -150.0f, 450.0f);
  if (fine.spacing_mm.minCoeff() < 0.75 * mm) out.hu = image::gaussian(out.hu, 0.5 * mm);
  return out;
}

namespace {

constexpr double kDisc_mm = 3;         ///< of a vertebra's end that its seed leaves to the disc
constexpr double kBodyRadius_mm = 12;  ///< of the seed in a vertebral body
constexpr int kTallest_mm = 46;        ///< vertebra with its disc
constexpr int kLeastEnd_mm = 6;        ///< of a vertebra that the column's end cuts
constexpr int kAbove_mm = 40;          ///< over the sacrum the canal's place from side to side is sure
constexpr double kWing_mm = 60;        ///< from the middle to the wing of the hip bone

AlignedBox3d boxAbout(const Vector3d& centre, double reach_mm) {
  return {centre.array() - reach_mm, centre.array() + reach_mm};
}

/// A plane across the vertebral bodies.
struct Cut {
  Vector3d middle, up;
};

/// A stretch of the column in front of the canal, between two of its cuts.
Seed bodies(const Cut& low, const Cut& high, int bone) {
  const Vector3d axis = (high.middle - low.middle).normalized();
  const auto holds = [=](const Vector3d& p) {
    return (p - low.middle).dot(low.up) >= kDisc_mm && (high.middle - p).dot(high.up) >= kDisc_mm &&
           (p - low.middle).cross(axis).norm() <= kBodyRadius_mm;
  };
  return {bone, boxAbout((low.middle + high.middle) / 2, (high.middle - low.middle).norm() / 2 + 2 * kBodyRadius_mm),
          holds};
}

/// Name of the n-th vertebra above the sacrum, from 0, where five are lumbar; empty beyond the neck.
std::string vertebraAboveSacrum(int n) {
  if (n < 5) return fmt::format("vertebra L{}", 5 - n);
  if (n < 17) return fmt::format("vertebra T{}", 17 - n);
  return n < 24 ? fmt::format("vertebra C{}", 24 - n) : "";
}

/// How alike two neighbouring distances between discs are: 1 where equal, 0.5 where one is 1.6 times the other.
double evenness(int a, int b) {
  const double change = std::log(std::max(1, a) / static_cast<double>(std::max(1, b)));
  return std::exp(-3 * change * change);
}

/// The middle of the disc on the sacrum. From side to side it is the canal's further up, as its end in the sacrum is
/// less sure.
Vector3d sacrumTop(const Column& column) {
  const int disc = column.discs[static_cast<std::size_t>(column.sacrum_disc)].at;
  Vector3d out = column.body(disc);
  out[0] = column.canal_mm[static_cast<std::size_t>(
      std::min(static_cast<int>(column.canal_mm.size()) - 1, disc + kAbove_mm))][0];
  return out;
}

/// Puts the vertebrae and the sacrum down, from below.
class Spine {
 public:
  Spine(const Column& column, const Frame& frame, Anatomy& out) : column_(column), out_(out) {
    const double low = frame.origin_mm[2], high = frame.toWorld((frame.size.array() - 1).cast<double>().matrix())[2];
    cut_below_ = column.canal_mm.front()[2] < low + 12;
    cut_above_ = column.canal_mm.back()[2] > high - 12;
  }
  void put() {
    const auto& discs = column_.discs;
    const int last = static_cast<int>(column_.canal_mm.size()) - 1, first = discs.front().at, top = discs.back().at;
    const auto low = static_cast<std::size_t>(std::max(0, column_.sacrum_disc));
    if (column_.sacrum_disc >= 0)
      sacrum(discs[low]);
    else if (first >= kLeastEnd_mm)
      open({end(std::max(0, first - kTallest_mm), -kDisc_mm), cut(discs[0])}, first / 2, cut_below_,
           std::min(column_.score, discs[0].depth));
    double score = column_.score * (column_.sacrum_disc >= 0 ? column_.sacrum_score : 1);
    for (std::size_t d = low; d + 1 < discs.size(); ++d) {
      const int height = discs[d + 1].at - discs[d].at;
      if (d > low) score = std::min(score, column_.score * evenness(height, discs[d].at - discs[d - 1].at));
      score = std::min({score, discs[d].depth, discs[d + 1].depth});
      vertebra({cut(discs[d]), cut(discs[d + 1])}, (discs[d].at + discs[d + 1].at) / 2, score);
    }
    if (last - top >= kLeastEnd_mm)
      open({cut(discs.back()), end(std::min(last, top + kTallest_mm), kDisc_mm)}, (top + last) / 2, cut_above_,
           std::min(score, discs.back().depth));
    name();
  }

 private:
  /// The column's end, where no disc takes its share.
  Cut end(int at, double beyond_mm) const {
    const Vector3d up = column_.up[static_cast<std::size_t>(at)];
    return {column_.body(at) + beyond_mm * up, up};
  }
  Cut cut(const Column::Disc& disc) const { return {column_.body(disc.at), column_.normal(disc)}; }
  void sacrum(const Column::Disc& disc) {
    const int bone = static_cast<int>(out_.bones.size());
    out_.bones.push_back(
        {"sacrum", "under the lowest disc of the spinal canal, by its wings", column_.score * column_.sacrum_score});
    const Cut top{sacrumTop(column_), column_.normal(disc)};
    out_.seeds.push_back(bodies({top.middle - 25 * top.up, top.up}, top, bone));
    // Wings beside the first body, then all that follows below in the middle and not in front of it.
    const Vector3d up = top.up, front = column_.left(disc.at).cross(up), middle = top.middle;
    out_.seeds.push_back({bone, boxAbout(middle, 140), [=](const Vector3d& p) {
                            const Vector3d d = p - middle;
                            const double down = -d.dot(up), ahead = d.dot(front), aside = std::abs(d[0]);
                            if (down > 6 && down < 25) return aside < 28 && ahead > -15 && ahead < 15;
                            return down >= 25 && down < 130 && aside < (down < 60 ? 30 : 20) && d[1] > -10;
                          }});
  }
  void vertebra(const std::pair<Cut, Cut>& ends, int middle, double score) {
    const int bone = static_cast<int>(out_.bones.size());
    vertebrae_.push_back(bone);
    out_.bones.push_back({"", "", score});
    out_.seeds.push_back(bodies(ends.first, ends.second, bone));
    out_.vertebrae.push_back(
        {bone, column_.body(middle), column_.up[static_cast<std::size_t>(middle)], column_.left(middle)});
  }
  /// What the column's end or the image's leaves of a vertebra; nobody tells how many more there are where the canal is
  /// lost within the image.
  void open(const std::pair<Cut, Cut>& ends, int middle, bool at_border, double score) {
    if (at_border) return vertebra(ends, middle, score);
    out_.bones.push_back({"", "", 0});
    out_.seeds.push_back(bodies(ends.first, ends.second, static_cast<int>(out_.bones.size()) - 1));
  }
  void name() {
    const bool counted = column_.sacrum_disc >= 0 && column_.sacrum_score >= 0.6;
    int n = 0;
    const int all = static_cast<int>(vertebrae_.size());
    for (const int bone : vertebrae_) {
      Identity& id = out_.bones[static_cast<std::size_t>(bone)];
      if (counted) {
        id.name = vertebraAboveSacrum(n);
        id.how = "counted by discs from the sacrum up, if five vertebrae are lumbar";
      } else {
        id.name = fmt::format("vertebra {}", all - n);
        id.how = "between two discs of the spinal canal; counted from the highest that is told apart";
      }
      ++n;
    }
  }
  const Column& column_;
  Anatomy& out_;
  bool cut_below_ = false, cut_above_ = false;
  std::vector<int> vertebrae_;
};

/// The femur in its head, and the hip bone in the socket's roof.
void putHipJoint(const Head& head, const Head& other, Anatomy& out) {
  const bool left = head.centre_mm[0] > other.centre_mm[0];
  const char* side = left ? "left" : "right";
  const int femur = static_cast<int>(out.bones.size());
  out.bones.push_back({fmt::format("femur {}", side), "the ball in the hip joint", head.score});
  out.bones.push_back({fmt::format("hip bone {}", side), "the socket of the hip joint", head.score});
  const Vector3d c = head.centre_mm, inwards = Vector3d(left ? -1 : 1, 0, 0),
                 roof = 0.6 * inwards + Vector3d(0, 0, 0.8), neck = -0.8 * inwards - Vector3d(0, 0, 0.6);
  const double r = head.radius_mm;
  out.seeds.push_back({femur, boxAbout(c, 60), [=](const Vector3d& p) {
                         const double far = (p - c).norm();
                         return far <= 0.85 * r || (far <= 60 && (p - c).dot(neck) >= 0.77 * far);
                       }});
  out.seeds.push_back({femur + 1, boxAbout(c, r + 30), [=](const Vector3d& p) {
                         const double far = (p - c).norm();
                         if (far < r + 4 || far > r + 30) return false;
                         if (far <= r + 12 && (p - c).dot(neck) <= 0.1 * far) return true;
                         return (p - c).dot(roof) >= 0.65 * far || (p - c).dot(inwards) >= 0.6 * far;
                       }});
}

/// The wings of the hip bones beside the sacrum; joins them to the sockets' hip bones where these are known.
void putWings(const Column& column, const std::vector<Head>& heads, Anatomy& out) {
  const Vector3d middle = sacrumTop(column);
  for (const bool left : {true, false}) {
    const std::string name = left ? "hip bone left" : "hip bone right";
    auto known = std::find_if(out.bones.begin(), out.bones.end(), [&](const Identity& id) { return id.name == name; });
    const int bone = static_cast<int>(known - out.bones.begin());
    if (known == out.bones.end()) out.bones.push_back({name, "beside the sacrum", column.score * column.sacrum_score});
    double low = middle[2] - 80;
    if (!heads.empty()) low = std::max(low, heads[left ? 0 : 1].centre_mm[2] + heads[left ? 0 : 1].radius_mm + 15);
    const double high = middle[2] + 30, side = left ? 1 : -1;
    const AlignedBox3d box(Vector3d(-1e4, -1e4, low), Vector3d(1e4, 1e4, high));
    out.seeds.push_back({bone, box, [=](const Vector3d& p) {
                           return side * (p - middle)[0] > kWing_mm && p[2] >= low && p[2] <= high;
                         }});
  }
}

}  // namespace

Anatomy findAnatomy(const LabelVolume& whole, const CtVolume& ct, double soft_hu) {
  Anatomy out;
  const Coarse scan = coarsen(whole, ct, soft_hu);
  const Column column = findColumn(scan);
  if (!column.discs.empty()) Spine(column, scan.hu.frame, out).put();
  const std::vector<Head> heads = findFemoralHeads(scan);
  if (!heads.empty()) putHipJoint(heads[0], heads[1], out), putHipJoint(heads[1], heads[0], out);
  if (column.sacrum_disc >= 0) putWings(column, heads, out);
  return out;
}

}  // namespace osteo::segment
