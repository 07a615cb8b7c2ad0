#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/morphology.h"
#include "segment/defect_candidates.h"
#include "segment/geodesic.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::LabelVolume;

namespace {

constexpr double kReach_mm = 130, kNear_mm = 25;  ///< from the vault's middle to its inner surface
constexpr double kStep_mm = 0.5, kThickest_mm = 20, kThinnest_mm = 1.5;
constexpr double kDiploe_mm = 3;      ///< of a shell's inside that may look like soft tissue
constexpr double kScalp_mm = 40;      ///< from the missing bone to the outer air
constexpr int kBand = 14, kEdge = 3;  ///< rings of directions about a hole: those fitted, those that may hold its rim

/// Nearest voxel's state along rays through a scan.
class Rays {
 public:
  explicit Rays(const BoneScan& scan) : scan_(scan), coarse_(coarseFrame(scan.ct.frame, 3)) {
    stride_ = coarse_.spacing_mm.cwiseQuotient(scan.ct.frame.spacing_mm).array().round().cast<int>();
    LabelVolume air(coarse_);
    forVoxels(coarse_, [&](int i, int j, int k, std::size_t v) {
      air.voxels[v] = scan.ct.at(i * stride_[0], j * stride_[1], k * stride_[2]) < -300 ? 1 : 0;
    });
    const image::Components parts = image::components(air, image::Connectivity::Faces);
    std::vector<char> outer(parts.voxels.size() + 1, 0);
    const Vector3i last = coarse_.size - Vector3i::Ones();
    const auto atBorder = [&](int i, int j, int k) {
      return i == 0 || j == 0 || k == 0 || i == last[0] || j == last[1] || k == last[2];
    };
    std::size_t v = 0;
    for (int k = 0; k <= last[2]; ++k) {
      for (int j = 0; j <= last[1]; ++j) {
        for (int i = 0; i <= last[0]; ++i, ++v) {
          if (atBorder(i, j, k)) outer[static_cast<std::size_t>(parts.ids.voxels[v])] = 1;
        }
      }
    }
    outer[0] = 0;
    for (std::size_t w = 0; w < air.voxels.size(); ++w)
      air.voxels[w] = outer[static_cast<std::size_t>(parts.ids.voxels[w])] ? 1 : 0;
    air_ = std::move(air);
  }

  enum class At { Soft, Bone, OuterAir, Beyond };
  At state(const Vector3d& index) const {
    const image::Frame& frame = scan_.ct.frame;
    const Vector3i v = (index.array() + 0.5).floor().cast<int>();
    if ((v.array() < 0).any() || (v.array() >= frame.size.array()).any()) return At::Beyond;
    if (scan_.bone(static_cast<std::size_t>(scan_.ct.index(v[0], v[1], v[2])))) return At::Bone;
    return air_.at(v[0] / stride_[0], v[1] / stride_[1], v[2] / stride_[2]) ? At::OuterAir : At::Soft;
  }
  /// Index steps per mm along a direction.
  Vector3d perMm(const Vector3d& direction) const {
    const image::Frame& frame = scan_.ct.frame;
    return (frame.direction.transpose() * direction).cwiseQuotient(frame.spacing_mm);
  }
  const image::Frame& frame() const { return scan_.ct.frame; }
  const image::Frame& coarse() const { return coarse_; }
  const BoneScan& scan() const { return scan_; }
  const Vector3i& stride() const { return stride_; }

 private:
  BoneScan scan_;
  image::Frame coarse_;
  Vector3i stride_;
  LabelVolume air_;
};

/// What a ray meets first; not a number where that is no bone.
struct Wall {
  double inner_mm = NAN, thickness_mm = NAN;
  bool cut = false;  ///< the image ends before
  bool found() const { return inner_mm == inner_mm; }
};

Wall meet(const Rays& rays, const Vector3d& centre_mm, const Vector3d& direction, double step_mm) {
  const Vector3d start = rays.frame().toIndex(centre_mm), per_mm = rays.perMm(direction);
  Wall out;
  double last_bone = 0;
  for (double r = 0; r < kReach_mm + kThickest_mm; r += step_mm) {
    const Rays::At state = rays.state(start + r * per_mm);
    if (state == Rays::At::Bone) {
      if (!out.found() && r > kReach_mm) return out;
      if (!out.found()) out.inner_mm = r - step_mm / 2;
      last_bone = r;
      if (r - out.inner_mm > kThickest_mm) break;
    } else if (out.found()) {
      if (r - last_bone > kDiploe_mm) break;
    } else if (state == Rays::At::Beyond || state == Rays::At::OuterAir) {
      out.cut = state == Rays::At::Beyond;
      return out;
    }
  }
  if (out.found()) out.thickness_mm = last_bone + step_mm / 2 - out.inner_mm;
  return out;
}

/// Share of pairs of neighbouring directions between which the wall goes on.
double coverage(const Rays& rays, const Geodesic& all, const Vector3d& centre_mm) {
  std::vector<double> inner;
  for (const Vector3d& d : all.directions) {
    const Wall wall = meet(rays, centre_mm, d, 2);
    inner.push_back(wall.inner_mm >= kNear_mm ? wall.inner_mm : NAN);
  }
  double on = 0, pairs = 0;
  for (std::size_t n = 0; n < inner.size(); ++n) {
    for (const int m : all.neighbours[n]) {
      const double other = inner[static_cast<std::size_t>(m)];
      pairs += 1;
      on += std::abs(inner[n] - other) < 0.3 * std::min(inner[n], other) ? 1 : 0;
    }
  }
  return on / pairs;
}

/// A point about which a vault closes; nothing where there is none.
std::optional<Vector3d> vaultCentre(const Rays& rays) {
  constexpr double kLattice_mm = 15, kClear_mm = 30, kCoverage = 0.5;
  const Geodesic few = geodesic(2);
  const image::Frame& coarse = rays.coarse();
  LabelVolume walls(coarse);
  const BoneScan& scan = rays.scan();
  const Vector3i stride = rays.stride();
  std::size_t v = 0;
  for (int k = 0; k < scan.ct.frame.size[2]; ++k) {
    for (int j = 0; j < scan.ct.frame.size[1]; ++j) {
      for (int i = 0; i < scan.ct.frame.size[0]; ++i, ++v) {
        if (scan.bone(v)) walls.at(i / stride[0], j / stride[1], k / stride[2]) = 1;
      }
    }
  }
  const image::CtVolume clear_mm = image::distanceMm(walls);
  const Vector3i step = (kLattice_mm * coarse.spacing_mm.cwiseInverse()).array().round().cast<int>().max(1);
  std::vector<Vector3d> places;
  for (int k = step[2] / 2; k < coarse.size[2]; k += step[2]) {
    for (int j = step[1] / 2; j < coarse.size[1]; j += step[1]) {
      for (int i = step[0] / 2; i < coarse.size[0]; i += step[0]) {
        const float mm = clear_mm.at(i, j, k);
        const Vector3d place = coarse.toWorld(Vector3d(i, j, k));
        if (mm >= kClear_mm && mm < kReach_mm && rays.state(rays.frame().toIndex(place)) == Rays::At::Soft)
          places.push_back(place);
      }
    }
  }
  std::vector<double> score(places.size(), 0);
  core::parallelFor(static_cast<std::int64_t>(places.size()), [&](std::int64_t n) {
    score[static_cast<std::size_t>(n)] = coverage(rays, few, places[static_cast<std::size_t>(n)]);
  });
  const auto best = std::max_element(score.begin(), score.end());
  if (best == score.end() || *best < kCoverage) return {};
  Vector3d centre = places[static_cast<std::size_t>(best - score.begin())];
  for (int turn = 0; turn < 3; ++turn) {  // to the middle of what is seen
    Vector3d sum = Vector3d::Zero();
    double seen = 0;
    for (const Vector3d& d : few.directions) {
      const Wall wall = meet(rays, centre, d, 2);
      if (wall.found()) sum += wall.inner_mm * d, seen += 1;
    }
    centre += 0.5 * sum / seen;
  }
  return centre;
}

using Nodes = std::vector<int>;

/// The walls in all directions and the largest part of them that hangs together.
struct Vault {
  Vector3d centre_mm;
  Geodesic all;
  std::vector<Wall> walls;
  std::vector<char> shell;

  Vault(const Rays& rays, const Vector3d& centre) : centre_mm(centre), all(geodesic(6)), walls(all.directions.size()) {
    core::parallelFor(static_cast<std::int64_t>(walls.size()), [&](std::int64_t n) {
      const auto at = static_cast<std::size_t>(n);
      walls[at] = meet(rays, centre, all.directions[at], kStep_mm);
    });
    std::vector<char> seen(walls.size(), 0);
    Nodes largest;
    for (std::size_t n = 0; n < walls.size(); ++n) {
      if (seen[n] || !walls[n].found()) continue;
      Nodes part = connected(n, seen, [&](std::size_t a, std::size_t b) {
        constexpr double kJump_mm = 4;
        return walls[b].found() && std::abs(walls[a].inner_mm - walls[b].inner_mm) < kJump_mm;
      });
      if (part.size() > largest.size()) largest = std::move(part);
    }
    shell.assign(walls.size(), 0);
    for (const int n : largest) shell[static_cast<std::size_t>(n)] = 1;
  }

  /// All that hangs together with a direction over links that hold.
  template <class Link>
  Nodes connected(std::size_t from, std::vector<char>& seen, const Link& link) const {
    Nodes out{static_cast<int>(from)};
    seen[from] = 1;
    for (std::size_t next = 0; next < out.size(); ++next) {
      const auto at = static_cast<std::size_t>(out[next]);
      for (const int m : all.neighbours[at]) {
        const auto to = static_cast<std::size_t>(m);
        if (!seen[to] && link(at, to)) seen[to] = 1, out.push_back(m);
      }
    }
    return out;
  }
};

/// A hole in the vault with the rings of directions about it, and its continued wall.
struct Hole {
  Nodes nodes, rim;                  ///< rim: kBand rings, nearest first
  std::vector<int> ring;             ///< of every direction: -1 far away, 0 hole, 1, 2, …
  std::vector<double> inner, thick;  ///< by direction, within hole and rim
  double rms_mm = 0, thickness_mm = 0, whole = 0, open = 0, half_angle = 0;
  double paired = 0;  ///< share that faces another opening across the middle: orbits come in pairs
};

void addRings(const Vault& vault, Hole& hole) {
  hole.ring.assign(vault.walls.size(), -1);
  for (const int n : hole.nodes) hole.ring[static_cast<std::size_t>(n)] = 0;
  Nodes front = hole.nodes;
  for (int r = 1; r <= kBand; ++r) {
    Nodes next;
    for (const int n : front) {
      for (const int m : vault.all.neighbours[static_cast<std::size_t>(n)]) {
        if (hole.ring[static_cast<std::size_t>(m)] >= 0) continue;
        hole.ring[static_cast<std::size_t>(m)] = r;
        next.push_back(m);
      }
    }
    hole.rim.insert(hole.rim.end(), next.begin(), next.end());
    front = std::move(next);
  }
}

/// A quadric in the plane across `axis`, by least squares.
struct Quadric {
  Vector3d u, v;
  Eigen::Matrix<double, 6, 1> terms;
  explicit Quadric(const Vector3d& axis) : u(axis.unitOrthogonal()), v(axis.cross(u)) { terms.setZero(); }
  Eigen::Matrix<double, 6, 1> row(const Vector3d& d) const {
    const double x = d.dot(u), y = d.dot(v);
    return (Eigen::Matrix<double, 6, 1>() << 1, x, y, x * x, x * y, y * y).finished();
  }
  double at(const Vector3d& d) const { return terms.dot(row(d)); }
};

/// The quadric of the values known on the rim, without those that stand out: edges are ragged. They become unknown.
/// Returns the root mean square of the rest about it.
double fitRim(const Vault& vault, const Hole& hole, const std::vector<double>& value, std::vector<char>& known,
              Quadric& fit) {
  constexpr double kOutlier = 2.5, kSurely_mm = 0.7;
  double rms = 1e9;
  for (int turn = 0; turn < 4; ++turn) {
    Eigen::Matrix<double, 6, 6> normal = 1e-9 * Eigen::Matrix<double, 6, 6>::Identity();
    Eigen::Matrix<double, 6, 1> right = Eigen::Matrix<double, 6, 1>::Zero();
    for (const int n : hole.rim) {
      const auto at = static_cast<std::size_t>(n);
      if (!known[at]) continue;
      const auto row = fit.row(vault.all.directions[at]);
      normal += row * row.transpose(), right += value[at] * row;
    }
    fit.terms = normal.ldlt().solve(right);
    double squares = 0, count = 0;
    for (const int n : hole.rim) {
      const auto at = static_cast<std::size_t>(n);
      if (!known[at]) continue;
      const double rest = value[at] - fit.at(vault.all.directions[at]);
      squares += rest * rest, count += 1;
    }
    rms = std::sqrt(squares / std::max(count, 1.0));
    for (const int n : hole.rim) {
      const auto at = static_cast<std::size_t>(n);
      const double rest = std::abs(value[at] - fit.at(vault.all.directions[at]));
      if (known[at] && rest > std::max(kOutlier * rms, kSurely_mm)) known[at] = 0;
    }
  }
  return rms;
}

/// Continues values known on the rim into the hole: the quadric of the rim and the harmonic continuation of what is
/// left, so that the piece meets the rim without a step. Returns the rim's root mean square about the quadric.
double continued(const Vault& vault, const Hole& hole, const Vector3d& axis, std::vector<char> known,
                 std::vector<double>& value) {
  Quadric fit(axis);
  const double rms = fitRim(vault, hole, value, known, fit);
  std::vector<double> rest(value.size(), 0);
  Nodes unknown = hole.nodes;
  for (const int n : hole.rim) {
    const auto at = static_cast<std::size_t>(n);
    if (known[at])
      rest[at] = value[at] - fit.at(vault.all.directions[at]);
    else
      unknown.push_back(n);
  }
  for (int pass = 0; pass < 300; ++pass) {
    for (const int n : unknown) {
      double sum = 0, weight = 0;
      for (const int m : vault.all.neighbours[static_cast<std::size_t>(n)]) {
        if (hole.ring[static_cast<std::size_t>(m)] < 0) continue;
        sum += rest[static_cast<std::size_t>(m)], weight += 1;
      }
      rest[static_cast<std::size_t>(n)] = sum / weight;
    }
  }
  for (const int n : unknown) {
    const auto at = static_cast<std::size_t>(n);
    value[at] = fit.at(vault.all.directions[at]) + rest[at];
  }
  return rms;
}

/// Share of the hole in front of which the outer air lies behind soft tissue alone.
double openShare(const Rays& rays, const Vault& vault, const Hole& hole) {
  double open = 0;
  for (const int n : hole.nodes) {
    const auto at = static_cast<std::size_t>(n);
    const Vector3d start = rays.frame().toIndex(vault.centre_mm), per_mm = rays.perMm(vault.all.directions[at]);
    const double outer = hole.inner[at] + hole.thick[at];
    for (double r = outer; r < outer + kScalp_mm; r += 1) {
      const Rays::At state = rays.state(start + r * per_mm);
      if (state == Rays::At::Bone) break;
      if (state == Rays::At::Soft) continue;
      open += state == Rays::At::OuterAir || r > outer + 3 ? 1 : 0;
      break;
    }
  }
  return open / static_cast<double>(hole.nodes.size());
}

/// Whether the image ends before the continued wall does.
bool endsBefore(const Rays& rays, const Vault& vault, const Hole& hole, std::size_t at) {
  const Vector3d outer = (hole.inner[at] + hole.thick[at]) * vault.all.directions[at];
  return rays.state(rays.frame().toIndex(vault.centre_mm + outer)) == Rays::At::Beyond;
}

/// Share of the hole whose mirror image, left for right about the vault's middle, is an opening too, but not this one.
double pairedShare(const Vault& vault, const Hole& hole) {
  double paired = 0;
  int near = hole.nodes.front();
  for (const int n : hole.nodes) {
    const Vector3d& d = vault.all.directions[static_cast<std::size_t>(n)];
    near = vault.all.nearest({-d[0], d[1], d[2]}, near);
    const auto at = static_cast<std::size_t>(near);
    paired += !vault.shell[at] && hole.ring[at] != 0 ? 1 : 0;
  }
  return paired / static_cast<double>(hole.nodes.size());
}

/// Fits the hole's wall and says how much it looks like a vault's.
void measure(const Rays& rays, const Vault& vault, Hole& hole) {
  addRings(vault, hole);
  Vector3d axis = Vector3d::Zero();
  for (const int n : hole.nodes) axis += vault.all.directions[static_cast<std::size_t>(n)];
  axis.normalize();
  double least = 1;
  for (const int n : hole.nodes) least = std::min(least, vault.all.directions[static_cast<std::size_t>(n)].dot(axis));
  hole.half_angle = std::acos(std::clamp(least, -1.0, 1.0));
  std::vector<char> known(vault.walls.size(), 0);
  hole.inner.assign(known.size(), 0), hole.thick.assign(known.size(), 0);
  std::vector<double> thicknesses;
  double bone = 0;
  for (const int n : hole.rim) {
    const auto at = static_cast<std::size_t>(n);
    known[at] = vault.shell[at] && hole.ring[at] >= kEdge ? 1 : 0;
    bone += vault.shell[at] ? 1 : 0;
    if (!known[at]) continue;
    hole.inner[at] = vault.walls[at].inner_mm;
    hole.thick[at] = std::clamp(vault.walls[at].thickness_mm, kThinnest_mm, kThickest_mm);
    thicknesses.push_back(hole.thick[at]);
  }
  hole.whole = bone / static_cast<double>(std::max<std::size_t>(hole.rim.size(), 1));
  if (thicknesses.size() < 30) return;
  std::nth_element(thicknesses.begin(), thicknesses.begin() + static_cast<std::ptrdiff_t>(thicknesses.size() / 2),
                   thicknesses.end());
  hole.thickness_mm = thicknesses[thicknesses.size() / 2];
  hole.rms_mm = continued(vault, hole, axis, known, hole.inner);
  continued(vault, hole, axis, known, hole.thick);
  hole.open = openShare(rays, vault, hole);
  hole.paired = pairedShare(vault, hole);
}

/// Voxels between the continued walls that are no bone.
std::vector<std::int64_t> missing(const Rays& rays, const Vault& vault, const Hole& hole) {
  const image::Frame& frame = rays.frame();
  Vector3d low = Vector3d::Constant(1e9), high = -low;
  Nodes nodes = hole.nodes;
  for (const int n : hole.rim) {
    if (hole.ring[static_cast<std::size_t>(n)] <= kEdge) nodes.push_back(n);
  }
  for (const int n : nodes) {
    const auto at = static_cast<std::size_t>(n);
    for (const double r : {hole.inner[at], hole.inner[at] + hole.thick[at]}) {
      const Vector3d index = frame.toIndex(vault.centre_mm + r * vault.all.directions[at]);
      low = low.cwiseMin(index), high = high.cwiseMax(index);
    }
  }
  const Vector3i first = (low.array() - 1).floor().cast<int>().max(0),
                 last = (high.array() + 1).ceil().cast<int>().min(frame.size.array() - 1);
  std::vector<std::int64_t> out;
  int near = hole.nodes.front();
  for (int k = first[2]; k <= last[2]; ++k) {
    for (int j = first[1]; j <= last[1]; ++j) {
      for (int i = first[0]; i <= last[0]; ++i) {
        const auto v = rays.scan().ct.index(i, j, k);
        if (rays.scan().labels.voxels[static_cast<std::size_t>(v)] != image::Background) continue;
        const Vector3d way = frame.toWorld(Vector3d(i, j, k)) - vault.centre_mm;
        const double r = way.norm();
        near = vault.all.nearest(way / r, near);
        const auto at = static_cast<std::size_t>(near);
        if (hole.ring[at] < 0 || hole.ring[at] > kEdge) continue;
        if (r >= hole.inner[at] && r <= hole.inner[at] + hole.thick[at]) out.push_back(v);
      }
    }
  }
  return out;
}

}  // namespace

std::vector<DefectCandidate> vaultHoles(const BoneScan& scan) {
  constexpr double kLeast_mm2 = 40, kLeastScore = 0.05, kWidest = 1.05;  // radians to either side of the middle
  const Rays rays(scan);
  const std::optional<Vector3d> centre = vaultCentre(rays);
  if (!centre) return {};
  const Vault vault(rays, *centre);
  std::vector<DefectCandidate> out;
  std::vector<char> seen(vault.walls.size(), 0);
  for (std::size_t n = 0; n < vault.walls.size(); ++n) {
    if (seen[n] || vault.shell[n]) continue;
    Hole hole;
    hole.nodes = vault.connected(n, seen, [&](std::size_t, std::size_t to) { return !vault.shell[to]; });
    if (hole.nodes.size() < 8 || hole.nodes.size() > vault.walls.size() / 4) continue;
    measure(rays, vault, hole);
    if (hole.thickness_mm == 0) continue;
    double area_mm2 = 0, cut = 0;
    for (const int m : hole.nodes) {
      const auto at = static_cast<std::size_t>(m);
      area_mm2 += 4 * M_PI / static_cast<double>(vault.walls.size()) * hole.inner[at] * hole.inner[at];
      cut += endsBefore(rays, vault, hole, at) ? 1 : 0;
    }
    cut /= static_cast<double>(hole.nodes.size());
    if (area_mm2 < kLeast_mm2 || hole.half_angle > kWidest) continue;
    // Limits between the openings of skulls, real and of phantoms, and holes that are known.
    const double score = beyond(area_mm2, 150, 6) * beyond(hole.whole, 0.94, 0.012) * beyond(hole.rms_mm, 3.8, -0.25) *
                         beyond(hole.thickness_mm, 14, -1) * beyond(hole.open, 0.93, 0.015) * beyond(cut, 0.1, -0.02) *
                         beyond(hole.paired, 0.4, -0.05);
    if (score < kLeastScore) continue;
    DefectCandidate found{score, missing(rays, vault, hole)};
    // An opening between walls that lie apart, as an orbit's, has far more room about it than a plate of that
    // thickness.
    const double room = static_cast<double>(found.voxels.size()) * rays.frame().voxelVolume_mm3();
    found.score *= beyond(room / (area_mm2 * hole.thickness_mm), 1.65, -0.05);
    if (!found.voxels.empty()) out.push_back(std::move(found));
  }
  return out;
}

}  // namespace osteo::segment
