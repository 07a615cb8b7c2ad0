#include "reconstruct/flap.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/log.h"
#include "core/parallel.h"
#include "levelset/components.h"
#include "reconstruct/grid_cut.h"
#include "reconstruct/pieces.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

constexpr float kFar = 1e3F;

/// Whether one can look through the wall at this place, straight or aslant by an angle, as saws cut.
bool goesThrough(const Host& host, const Eigen::Vector3d& p, double tilt) {
  constexpr double kReach_mm = 12;
  const auto isFree = [&](const Eigen::Vector3d& direction) {
    for (double t = -kReach_mm; t <= kReach_mm; t += 1) {
      if (image::sampleLinear(host.distance, host.distance.frame.toIndex(p + t * direction), kFar) < 0) return false;
    }
    return true;
  };
  const Eigen::Vector3d out = (p - host.centre_mm).normalized(), u = out.unitOrthogonal(), w = out.cross(u);
  if (isFree(out)) return true;
  for (int n = 0; n < 8 && tilt > 0; ++n) {
    const double turn = n * M_PI / 4;
    if (isFree(std::cos(tilt) * out + std::sin(tilt) * (std::cos(turn) * u + std::sin(turn) * w))) return true;
  }
  return false;
}

using Gap = std::vector<Eigen::Vector3d>;

/// Gaps through the wall that closing bridges, by their connected parts.
std::vector<Gap> gapsThrough(const Host& host, double tilt) {
  constexpr float kJoin_mm = 2.5F, kInGap_mm = 0.3F;  // leads and blur cut a gap into parts
  const image::Frame& frame = host.closed.frame;
  std::vector<char> through(frame.voxelCount(), 0);
  core::parallelChunks(frame.voxelCount(), 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t v = first; v < last; ++v) {
      const bool bridged = host.closed.voxels[v] < 0 && host.distance.voxels[v] > kInGap_mm;
      through[v] = bridged && goesThrough(host, frame.centre(v), tilt) ? 1 : 0;
    }
  });
  if (std::find(through.begin(), through.end(), 1) == through.end()) return {};
  image::CtVolume joined = registration::distanceTo(frame, [&](std::int64_t v) { return through[v] != 0; });
  for (float& d : joined.voxels) d -= kJoin_mm;
  std::vector<Gap> gaps;
  for (const auto& part : connectedParts(joined, 0)) {
    Gap& gap = gaps.emplace_back();
    for (const std::int64_t v : part.voxels) {
      if (through[v] != 0) gap.push_back(frame.centre(v));
    }
  }
  return gaps;
}

/// The circle nearest to points in the plane nearest to them.
struct Circle {
  Eigen::Vector3d centre;
  double radius = 0, extent = 0;  ///< extent: of the points along their longest axis
};

Circle fitCircle(const std::vector<Eigen::Vector3d>& points) {
  const auto n = static_cast<Eigen::Index>(points.size());
  Eigen::Vector3d middle = Eigen::Vector3d::Zero();
  for (const auto& p : points) middle += p / static_cast<double>(n);
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const auto& p : points) spread += (p - middle) * (p - middle).transpose();
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> axes(spread);
  const Eigen::Vector3d u = axes.eigenvectors().col(2), w = axes.eigenvectors().col(1);
  Eigen::MatrixXd rows(n, 3);
  Eigen::VectorXd right(n);
  double low = 1e300, high = -1e300;
  for (Eigen::Index i = 0; i < n; ++i) {
    const Eigen::Vector2d p(u.dot(points[i] - middle), w.dot(points[i] - middle));
    rows.row(i) << 2 * p.transpose(), 1;
    right[i] = p.squaredNorm();
    low = std::min(low, p[0]);
    high = std::max(high, p[0]);
  }
  const Eigen::Vector3d x = (rows.transpose() * rows).ldlt().solve(rows.transpose() * right);
  return {middle + x[0] * u + x[1] * w, std::sqrt(std::max(0.0, x[2] + x[0] * x[0] + x[1] * x[1])), high - low};
}

/// What a smallest cut parts from the bone within a gap.
struct Parted {
  image::Frame frame;
  std::vector<char> is_flap;
  double volume_mm3 = 0, open_share = 0;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
};

/// Faces of the piece towards gaps: what closing fills near their see-through parts.
std::int64_t openFaces(const Host& host, const std::vector<Gap>& gaps, const Parted& piece) {
  constexpr float kNear_mm = 4;
  const image::Frame& frame = piece.frame;
  std::vector<char> marked(frame.voxelCount(), 0);
  const image::CtVolume grid(frame);
  for (const Gap& gap : gaps) {
    for (const auto& p : gap) {
      const Eigen::Vector3i at = frame.toIndex(p).array().round().cast<int>();
      if (grid.contains(at[0], at[1], at[2])) marked[grid.index(at[0], at[1], at[2])] = 1;
    }
  }
  const image::CtVolume to_gap = registration::distanceTo(frame, [&](std::int64_t v) { return marked[v] != 0; });
  const auto isInGap = [&](std::int64_t v) {
    const Eigen::Vector3d p = frame.centre(v);
    return to_gap.voxels[v] < kNear_mm &&
           image::sampleLinear(host.distance, host.distance.frame.toIndex(p), kFar) >= 0 &&
           image::sampleLinear(host.closed, host.closed.frame.toIndex(p), kFar) < 0;
  };
  std::int64_t faces = 0;
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    if (piece.is_flap[v] == 0) continue;
    image::forFaceNeighbours(frame, v, [&](std::int64_t next) { faces += isInGap(next) ? 1 : 0; });
  }
  return faces;
}

/// The piece that a gap with this circle bends around, by the smallest cut between the middle of its circle and what
/// lies far outside.
std::optional<Parted> part(const Host& host, const std::vector<Gap>& gaps, const Circle& circle) {
  constexpr double kMiddle = 0.6, kBeyond = 1.8;  // of the radius: a flap need not be round
  Candidate around_circle;
  around_circle.min_mm = around_circle.max_mm = circle.centre;
  Parted out;
  out.frame = around(host.distance.frame, around_circle, 2 * circle.radius + 3);
  const image::Frame& frame = out.frame;
  std::vector<Role> role(frame.voxelCount(), Role::Outside);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const Eigen::Vector3d p = frame.centre(v);
    if (image::sampleLinear(host.distance, host.distance.frame.toIndex(p), kFar) >= 0) continue;
    const double away = (p - circle.centre).norm() / circle.radius;
    role[v] = away < kMiddle ? Role::Source : away > kBeyond ? Role::Sink : Role::Inside;
  }
  for (const Role needed : {Role::Source, Role::Sink}) {
    if (std::find(role.begin(), role.end(), needed) == role.end()) return std::nullopt;
  }
  const GridCut cut = cutBetween(role, frame.size);
  out.is_flap.assign(role.size(), 0);
  for (const std::int64_t v : cut.voxels) {
    out.is_flap[v] = 1;
    out.centre_mm += frame.centre(v) / static_cast<double>(cut.voxels.size());
  }
  out.volume_mm3 = static_cast<double>(cut.voxels.size()) * frame.voxelVolume_mm3();
  const auto open = static_cast<double>(openFaces(host, gaps, out));
  out.open_share = open > 0 ? open / (open + static_cast<double>(cut.faces)) : 0;
  return out;
}

/// The bone without the piece and without the crumbs that this leaves.
levelset::LevelSet without(const levelset::LevelSet& bone, const Parted& piece, double crumb_mm3) {
  constexpr float kSkin_mm = 1.5F;  // the piece's surface lies within a voxel of its voxels
  image::CtVolume distance =
      registration::distanceTo(piece.frame, [&](std::int64_t v) { return piece.is_flap[v] != 0; });
  const Eigen::Vector3d last = piece.frame.toWorld((piece.frame.size.array() - 1).cast<double>().matrix());
  const levelset::LevelSet body = levelset::fromFunction(
      [&](const Eigen::Vector3d& p) -> double {
        return image::sampleLinear(distance, piece.frame.toIndex(p), kFar) - kSkin_mm;
      },
      piece.frame.origin_mm, last, bone.voxel_mm());
  using levelset::Components;
  const levelset::LevelSet rest = levelset::subtract(bone, body);
  return Components(rest, Components::Side::Inside).filtered([&](const levelset::Piece& p) {
    return p.volume_mm3 >= crumb_mm3;
  });
}

/// The largest piece within bounds whose edge is a gap for a good part.
std::optional<Parted> looseParted(const Host& host, double tilt, double least_mm3, double most_mm3) {
  constexpr double kLeastExtent_mm = 20, kLeastOpen = 0.3;
  std::optional<Parted> best;
  const std::vector<Gap> gaps = gapsThrough(host, tilt);
  for (const Gap& gap : gaps) {
    const Circle circle = fitCircle(gap);
    // A gap that hardly bends goes around nothing.
    if (circle.extent < kLeastExtent_mm || circle.radius > circle.extent) continue;
    std::optional<Parted> piece = part(host, gaps, circle);
    if (!piece) continue;
    core::debug(fmt::format("loose piece: {:.0f} mm³ at {:.0f} {:.0f} {:.0f}, {:.0f} % of its edge open",
                            piece->volume_mm3, piece->centre_mm[0], piece->centre_mm[1], piece->centre_mm[2],
                            100 * piece->open_share));
    if (piece->open_share < kLeastOpen || piece->volume_mm3 < least_mm3 || piece->volume_mm3 > most_mm3) continue;
    if (!best || piece->volume_mm3 > best->volume_mm3) best = std::move(piece);
  }
  return best;
}

}  // namespace

std::optional<Flap> findFlap(const levelset::LevelSet& bone, const Host& host, double least_mm3) {
  const double most_mm3 = 0.25 * levelset::volume_mm3(bone);
  std::optional<Parted> found;
  // Aslant more is seen through, also what would tie a gap to others.
  for (const double tilt : {0.0, 0.35}) {
    if (!found) found = looseParted(host, tilt, least_mm3, most_mm3);
  }
  if (!found) return std::nullopt;
  Flap flap{without(bone, *found, least_mm3), found->volume_mm3, found->open_share, found->centre_mm};
  if (!bone.frameId().empty()) flap.host.setMeta("frame_id", bone.frameId());
  return flap;
}

}  // namespace osteo::reconstruct
