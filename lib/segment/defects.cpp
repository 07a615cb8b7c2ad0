#include "segment/defects.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "image/distance.h"
#include "image/morphology.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::LabelVolume;

namespace {

constexpr double kMargin_mm = 5;     ///< bone further from the defect does not hold its host together
constexpr double kPieceShare = 0.1;  ///< of the surface shared with bone, or open, that counts as a piece of it
constexpr double kOpenShare = 0.02;  ///< of the whole surface: below this a defect is closed

bool isHost(std::uint16_t label) { return label == image::Cortical || label == image::Cancellous; }

/// A piece of the image around one defect, with its own copy of what is in it.
struct Crop {
  Vector3i first = Vector3i::Zero();
  LabelVolume piece;  ///< 1 in the defect
  LabelVolume host;   ///< 1 in host bone near it
  LabelVolume open;   ///< 1 in the rest near it
};

/// Corners of a defect's voxels.
struct Span {
  Vector3i low = Vector3i::Constant(1 << 30), high = Vector3i::Constant(-1);
};

Crop cropAround(const LabelVolume& labels, const image::Components& parts, std::int32_t id, const Span& span) {
  const image::Frame& frame = labels.frame;
  const Vector3i margin = (kMargin_mm * frame.spacing_mm.cwiseInverse()).array().ceil().cast<int>() + 1;
  Crop out;
  out.first = (span.low - margin).cwiseMax(0);
  const Vector3i last = (span.high + margin).cwiseMin(frame.size - Vector3i::Ones());
  image::Frame small = frame;
  small.size = last - out.first + Vector3i::Ones();
  small.origin_mm = frame.toWorld(out.first.cast<double>());
  out.piece = out.host = out.open = LabelVolume(small);
  for (int k = 0, v = 0; k < small.size[2]; ++k) {
    for (int j = 0; j < small.size[1]; ++j) {
      for (int i = 0; i < small.size[0]; ++i, ++v) {
        const auto at = static_cast<std::size_t>(labels.index(i + out.first[0], j + out.first[1], k + out.first[2]));
        const auto to = static_cast<std::size_t>(v);
        out.piece.voxels[to] = parts.ids.voxels[at] == id ? 1 : 0;
        out.host.voxels[to] = isHost(labels.voxels[at]) ? 1 : 0;
        out.open.voxels[to] = labels.voxels[at] == image::Background ? 1 : 0;
      }
    }
  }
  const LabelVolume near = image::dilate(out.piece, kMargin_mm);
  for (std::size_t v = 0; v < near.voxels.size(); ++v) {
    if (!near.voxels[v]) out.host.voxels[v] = out.open.voxels[v] = 0;
  }
  return out;
}

/// Area over which each part of a mask touches the piece, by part.
std::map<std::int32_t, double> contact_mm2(const LabelVolume& piece, const image::Components& parts) {
  std::map<std::int32_t, double> out;
  const image::Frame& frame = piece.frame;
  const std::int64_t row = frame.size[0], slice = row * frame.size[1];
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    if (!piece.voxels[static_cast<std::size_t>(v)]) continue;
    image::forFaceNeighbours(frame, v, [&](std::int64_t next) {
      const std::int32_t id = parts.ids.voxels[static_cast<std::size_t>(next)];
      if (id == 0) return;
      const std::int64_t step = std::abs(next - v);
      const int axis = step == slice ? 2 : step == row ? 1 : 0;
      out[id] += frame.voxelVolume_mm3() / frame.spacing_mm[axis];
    });
  }
  return out;
}

int countAbove(const std::map<std::int32_t, double>& areas, double least) {
  return static_cast<int>(std::count_if(areas.begin(), areas.end(), [&](const auto& a) { return a.second >= least; }));
}

/// Openings: patches of the layer of soft tissue that touches the piece.
LabelVolume touchingLayer(const LabelVolume& piece, const LabelVolume& open) {
  const LabelVolume grown = image::dilate(piece, 1.01 * piece.frame.spacing_mm.maxCoeff());
  LabelVolume out(piece.frame);
  for (std::size_t v = 0; v < out.voxels.size(); ++v) out.voxels[v] = grown.voxels[v] && open.voxels[v] ? 1 : 0;
  return out;
}

DefectKind kindOf(const Crop& crop, double host_mm2, double open_mm2) {
  const auto hosts = contact_mm2(crop.piece, image::components(crop.host, image::Connectivity::Corners));
  if (countAbove(hosts, kPieceShare * host_mm2) > 1) return DefectKind::Segmental;
  if (open_mm2 < kOpenShare * (host_mm2 + open_mm2)) return DefectKind::Cavity;
  const LabelVolume layer = touchingLayer(crop.piece, crop.open);
  const auto openings = contact_mm2(crop.piece, image::components(layer, image::Connectivity::Corners));
  return countAbove(openings, kPieceShare * open_mm2) > 1 ? DefectKind::Hole : DefectKind::Breach;
}

/// Lengths along the principal axes, the voxel's own width in that direction included.
Vector3d extents(const std::vector<Vector3d>& points, const Vector3d& centre, const image::Frame& frame) {
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const Vector3d& p : points) spread += (p - centre) * (p - centre).transpose();
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> axes(spread);
  Vector3d out;
  for (int a = 0; a < 3; ++a) {
    double low = 0, high = 0;
    const Vector3d axis = axes.eigenvectors().col(2 - a);
    for (const Vector3d& p : points) {
      const double along = (p - centre).dot(axis);
      low = std::min(low, along), high = std::max(high, along);
    }
    out[a] = high - low + (frame.direction.transpose() * axis).cwiseProduct(frame.spacing_mm).norm();
  }
  std::sort(out.data(), out.data() + 3, std::greater<>());
  return out;
}

/// Voxels of the touched bones that lie within 6 mm of another bone are joint; the nearest one counts.
std::optional<double> jointDistance_mm(const std::vector<std::int64_t>& voxels, const std::set<int>& touched,
                                       const Bones& bones) {
  constexpr double kJoint_mm = 6;
  const LabelVolume& labels = bones.labels;
  LabelVolume others(labels.frame), own(labels.frame);
  bool any = false;
  for (std::size_t v = 0; v < labels.voxels.size(); ++v) {
    const bool mine = touched.count(labels.voxels[v]) > 0;
    own.voxels[v] = mine ? 1 : 0;
    others.voxels[v] = labels.voxels[v] && !mine ? 1 : 0;
    any = any || others.voxels[v];
  }
  if (!any) return {};
  LabelVolume joint = image::dilate(others, kJoint_mm);
  any = false;
  for (std::size_t v = 0; v < joint.voxels.size(); ++v) {
    joint.voxels[v] = joint.voxels[v] && own.voxels[v] ? 1 : 0;
    any = any || joint.voxels[v];
  }
  if (!any) return {};
  const image::CtVolume way_mm = image::distanceMm(joint);
  float best = std::numeric_limits<float>::max();
  for (const std::int64_t v : voxels) best = std::min(best, way_mm.voxels[static_cast<std::size_t>(v)]);
  return best;
}

/// Everything but the kind and the joint, from the voxels of one piece.
DefectReport measureVoxels(const LabelVolume& labels, const std::vector<std::int64_t>& voxels,
                           const DefectSurroundings& around) {
  const image::Frame& frame = labels.frame;
  const std::int64_t row = frame.size[0], slice = row * frame.size[1];
  DefectReport out;
  out.volume_mm3 = static_cast<double>(voxels.size()) * frame.voxelVolume_mm3();
  std::vector<Vector3d> points;
  points.reserve(voxels.size());
  std::set<int> bones;
  double probability = 0;
  for (const std::int64_t v : voxels) {
    points.push_back(frame.centre(v));
    out.centre_mm += points.back() / static_cast<double>(voxels.size());
    if (around.probability) probability += around.probability->voxels[static_cast<std::size_t>(v)];
    int inside = 0;
    image::forFaceNeighbours(frame, v, [&](std::int64_t next) {
      ++inside;
      const auto label = labels.voxels[static_cast<std::size_t>(next)];
      const std::int64_t step = std::abs(next - v);
      const double area = frame.voxelVolume_mm3() / frame.spacing_mm[step == slice ? 2 : step == row ? 1 : 0];
      if (label == image::Cortical) out.cortical_mm2 += area;
      if (label == image::Cancellous) out.cancellous_mm2 += area;
      if (label == image::Background) out.open_mm2 += area;
      if (around.bones && isHost(label)) bones.insert(around.bones->labels.voxels[static_cast<std::size_t>(next)]);
    });
    out.cut_off = out.cut_off || inside < 6;
  }
  bones.erase(0);
  out.bones.assign(bones.begin(), bones.end());
  const Vector3d half = frame.direction.cwiseAbs() * frame.spacing_mm / 2;
  out.box_min_mm = out.box_max_mm = points.front();
  for (const Vector3d& p : points) {
    out.box_min_mm = out.box_min_mm.cwiseMin(p), out.box_max_mm = out.box_max_mm.cwiseMax(p);
  }
  out.box_min_mm -= half, out.box_max_mm += half;
  out.extent_mm = extents(points, out.centre_mm, frame);
  if (around.probability) out.score = probability / static_cast<double>(voxels.size());
  return out;
}

}  // namespace

std::string nameOf(DefectKind kind) {
  switch (kind) {
    case DefectKind::Cavity:
      return "cavity";
    case DefectKind::Breach:
      return "breach";
    case DefectKind::Hole:
      return "hole";
    case DefectKind::Segmental:
      return "segmental";
  }
  return "";
}

std::vector<DefectReport> describeDefects(const LabelVolume& labels, const DefectSurroundings& around,
                                          const DefectLimits& limits) {
  const image::Components parts =
      image::components(image::select(labels, {image::Defect}), image::Connectivity::Corners);
  std::vector<std::vector<std::int64_t>> voxels(parts.voxels.size());
  std::vector<Span> spans(parts.voxels.size());
  std::int64_t v = 0;
  for (int k = 0; k < labels.frame.size[2]; ++k) {
    for (int j = 0; j < labels.frame.size[1]; ++j) {
      for (int i = 0; i < labels.frame.size[0]; ++i, ++v) {
        const std::int32_t id = parts.ids.voxels[static_cast<std::size_t>(v)];
        if (id == 0) continue;
        const auto p = static_cast<std::size_t>(id - 1);
        voxels[p].push_back(v);
        spans[p].low = spans[p].low.cwiseMin(Vector3i(i, j, k));
        spans[p].high = spans[p].high.cwiseMax(Vector3i(i, j, k));
      }
    }
  }
  std::vector<DefectReport> out;
  for (std::size_t p = 0; p < voxels.size(); ++p) {
    if (static_cast<double>(voxels[p].size()) * labels.frame.voxelVolume_mm3() < limits.min_mm3) break;
    DefectReport defect = measureVoxels(labels, voxels[p], around);
    const Crop crop = cropAround(labels, parts, static_cast<std::int32_t>(p + 1), spans[p]);
    defect.kind = kindOf(crop, defect.cortical_mm2 + defect.cancellous_mm2, defect.open_mm2);
    defect.critical = defect.extent_mm[0] >= limits.critical_mm;
    if (around.bones && !defect.bones.empty()) {
      defect.joint_mm = jointDistance_mm(voxels[p], {defect.bones.begin(), defect.bones.end()}, *around.bones);
    }
    out.push_back(std::move(defect));
  }
  return out;
}

LabelVolume withMargin(const LabelVolume& labels, double margin_mm) {
  const LabelVolume lesion = image::select(labels, {image::Defect});
  // From the lesion's surface, which lies half a voxel beyond its outermost centres.
  LabelVolume out = margin_mm > 0 ? image::dilate(lesion, margin_mm + labels.frame.spacing_mm.maxCoeff() / 2) : lesion;
  for (std::size_t v = 0; v < out.voxels.size(); ++v) {
    const bool bone = isHost(labels.voxels[v]) || labels.voxels[v] == image::Defect;
    out.voxels[v] = out.voxels[v] && bone ? 1 : 0;
  }
  return out;
}

nlohmann::json asJson(const DefectReport& d) {
  const auto list = [](const Vector3d& x) { return nlohmann::json::array({x[0], x[1], x[2]}); };
  nlohmann::json out = {{"kind", nameOf(d.kind)},
                        {"volume_mm3", d.volume_mm3},
                        {"centre_mm", list(d.centre_mm)},
                        {"box_min_mm", list(d.box_min_mm)},
                        {"box_max_mm", list(d.box_max_mm)},
                        {"extent_mm", list(d.extent_mm)},
                        {"cortical_contact_mm2", d.cortical_mm2},
                        {"cancellous_contact_mm2", d.cancellous_mm2},
                        {"open_mm2", d.open_mm2},
                        {"critical_size", d.critical},
                        {"cut_off", d.cut_off}};
  if (!d.bones.empty()) out["bones"] = d.bones;
  if (d.joint_mm) out["distance_to_joint_mm"] = *d.joint_mm;
  if (d.score) out["score"] = *d.score;
  return out;
}

}  // namespace osteo::segment
