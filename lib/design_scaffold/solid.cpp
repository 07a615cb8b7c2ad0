#include "design_scaffold/solid.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "core/progress.h"
#include "design_scaffold/blocks.h"

namespace osteo::design_scaffold {
namespace {

using openvdb::Coord;

constexpr int kPadded = kBlock + 2;
using Padded = std::array<float, kPadded * kPadded * kPadded>;

// Surfaces face the host where they look towards it, nearer than this.
constexpr double kFacing_mm = 3.0;

/// Signed distance to the intersection of two half-spaces with signed distances a, b and unit normals' cosine c: to the
/// farther face, or to the edge where that face's nearest point is cut away.
double wedge(double a, double b, double c) {
  const double far = std::max(a, b), near = std::min(a, b), sine = 1 - c * c;
  if (far <= 0 || near <= far * c || sine < 1e-3) return far;
  return std::sqrt((a * a + b * b - 2 * a * b * c) / sine);
}

double share(double distance, double voxel) { return std::clamp(0.5 - distance / voxel, 0.0, 1.0); }

/// What one block adds to the measures.
struct BlockSums {
  double envelope = 0, skin = 0, wanted = 0, open = 0;
  std::vector<float> gaps;
};

class Composer {
 public:
  Composer(const Envelope& envelope, const Infill& infill, double voxel_mm)
      : envelope_(envelope), infill_(infill), voxel_(voxel_mm), band_(levelset::kHalfWidth_voxels * voxel_mm) {}

  bool block(const Coord& lowest, BlockValues& values, BlockSums& sums) const {
    const Body body(envelope_, spanOf(lowest));
    const double diagonal = 0.5 * std::sqrt(3.0) * (kBlock + 1) * voxel_;
    const Eigen::Vector3d centre = point(lowest) + Eigen::Vector3d::Constant(0.5 * (kBlock - 1) * voxel_);
    const double middle = body.envelope_mm(centre);
    if (middle > diagonal + band_) return false;
    if (middle < -diagonal - band_ && body.skin_mm(centre) > diagonal + band_) {
      fillCore(lowest, values, sums);
      return true;
    }
    auto outer = std::make_unique<Padded>(), material = std::make_unique<Padded>();
    fill(body, lowest, *outer, *material, sums);
    if (*std::min_element(outer->begin(), outer->end()) >= band_) return false;
    std::size_t n = 0;
    for (int x = 1; x <= kBlock; ++x)
      for (int y = 1; y <= kBlock; ++y)
        for (int z = 1; z <= kBlock; ++z) values[n++] = combined(*outer, *material, (x * kPadded + y) * kPadded + z);
    if (envelope_.host) measureGaps(lowest, *outer, *material, sums);
    return true;
  }

 private:
  Eigen::Vector3d point(const Coord& ijk) const { return Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()) * voxel_; }

  /// A block with its margin of one voxel.
  Span spanOf(const Coord& lowest) const { return {point(lowest.offsetBy(-1)), point(lowest.offsetBy(kBlock))}; }

  /// A block that the infill alone decides.
  void fillCore(const Coord& lowest, BlockValues& values, BlockSums& sums) const {
    std::size_t n = 0;
    for (int x = 0; x < kBlock; ++x)
      for (int y = 0; y < kBlock; ++y)
        for (int z = 0; z < kBlock; ++z)
          values[n++] = static_cast<float>(infill_.distance_mm(point(lowest.offsetBy(x, y, z))));
    constexpr double kVoxels = kBlock * kBlock * kBlock;
    sums.envelope += kVoxels;
    sums.wanted += kVoxels * infill_.fraction(point(lowest.offsetBy(kBlock / 2)));
  }

  void fill(const Body& body, const Coord& lowest, Padded& outer, Padded& material, BlockSums& sums) const {
    std::size_t n = 0;
    for (int x = 0; x < kPadded; ++x)
      for (int y = 0; y < kPadded; ++y)
        for (int z = 0; z < kPadded; ++z, ++n) {
          const Eigen::Vector3d p = point(lowest.offsetBy(x - 1, y - 1, z - 1));
          const double shape = body.envelope_mm(p);
          outer[n] = static_cast<float>(shape);
          material[n] = outer[n];
          if (shape > band_ + 2 * voxel_) continue;
          const double skin = body.skin_mm(p);
          material[n] = static_cast<float>(std::min(skin, infill_.distance_mm(p)));
          const bool own = std::min({x, y, z}) > 0 && std::max({x, y, z}) <= kBlock;
          if (!own) continue;
          const double of_body = share(shape, voxel_), of_skin = share(std::max(shape, skin), voxel_);
          sums.envelope += of_body;
          sums.skin += of_skin;
          if (of_body > of_skin) sums.wanted += (of_body - of_skin) * infill_.fraction(p);
        }
  }

  Eigen::Vector3d gradient(const Padded& field, int n) const {
    return Eigen::Vector3d(field[n + kPadded * kPadded] - field[n - kPadded * kPadded],
                           field[n + kPadded] - field[n - kPadded], field[n + 1] - field[n - 1]);
  }

  float combined(const Padded& outer, const Padded& material, int n) const {
    const float a = outer[n], b = material[n];
    if (std::max(a, b) <= 0 || std::max(a, b) > band_ || std::min(a, b) < -band_) return std::max(a, b);
    const Eigen::Vector3d out = gradient(outer, n).normalized(), off = gradient(material, n).normalized();
    return static_cast<float>(wedge(a, b, out.dot(off)));
  }

  void measureGaps(const Coord& lowest, const Padded& outer, const Padded& material, BlockSums& sums) const {
    const Sampler host(*envelope_.host, spanOf(lowest));
    for (int x = 1; x <= kBlock; ++x)
      for (int y = 1; y <= kBlock; ++y)
        for (int z = 1; z <= kBlock; ++z) {
          const int n = (x * kPadded + y) * kPadded + z;
          if (std::abs(outer[n]) > 0.5 * voxel_) continue;
          const Eigen::Vector3d out = gradient(outer, n).normalized();
          const Eigen::Vector3d foot = point(lowest.offsetBy(x - 1, y - 1, z - 1)) - outer[n] * out;
          const double gap = host(foot);
          if (gap >= kFacing_mm || host.gradient(foot).normalized().dot(out) > -0.5) continue;
          sums.gaps.push_back(static_cast<float>(gap));
          sums.open += material[n] > 0 ? 1 : 0;
        }
  }

  const Envelope& envelope_;
  const Infill& infill_;
  double voxel_, band_;
};

}  // namespace

struct Body::State {
  State(const Envelope& whole, const Span& span) : envelope(whole), defect(whole.defect, span) {
    const auto add = [&span](const std::optional<levelset::LevelSet>& shape, std::unique_ptr<Sampler>& sampler) {
      if (shape) sampler = std::make_unique<Sampler>(*shape, span);
    };
    add(whole.host, host);
    add(whole.skin, skin);
    add(whole.fixed, fixed);
    add(whole.collars, collars);
    add(whole.holes, holes);
    for (const KeepOut& obstacle : whole.obstacles) obstacles.emplace_back(obstacle.shape, span);
  }
  const Envelope& envelope;
  Sampler defect;
  std::unique_ptr<Sampler> host, skin, fixed, collars, holes;
  std::vector<Sampler> obstacles;
};

Body::Body(const Envelope& envelope, const Span& span) : state_(std::make_shared<State>(envelope, span)) {}

double Body::envelope_mm(const Eigen::Vector3d& p) const {
  const State& s = *state_;
  double value = s.fixed ? std::min(s.defect(p), (*s.fixed)(p)) : s.defect(p);
  if (s.host) {
    const double clearance = s.envelope.clearance(p);
    value = std::max(value + std::min(0.0, clearance), clearance - (*s.host)(p));
  }
  for (std::size_t n = 0; n < s.obstacles.size(); ++n)
    value = std::max(value, s.envelope.obstacles[n].distance_mm - s.obstacles[n](p));
  return s.holes ? std::max(value, -(*s.holes)(p)) : value;
}

double Body::skin_mm(const Eigen::Vector3d& p) const {
  constexpr double kNone_mm = 1000;
  const State& s = *state_;
  double value = s.skin ? (*s.skin)(p) : kNone_mm;
  if (s.fixed) value = std::min(value, (*s.fixed)(p));
  return s.collars ? std::min(value, (*s.collars)(p)) : value;
}

Solid compose(const Envelope& envelope, const Infill& infill, double voxel_mm) {
  const Span box = envelope.box();
  const auto corner = [voxel_mm](const Eigen::Vector3d& p, int margin) {
    const Eigen::Array3i at = (p.array() / voxel_mm).floor().cast<int>() + margin;
    return Coord(at[0], at[1], at[2]);
  };
  const BlockRange range = blocksOver(openvdb::CoordBBox(corner(box.low_mm, -4), corner(box.high_mm, 4)));
  std::vector<BlockSums> sums(static_cast<std::size_t>(range.size()));
  const Composer composer(envelope, infill, voxel_mm);
  Solid solid;
  {
    core::Progress progress("compose lattice and skin", range.size());
    solid.level_set = levelset::wrap(gridFromBlocks(range, voxel_mm, levelset::kHalfWidth_voxels * voxel_mm,
                                                    [&](const Coord& lowest, std::int64_t block, BlockValues& values) {
                                                      const bool any = composer.block(
                                                          lowest, values, sums[static_cast<std::size_t>(block)]);
                                                      progress.advance();
                                                      return any;
                                                    }));
  }
  if (infill.isGraded()) {
    const double band = levelset::kHalfWidth_voxels * voxel_mm;
    solid.level_set = levelset::wrap(sweep(*solid.level_set.grid().vdb, band, band));
  }
  double open = 0;
  const double voxel_mm3 = voxel_mm * voxel_mm * voxel_mm;
  for (const BlockSums& part : sums) {
    solid.envelope_mm3 += part.envelope * voxel_mm3;
    solid.skin_mm3 += part.skin * voxel_mm3;
    solid.wanted_mm3 += part.wanted * voxel_mm3;
    open += part.open;
    solid.gaps_mm.insert(solid.gaps_mm.end(), part.gaps.begin(), part.gaps.end());
  }
  std::sort(solid.gaps_mm.begin(), solid.gaps_mm.end());
  const auto facing = static_cast<double>(solid.gaps_mm.size());
  solid.facing_area_mm2 = facing * voxel_mm * voxel_mm;
  solid.facing_open_share = facing > 0 ? open / facing : 0;
  return solid;
}

}  // namespace osteo::design_scaffold
