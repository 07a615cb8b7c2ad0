#include <Eigen/Geometry>
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/morphology.h"
#include "segment/defect_candidates.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

constexpr double kLeast_mm2 = 30, kMost_mm2 = 3500, kRound = 0.4;  ///< sections of tubes: area, share of their circle
constexpr double kLeastTube_mm = 9, kAxis_mm = 25;  ///< length of a tube, and what its axis is taken from
constexpr double kLeastGap_mm = 4, kWidestGap_mm = 80, kBeyond_mm = 22;

/// A compact piece of bone in a slice.
struct Section {
  Vector3d centre_mm = Vector3d::Zero();
  double area_mm2 = 0, radius_mm = 0;
};

/// What the slice's border can't reach around bone: marrow that lies open further on is no bone by its label.
std::vector<char> enclosed(const std::vector<char>& bone, int nu, int nv) {
  int low_u = nu, high_u = -1, low_v = nv, high_v = -1;
  for (int cell = 0; cell < nu * nv; ++cell) {
    if (!bone[static_cast<std::size_t>(cell)]) continue;
    low_u = std::min(low_u, cell % nu), high_u = std::max(high_u, cell % nu);
    low_v = std::min(low_v, cell / nu), high_v = cell / nu;
  }
  std::vector<char> out = bone;
  for (int b = low_v; b <= high_v; ++b) {
    for (int a = low_u; a <= high_u; ++a) out[static_cast<std::size_t>(a + nu * b)] = 1;
  }
  std::vector<int> queue;
  const auto visit = [&](int a, int b) {
    if (a < low_u || a > high_u || b < low_v || b > high_v) return;
    const auto at = static_cast<std::size_t>(a + nu * b);
    if (out[at] && !bone[at]) out[at] = 0, queue.push_back(a + nu * b);
  };
  for (int a = low_u; a <= high_u; ++a) visit(a, low_v), visit(a, high_v);
  for (int b = low_v; b <= high_v; ++b) visit(low_u, b), visit(high_u, b);
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const int a = queue[next] % nu, b = queue[next] / nu;
    visit(a - 1, b), visit(a + 1, b), visit(a, b - 1), visit(a, b + 1);
  }
  return out;
}

/// Sections of the bone in one slice along an axis.
std::vector<Section> sectionsOf(const BoneScan& scan, int axis, int slice) {
  const image::Frame& frame = scan.labels.frame;
  const int u = (axis + 1) % 3, v = (axis + 2) % 3, nu = frame.size[u], nv = frame.size[v];
  const auto place = [&](int cell) {
    Vector3i at;
    at[axis] = slice, at[u] = cell % nu, at[v] = cell / nu;
    return at;
  };
  std::vector<char> solid(static_cast<std::size_t>(nu) * static_cast<std::size_t>(nv));
  for (int cell = 0; cell < nu * nv; ++cell) {
    const Vector3i at = place(cell);
    solid[static_cast<std::size_t>(cell)] =
        scan.bone(static_cast<std::size_t>(scan.labels.index(at[0], at[1], at[2]))) ? 1 : 0;
  }
  solid = enclosed(solid, nu, nv);
  const auto bone = [&](int cell) { return solid[static_cast<std::size_t>(cell)] != 0; };
  std::vector<char> seen(static_cast<std::size_t>(nu) * static_cast<std::size_t>(nv), 0);
  std::vector<Section> out;
  std::vector<int> cells;
  for (int start = 0; start < nu * nv; ++start) {
    if (seen[static_cast<std::size_t>(start)] || !bone(start)) continue;
    cells = {start};
    seen[static_cast<std::size_t>(start)] = 1;
    bool border = false;
    for (std::size_t next = 0; next < cells.size(); ++next) {
      const int a = cells[next] % nu, b = cells[next] / nu;
      border = border || a == 0 || b == 0 || a + 1 == nu || b + 1 == nv;
      for (const auto& [c, d] : {std::pair{a - 1, b}, {a + 1, b}, {a, b - 1}, {a, b + 1}}) {
        if (c < 0 || d < 0 || c >= nu || d >= nv || seen[static_cast<std::size_t>(c + nu * d)]) continue;
        if (!bone(c + nu * d)) continue;
        seen[static_cast<std::size_t>(c + nu * d)] = 1;
        cells.push_back(c + nu * d);
      }
    }
    Section s;
    s.area_mm2 = static_cast<double>(cells.size()) * frame.spacing_mm[u] * frame.spacing_mm[v];
    if (border || s.area_mm2 < kLeast_mm2 || s.area_mm2 > kMost_mm2) continue;
    for (const int cell : cells)
      s.centre_mm += frame.toWorld(place(cell).cast<double>()) / static_cast<double>(cells.size());
    for (const int cell : cells)
      s.radius_mm = std::max(s.radius_mm, (frame.toWorld(place(cell).cast<double>()) - s.centre_mm).norm());
    if (s.area_mm2 > kRound * M_PI * s.radius_mm * s.radius_mm) out.push_back(s);
  }
  return out;
}

/// Where a tube ends.
struct Stump {
  Vector3d end_mm, axis;  ///< the axis points outwards
  double area_mm2 = 0, radius_mm = 0, length_mm = 0;
};

/// The end of a tube whose sections run towards its back.
Stump stumpOf(const std::vector<Section>& tube) {
  Stump out;
  const Section& last = tube.back();
  std::size_t first = tube.size() - 1;
  while (first > 0 && (tube[first].centre_mm - last.centre_mm).norm() < kAxis_mm) --first;
  std::vector<double> areas;
  for (std::size_t i = first; i < tube.size(); ++i) {
    areas.push_back(tube[i].area_mm2);
    out.radius_mm = std::max(out.radius_mm, tube[i].radius_mm);
  }
  std::nth_element(areas.begin(), areas.begin() + static_cast<std::ptrdiff_t>(areas.size() / 2), areas.end());
  out.area_mm2 = areas[areas.size() / 2];
  // Where the cut runs askew the last sections are incomplete: the axis goes on without them.
  std::size_t whole = tube.size() - 1;
  while (whole > first + 2 * (tube.size() - first) / 3 && tube[whole].area_mm2 < 0.92 * out.area_mm2) --whole;
  const Vector3d base = tube[whole].centre_mm;
  out.axis = (base - tube[first].centre_mm).normalized();
  out.end_mm = base + (last.centre_mm - base).dot(out.axis) * out.axis;
  out.length_mm = (last.centre_mm - tube.front().centre_mm).norm();
  return out;
}

/// Ends of the tubes that run through the slices along an axis.
std::vector<Stump> stumpsAlong(const BoneScan& scan, int axis) {
  const image::Frame& frame = scan.labels.frame;
  std::vector<std::vector<Section>> slices(static_cast<std::size_t>(frame.size[axis]));
  core::parallelFor(frame.size[axis], [&](std::int64_t k) {
    slices[static_cast<std::size_t>(k)] = sectionsOf(scan, axis, static_cast<int>(k));
  });
  std::vector<Stump> out;
  const auto finish = [&](std::vector<Section>& tube) {
    if (tube.size() < 3 || (tube.front().centre_mm - tube.back().centre_mm).norm() < kLeastTube_mm) return;
    out.push_back(stumpOf(tube));
    std::reverse(tube.begin(), tube.end());
    out.push_back(stumpOf(tube));
  };
  std::vector<std::vector<Section>> open;
  for (const std::vector<Section>& slice : slices) {
    std::vector<char> taken(slice.size(), 0);
    std::vector<std::vector<Section>> going;
    for (std::vector<Section>& tube : open) {
      const Section& last = tube.back();
      std::size_t best = slice.size();
      double nearest = 0.3 * std::sqrt(last.area_mm2) + 1.2 * frame.spacing_mm[axis];
      for (std::size_t i = 0; i < slice.size(); ++i) {
        const double way = (slice[i].centre_mm - last.centre_mm).norm(), ratio = slice[i].area_mm2 / last.area_mm2;
        if (!taken[i] && way < nearest && ratio > 0.6 && ratio < 1.67) nearest = way, best = i;
      }
      if (best == slice.size()) {
        finish(tube);
      } else {
        taken[best] = 1;
        tube.push_back(slice[best]);
        going.push_back(std::move(tube));
      }
    }
    for (std::size_t i = 0; i < slice.size(); ++i) {
      if (!taken[i]) going.push_back({slice[i]});
    }
    open = std::move(going);
  }
  for (std::vector<Section>& tube : open) finish(tube);
  return out;
}

/// Cells of a grid along the axis of a gap: across it u and v, along it s.
class Tunnel {
 public:
  Tunnel(const BoneScan& scan, const Stump& a, const Stump& b)
      : scan_(scan),
        step_mm_(std::max(0.8, scan.ct.frame.spacing_mm.minCoeff())),
        start_(a.end_mm),
        axis_((b.end_mm - a.end_mm).normalized()),
        u_(axis_.unitOrthogonal()),
        v_(axis_.cross(u_)),
        gap_mm_((b.end_mm - a.end_mm).norm()),
        half_(static_cast<int>(std::ceil((1.3 * std::max(a.radius_mm, b.radius_mm) + 2) / step_mm_))),
        before_(static_cast<int>(kBeyond_mm / step_mm_)),
        layers_(static_cast<int>((gap_mm_ + 2 * kBeyond_mm) / step_mm_) + 1) {
    near_mm_ = 0.6 * std::sqrt(std::max(a.area_mm2, b.area_mm2) / M_PI);
    sections_.resize(static_cast<std::size_t>(layers_));
    core::parallelFor(layers_, [&](std::int64_t k) { cut(static_cast<int>(k)); });
  }

  /// Pieces of bone near the axis in one layer, as a mask on a grid of its own.
  struct Layer {
    image::LabelVolume bone;
    double area_mm2 = 0, core_hu = 0, ring_hu = 0;
  };
  const Layer& layer(int k) const { return sections_[static_cast<std::size_t>(std::clamp(k, 0, layers_ - 1))]; }
  int layers() const { return layers_; }
  double step_mm() const { return step_mm_; }
  int middle() const { return before_ + static_cast<int>(gap_mm_ / 2 / step_mm_); }
  double reach_mm() const { return half_ * step_mm_; }
  const Vector3d& axis() const { return axis_; }
  /// u, v and layer, all counted in cells.
  Vector3d cellOf(const Vector3d& p) const {
    const Vector3d d = p - start_;
    return {d.dot(u_) / step_mm_ + half_, d.dot(v_) / step_mm_ + half_, d.dot(axis_) / step_mm_ + before_};
  }
  Vector3d placeOf(int u, int v, int k) const {
    return start_ + step_mm_ * ((u - half_) * u_ + (v - half_) * v_ + (k - before_) * axis_);
  }
  static image::LabelVolume inverse(image::LabelVolume mask) {
    for (auto& m : mask.voxels) m = m ? 0 : 1;
    return mask;
  }

 private:
  bool metalNear(const Vector3d& place) const {
    constexpr int kBloom = 1;  // voxels
    const Vector3i at = scan_.ct.frame.toIndex(place).array().round().cast<int>();
    for (int n = 0; n < 27; ++n) {
      const Vector3i to = at + kBloom * Vector3i(n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1);
      if (scan_.labels.contains(to[0], to[1], to[2]) && scan_.labels.at(to[0], to[1], to[2]) == image::Metal)
        return true;
    }
    return false;
  }

  void cut(int k) {
    image::Frame flat;
    flat.size = {2 * half_ + 1, 2 * half_ + 1, 1};
    flat.spacing_mm = Vector3d::Constant(step_mm_);
    image::LabelVolume bone(flat);
    for (int v = 0; v <= 2 * half_; ++v) {
      for (int u = 0; u <= 2 * half_; ++u) {
        const Vector3i at = scan_.ct.frame.toIndex(placeOf(u, v, k)).array().round().cast<int>();
        if (scan_.ct.contains(at[0], at[1], at[2]) &&
            scan_.bone(static_cast<std::size_t>(scan_.ct.index(at[0], at[1], at[2]))))
          bone.at(u, v, 0) = 1;
      }
    }
    Layer& out = sections_[static_cast<std::size_t>(k)];
    out.bone = nearAxis(filled(image::close(bone, std::max(1.5, scan_.ct.frame.spacing_mm.maxCoeff()))));
    double core = 0, ring = 0;
    const image::CtVolume depth_mm = image::distanceMm(inverse(out.bone));
    for (int v = 0; v <= 2 * half_; ++v) {
      for (int u = 0; u <= 2 * half_; ++u) {
        if (!out.bone.at(u, v, 0)) continue;
        out.area_mm2 += step_mm_ * step_mm_;
        if (metalNear(placeOf(u, v, k))) continue;
        const double hu =
            image::sampleLinear(scan_.ct, scan_.ct.frame.toIndex(placeOf(u, v, k)), static_cast<float>(scan_.soft_hu));
        if (std::hypot(u - half_, v - half_) * step_mm_ < 0.7 * near_mm_) out.core_hu += hu, core += 1;
        if (depth_mm.at(u, v, 0) < 3) out.ring_hu += hu, ring += 1;
      }
    }
    out.core_hu /= std::max(core, 1.0), out.ring_hu /= std::max(ring, 1.0);
  }

  /// Closes rings: marrow that lies open towards the gap is no bone by its label.
  static image::LabelVolume filled(const image::LabelVolume& bone) {
    const int n = bone.frame.size[0];
    image::LabelVolume out(bone.frame, 1);
    std::vector<std::int64_t> queue;
    const auto visit = [&](std::int64_t v) {
      const auto at = static_cast<std::size_t>(v);
      if (!bone.voxels[at] && out.voxels[at]) out.voxels[at] = 0, queue.push_back(v);
    };
    for (int i = 0; i < n; ++i) {
      for (const int edge : {i, i + n * (n - 1), n * i, n * i + n - 1}) visit(edge);
    }
    for (std::size_t next = 0; next < queue.size(); ++next) image::forFaceNeighbours(bone.frame, queue[next], visit);
    return out;
  }

  /// Pieces that come near the axis; others belong to the neighbours.
  image::LabelVolume nearAxis(const image::LabelVolume& bone) const {
    image::LabelVolume out(bone.frame);
    std::vector<std::int64_t> queue;
    for (std::int64_t v = 0; v < bone.frame.voxelCount(); ++v) {
      if (bone.voxels[static_cast<std::size_t>(v)] &&
          std::hypot(v % bone.frame.size[0] - half_, v / bone.frame.size[0] - half_) * step_mm_ < near_mm_)
        out.voxels[static_cast<std::size_t>(v)] = 1, queue.push_back(v);
    }
    for (std::size_t next = 0; next < queue.size(); ++next) {
      image::forFaceNeighbours(bone.frame, queue[next], [&](std::int64_t to) {
        const auto at = static_cast<std::size_t>(to);
        if (bone.voxels[at] && !out.voxels[at]) out.voxels[at] = 1, queue.push_back(to);
      });
    }
    return out;
  }

  const BoneScan& scan_;
  double step_mm_;
  Vector3d start_, axis_, u_, v_;
  double gap_mm_;
  int half_, before_, layers_;
  double near_mm_ = 0;
  std::vector<Layer> sections_;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double medianArea(const Tunnel& tunnel, double from, double to) {
  std::vector<double> areas;
  for (int k = std::max(0, static_cast<int>(from)); k <= std::min(tunnel.layers() - 1, static_cast<int>(to)); ++k)
    areas.push_back(tunnel.layer(k).area_mm2);
  return median(areas);
}

/// One side of a gap: the layer where the bone reaches half of its section, and how it gets there.
struct Side {
  int half = 0, full = 0;  ///< layers
  double area_mm2 = 0, flare = 1, cap = 0, wall_hu = 0;
};

Side sideOf(const Tunnel& tunnel, int direction, double reference_mm2) {
  Side out;
  const auto area = [&](int k) { return tunnel.layer(k).area_mm2; };
  const double mm = direction / tunnel.step_mm();
  int k = tunnel.middle();
  while (k > 0 && k + 1 < tunnel.layers() && area(k) < 0.5 * reference_mm2) k += direction;
  out.half = k;
  const double a = k + 3 * mm, b = k + 14 * mm;
  out.area_mm2 = medianArea(tunnel, std::min(a, b), std::max(a, b));
  while (k > 0 && k + 1 < tunnel.layers() && area(k) < 0.85 * out.area_mm2) k += direction;
  out.full = k;
  const double c = k + 1 * mm, d = k + 4 * mm, e = k + 9 * mm, f = k + 16 * mm;
  out.flare = medianArea(tunnel, std::min(c, d), std::max(c, d)) /
              std::max(1.0, medianArea(tunnel, std::min(e, f), std::max(e, f)));
  double cap = -1e9;
  for (int n = 0; n <= static_cast<int>(3 / tunnel.step_mm()); ++n)
    cap = std::max(cap, tunnel.layer(out.half + n * direction).core_hu);
  const Tunnel::Layer& inside = tunnel.layer(static_cast<int>(k + 8 * mm));
  out.wall_hu = inside.ring_hu;
  out.cap = (cap - inside.core_hu) / std::max(100.0, inside.ring_hu - std::min(inside.core_hu, 40.0));
  return out;
}

/// Signed distance to the outline of a section, negative inside.
image::CtVolume signedDistance(const image::LabelVolume& mask) {
  image::CtVolume out = image::distanceMm(mask);
  const image::CtVolume inside = image::distanceMm(Tunnel::inverse(mask));
  for (std::size_t v = 0; v < out.voxels.size(); ++v) out.voxels[v] -= inside.voxels[v];
  return out;
}

/// The shaft continued from one section to the other, where there is no bone.
std::vector<std::int64_t> between(const BoneScan& scan, const Tunnel& tunnel, const Side& a, const Side& b) {
  const int first = a.full - 1, last = b.full + 1;
  const image::CtVolume low = signedDistance(tunnel.layer(first).bone), high = signedDistance(tunnel.layer(last).bone);
  const image::Frame& frame = scan.ct.frame;
  Vector3d from = Vector3d::Constant(1e9), to = -from;
  const int side = low.frame.size[0] - 1;
  for (int corner = 0; corner < 8; ++corner) {
    const Vector3d index =
        frame.toIndex(tunnel.placeOf(corner & 1 ? side : 0, corner & 2 ? side : 0, corner & 4 ? last : first));
    from = from.cwiseMin(index), to = to.cwiseMax(index);
  }
  const Vector3i begin = from.array().floor().cast<int>().max(0),
                 end = to.array().ceil().cast<int>().min(frame.size.array() - 1);
  std::vector<std::int64_t> out;
  for (int k = begin[2]; k <= end[2]; ++k) {
    for (int j = begin[1]; j <= end[1]; ++j) {
      for (int i = begin[0]; i <= end[0]; ++i) {
        const std::int64_t v = scan.ct.index(i, j, k);
        if (scan.labels.voxels[static_cast<std::size_t>(v)] != image::Background) continue;
        const Vector3d cell = tunnel.cellOf(frame.toWorld(Vector3d(i, j, k)));
        const double t = (cell[2] - first) / (last - first);
        if (t < 0 || t > 1 || cell[0] < 0 || cell[1] < 0 || cell[0] > side || cell[1] > side) continue;
        const Vector3d flat(cell[0], cell[1], 0);
        const Vector3i near = cell.array().round().cast<int>();
        if (tunnel.layer(near[2]).bone.at(near[0], near[1], 0)) continue;  // marrow that lies open
        if ((1 - t) * image::sampleLinear(low, flat, 9) + t * image::sampleLinear(high, flat, 9) < 0) out.push_back(v);
      }
    }
  }
  return out;
}

std::optional<DefectCandidate> gapBetween(const BoneScan& scan, const Stump& a, const Stump& b) {
  const Tunnel tunnel(scan, a, b);
  const double reference = 0.5 * (a.area_mm2 + b.area_mm2);
  if (tunnel.layer(tunnel.middle()).area_mm2 > 0.5 * reference) return {};
  const Side low = sideOf(tunnel, -1, reference), high = sideOf(tunnel, 1, reference);
  const double gap_mm = (high.half - low.half) * tunnel.step_mm();
  if (low.full <= 1 || high.full + 2 >= tunnel.layers() || gap_mm < kLeastGap_mm) return {};
  double held = 0;
  for (int k = low.half + 1; k < high.half; ++k) held += tunnel.layer(k).area_mm2 / (high.half - low.half - 1);
  DefectCandidate out{0, between(scan, tunnel, low, high)};
  if (out.voxels.empty()) return {};
  const double width = 2 * std::sqrt(reference / M_PI), lag = (low.half - low.full + high.full - high.half) / 2.0;
  const auto change = [](double ratio) { return std::abs(std::log(std::max(ratio, 0.01))); };
  const double voxel_mm3 = scan.ct.frame.voxelVolume_mm3();
  const double filled = static_cast<double>(out.voxels.size()) * voxel_mm3 / (reference * gap_mm);
  // Cut shafts keep their section up to the end, joints and processes don't, and have a dense end. Vessels have no
  // dense wall.
  out.score = beyond(std::max(change(low.flare), change(high.flare)), 0.33, -0.03) *
              beyond(change(low.area_mm2 / std::max(high.area_mm2, 1.0)), 0.42, -0.04) *
              beyond(held / reference, 0.36, -0.02) * beyond(lag * tunnel.step_mm() / width, 0.35, -0.05) *
              beyond(std::max(low.cap, high.cap), 0.86, -0.03) * beyond(filled, 0.35, 0.03) * beyond(gap_mm, 6, 0.3) *
              beyond(std::min(low.wall_hu, high.wall_hu) - scan.soft_hu, 450, 30) *
              beyond(reference / std::pow(voxel_mm3, 2.0 / 3), 40, 3);
  return out;
}

}  // namespace

std::vector<DefectCandidate> shaftGaps(const BoneScan& scan) {
  constexpr double kAligned = 0.9;
  std::vector<DefectCandidate> out;
  for (int axis = 0; axis < 3; ++axis) {
    const std::vector<Stump> stumps = stumpsAlong(scan, axis);
    for (std::size_t i = 0; i < stumps.size(); ++i) {
      for (std::size_t j = i + 1; j < stumps.size(); ++j) {
        const Stump &a = stumps[i], &b = stumps[j];
        const Vector3d way = b.end_mm - a.end_mm;
        const double gap_mm = way.norm();
        if (gap_mm < kLeastGap_mm || gap_mm > kWidestGap_mm) continue;
        const Vector3d axis_ab = way / gap_mm;
        if (a.axis.dot(axis_ab) < kAligned || -b.axis.dot(axis_ab) < kAligned || -a.axis.dot(b.axis) < kAligned)
          continue;
        if (std::abs(std::log(a.area_mm2 / b.area_mm2)) > std::log(2.0)) continue;
        if (auto found = gapBetween(scan, a, b)) out.push_back(std::move(*found));
      }
    }
  }
  return out;
}

}  // namespace osteo::segment
