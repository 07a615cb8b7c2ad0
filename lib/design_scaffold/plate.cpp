#include "design_scaffold/plate.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "design_scaffold/blocks.h"
#include "levelset/components.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

constexpr double kSeam_mm = 0.8;    // half the gap between defect and host that strips bridge
constexpr double kFalling = 0.5;    // of the way to its side, by which a strip follows a surface that falls away
constexpr double kMargin_mm = 6;    // of the fields beyond the strips
constexpr double kPlay_mm = 0.1;    // around a screw, in its hole
constexpr double kCollar_mm = 1.0;  // around a head
constexpr double kFinest_mm = 0.2, kCoarsest_mm = 0.4;      // voxels of what is made
constexpr double kField_mm = 0.4, kCoarsestField_mm = 0.6;  // voxels of what it is shaped by
constexpr double kFilleted = 0.75;  // of the fillet's width beside a strip, where it has all but run out

struct Box {
  Vector3d low = Vector3d::Constant(INFINITY), high = Vector3d::Constant(-INFINITY);
  void add(const Vector3d& p, double margin) {
    low = low.cwiseMin(p - Vector3d::Constant(margin));
    high = high.cwiseMax(p + Vector3d::Constant(margin));
  }
};

/// f of slope one near its zero as a level set; it is evaluated only near its surface.
LevelSet shaped(const std::function<double(const Vector3d&)>& f, const Box& box, double voxel_mm) {
  constexpr double kSlope = 1.3;  // at most
  return levelset::fromFunction(f, box.low, box.high, voxel_mm, [&f](const Vector3d& centre, double radius) {
    const double value = f(centre);
    return std::abs(value) > kSlope * radius ? value : 0.0;
  });
}

double voxelOf(const ScrewTrials& trials) {
  const double thin = trials.spec().kind == FixationSpec::Kind::Nail ? INFINITY : 0.25 * trials.spec().thickness_mm;
  return std::clamp(std::min(trials.site().defect.voxel_mm(), thin), kFinest_mm, kCoarsest_mm);
}

/// Distance to a line on a surface as seen along its normals, minus the radius. What lies above counts as on it; below,
/// what lies not deeper than `depth`, and more to the sides, where bones fall away.
double alongStrip(const Strip& strip, const Vector3d& p, double radius, double depth) {
  const double far = 2 * (2 * radius + depth);
  double least = far;
  for (std::size_t n = 0; n + 1 < strip.points_mm.size(); ++n) {
    const Vector3d &a = strip.points_mm[n], way = strip.points_mm[n + 1] - a;
    const double t = std::clamp((p - a).dot(way) / way.squaredNorm(), 0.0, 1.0);
    const Vector3d off = p - a - t * way;
    if (off.squaredNorm() > far * far) continue;
    const Vector3d normal = ((1 - t) * strip.normals[n] + t * strip.normals[n + 1]).normalized();
    const double height = off.dot(normal), beside = (off - height * normal).norm();
    least = std::min(least, std::max(beside - radius, -depth - kFalling * beside - height));
  }
  return least;
}

/// What strips are shaped by: distances within a box, in a band of some millimetres.
struct Fields {
  LevelSet host, defect, cover;  ///< cover: defect and host as one, their seam closed
};

LevelSet evaluated(const Box& box, double voxel_mm, double band_mm, const std::vector<const LevelSet*>& parts) {
  const auto coord = [&](const Vector3d& p) {
    const Eigen::Vector3i i = (p / voxel_mm).array().round().cast<int>();
    return openvdb::Coord(i[0], i[1], i[2]);
  };
  double known = INFINITY;
  for (const LevelSet* part : parts) known = std::min(known, levelset::kHalfWidth_voxels * part->voxel_mm());
  known = std::max(known, 1.5 * voxel_mm);
  const auto grid = gridFromFunction(
      openvdb::CoordBBox(coord(box.low), coord(box.high)), voxel_mm, known, [&](const Span& span) -> VoxelFunction {
        std::vector<std::shared_ptr<Sampler>> samplers;
        for (const LevelSet* part : parts) samplers.push_back(std::make_shared<Sampler>(*part, span));
        return [samplers, voxel_mm](const openvdb::Coord& ijk) {
          double least = INFINITY;
          for (const auto& sampler : samplers)
            least = std::min(least, (*sampler)(voxel_mm * Vector3d(ijk.x(), ijk.y(), ijk.z())));
          return least;
        };
      });
  return levelset::wrap(band_mm > known ? sweep(*grid, band_mm, known) : grid);
}

Fields fieldsIn(const ScrewTrials& trials, Box box, double band_mm, double fillet_mm) {
  const double voxel = std::clamp(trials.spec().thickness_mm / 8, kField_mm, kCoarsestField_mm);
  box.low -= Vector3d::Constant(kMargin_mm);
  box.high += Vector3d::Constant(kMargin_mm);
  const LevelSet &defect = trials.site().defect, &host = trials.site().host;
  const LevelSet both = evaluated(box, voxel, kSeam_mm + voxel, {&defect, &host});
  const double grown = kSeam_mm + 2 * voxel;
  return {evaluated(box, voxel, trials.site().clearance_mm + voxel, {&host}),
          evaluated(box, voxel, fillet_mm, {&defect}), moved(moved(both, kSeam_mm, grown), -kSeam_mm, band_mm)};
}

/// Polynomial smooth minimum (Quilez 2013): a fillet of about k where two surfaces meet.
double smoothMinimum(double a, double b, double k) {
  const double h = std::max(k - std::abs(a - b), 0.0) / k;
  return std::min(a, b) - 0.25 * h * h * k;
}

/// Height above a screw's entry and distance from its axis.
std::pair<double, double> about(const Screw& screw, const Vector3d& p) {
  const Vector3d off = p - screw.entry_mm;
  const double height = -off.dot(screw.direction);
  return {height, (off + height * screw.direction).norm()};
}

/// The pieces around screws at some height; others lie in the canal of a hollow bone, below the strip.
LevelSet withScrews(const LevelSet& made, const std::vector<Screw>& screws, double height_mm) {
  const levelset::Components pieces(made, levelset::Components::Side::Inside);
  return pieces.filtered([&](const levelset::Piece& piece) {
    return std::any_of(screws.begin(), screws.end(), [&](const Screw& screw) {
      const Eigen::Array3d at = (screw.entry_mm - height_mm * screw.direction).array() / made.voxel_mm();
      return (at >= piece.min.array().cast<double>()).all() && (at <= piece.max.array().cast<double>()).all();
    });
  });
}

LevelSet strips(const ScrewTrials& trials, const Placing& placing) {
  const FixationSpec& spec = trials.spec();
  const double clearance = trials.site().clearance_mm, top = clearance + spec.thickness_mm, voxel = voxelOf(trials);
  const double radius = 0.5 * spec.width_mm, eyelet = std::max(radius, 0.5 * spec.head_mm + kCollar_mm);
  const double depth = std::clamp(spec.thickness_mm, 1.5, 3.0), fillet = std::clamp(2 * spec.thickness_mm, 1.0, 2.0);
  Box box;
  for (const Strip& strip : placing.strips)
    for (const Vector3d& p : strip.points_mm) box.add(p, eyelet + top + fillet);
  const Fields fields = fieldsIn(trials, box, top + fillet, fillet + kField_mm);
  const double slack = 0.5 * fields.cover.voxel_mm();
  const auto outline = [&](const Vector3d& p) {
    double least = INFINITY;
    for (const Strip& strip : placing.strips) least = std::min(least, alongStrip(strip, p, radius, depth + kField_mm));
    for (const Screw& screw : placing.screws) {
      const auto [height, radial] = about(screw, p);
      least = std::min(least, std::max(radial - eyelet, -depth - kFalling * radial - height));
    }
    return least;
  };
  const LevelSet made = shaped(
      [&](const Vector3d& p) {
        const double beside = outline(p);
        if (beside > kFilleted * fillet) return beside - kFilleted * fillet;
        const double above = levelset::sample(fields.cover, p), host = levelset::sample(fields.host, p);
        const double defect = levelset::sample(fields.defect, p), strip = std::max(beside, above - top);
        const double footing = std::min(-above - slack, std::max(defect, -above - depth));
        const double corner =
            std::max({smoothMinimum(strip, defect, fillet), -defect - 2 * voxel, strip - kFilleted * fillet});
        return std::max(std::min(std::max(strip, footing), corner), clearance - host);
      },
      box, voxel);
  return withScrews(made, placing.screws, 0.5 * (clearance + top));
}

double hole(const Screw& screw, const FixationSpec& spec, const Vector3d& p) {
  const auto [height, radial] = about(screw, p);
  const double shaft = 0.5 * screw.diameter_mm + kPlay_mm, tip = screw.length_mm - screw.standing_mm;
  if (spec.kind == FixationSpec::Kind::Nail)
    return std::max({radial - shaft, height - spec.head_mm, -tip - kPlay_mm - height});
  const double head = 0.5 * spec.head_mm + kPlay_mm, top = screw.standing_mm;
  const double cone = (radial - head + top - height) * M_SQRT1_2;
  const double sunk = std::max({radial - head, cone, height - top - spec.head_mm});
  return std::min(sunk, std::max({radial - shaft, height - top, -tip - kPlay_mm - height}));
}

double collar(const Screw& screw, const FixationSpec& spec, const std::optional<Stem>& stem, const Vector3d& p) {
  const auto [height, radial] = about(screw, p);
  const double outer = radial - 0.5 * spec.head_mm - kCollar_mm;
  if (stem) return std::max(outer, stem->distance_mm(p));
  return std::max({outer, height - screw.standing_mm, -height});
}

LevelSet aroundScrews(const ScrewTrials& trials, const Placing& placing,
                      const std::function<double(const Screw&, const Vector3d&)>& one) {
  const double margin = trials.spec().head_mm + kCollar_mm + 1;
  Box box;
  for (const Screw& screw : placing.screws) {
    box.add(screw.head() - trials.spec().head_mm * screw.direction, margin);
    box.add(screw.tip(), margin);
  }
  return shaped(
      [&](const Vector3d& p) {
        double least = INFINITY;
        for (const Screw& screw : placing.screws) least = std::min(least, one(screw, p));
        return least;
      },
      box, voxelOf(trials));
}

LevelSet bar(const Stem& stem, double voxel_mm) {
  Box box;
  box.add(stem.from_mm, stem.radius_mm + 2 * voxel_mm);
  box.add(stem.to_mm, stem.radius_mm + 2 * voxel_mm);
  return shaped([&stem](const Vector3d& p) { return stem.distance_mm(p); }, box, voxel_mm);
}

}  // namespace

LevelSet makeCarrier(const ScrewTrials& trials, const Placing& placing) {
  return placing.stem ? bar(*placing.stem, voxelOf(trials)) : strips(trials, placing);
}

LevelSet makeHoles(const ScrewTrials& trials, const Placing& placing) {
  return aroundScrews(trials, placing,
                      [&](const Screw& screw, const Vector3d& p) { return hole(screw, trials.spec(), p); });
}

LevelSet makeCollars(const ScrewTrials& trials, const Placing& placing) {
  return aroundScrews(trials, placing, [&](const Screw& screw, const Vector3d& p) {
    return collar(screw, trials.spec(), placing.stem, p);
  });
}

std::optional<LevelSet> makeBed(const ScrewTrials& trials, const Placing& placing) {
  if (!placing.stem) return std::nullopt;
  Stem bed = *placing.stem;
  bed.radius_mm += trials.site().clearance_mm;
  return bar(bed, voxelOf(trials));
}

}  // namespace osteo::design_scaffold
