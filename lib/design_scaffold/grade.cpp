#include "design_scaffold/grade.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "design_scaffold/blocks.h"
#include "image/io.h"
#include "levelset/vdb_file.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

struct Box {
  Vector3d low, high;
  Vector3d size() const { return high - low; }
};

Box boxOf(const levelset::LevelSet& body) {
  Eigen::Vector3i min, max;
  body.activeBox(min, max);
  return {min.cast<double>() * body.voxel_mm(), max.cast<double>() * body.voxel_mm()};
}

/// Distances to a level set's surface around a body, on some hundred samples along the longest side.
image::CtVolume distancesTo(const levelset::LevelSet& surface, const Box& box) {
  constexpr double kSamples = 96;
  image::Frame frame;
  frame.spacing_mm.setConstant(std::max(box.size().maxCoeff() / kSamples, surface.voxel_mm()));
  frame.origin_mm = box.low;
  frame.size = (box.size().array() / frame.spacing_mm.array()).ceil().cast<int>() + 1;
  frame.frame_id = surface.frameId();
  Eigen::Vector3i min, max;
  surface.activeBox(min, max);
  const Vector3d middle = 0.5 * (min + max).cast<double>() * surface.voxel_mm();
  // Far enough to reach every corner of the body from the surface, or half of the way through the bone.
  const double reach = std::min((0.5 * (box.low + box.high) - middle).norm() + box.size().norm(), 100.0);
  const levelset::LevelSet wide = levelset::wrap(widen(*surface.grid().vdb, reach));
  image::CtVolume field(frame);
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    for (int j = 0; j < frame.size[1]; ++j)
      for (int i = 0; i < frame.size[0]; ++i) {
        const Vector3d p = frame.toWorld({double(i), double(j), double(k)}) / wide.voxel_mm();
        const openvdb::Coord ijk(static_cast<int>(std::lround(p[0])), static_cast<int>(std::lround(p[1])),
                                 static_cast<int>(std::lround(p[2])));
        field.at(i, j, static_cast<int>(k)) = wide.grid().vdb->tree().getValue(ijk);
      }
  });
  return field;
}

image::CtVolume fieldOfVdb(const std::string& path, const Box& box) {
  if (auto field = levelset::readVdbField(path)) return std::move(*field);
  return distancesTo(levelset::readVdb(path), box);
}

/// Values of the field at some ten thousand points in the body, and how many of these lie beyond the field's grid.
std::vector<double> valuesIn(const image::CtVolume& field, const levelset::LevelSet& body, std::size_t& beyond) {
  constexpr int kPoints = 40;  // along each side of the box
  const Box box = boxOf(body);
  std::vector<double> values;
  beyond = 0;
  const Vector3d most = (field.frame.size.array() - 1).cast<double>();
  for (int k = 0; k < kPoints; ++k)
    for (int j = 0; j < kPoints; ++j)
      for (int i = 0; i < kPoints; ++i) {
        const Vector3d p = box.low + (Vector3d(i, j, k) + Vector3d::Constant(0.5)).cwiseProduct(box.size()) / kPoints;
        if (levelset::sample(body, p) > 0) continue;
        const Vector3d index = field.frame.toIndex(p);
        if ((index.array() < -0.5).any() || (index.array() > most.array() + 0.5).any()) ++beyond;
        values.push_back(image::sampleLinear(field, index.cwiseMax(0.0).cwiseMin(most), field.voxels.front()));
      }
  return values;
}

}  // namespace

image::CtVolume readGradingField(const std::string& path, const levelset::LevelSet& body) {
  const image::CtVolume field =
      core::extension(path) == ".vdb" ? fieldOfVdb(path, boxOf(body)) : image::readVolume(path);
  image::requireSameFrame(field.frame.frame_id, "the grading field", body.frameId(), "the envelope");
  std::size_t beyond = 0;
  const std::size_t all = valuesIn(field, body, beyond).size();
  if (beyond == all)
    throw core::Error(core::Exit::DataError, {.what = "the grading field and the envelope don't overlap",
                                              .file = path,
                                              .expected = "a field around the envelope, both in LPS mm",
                                              .hint = "look at both with inspect"});
  if (beyond > all / 20)
    core::warn(fmt::format("{:.0f} % of the envelope lie beyond the grading field, where its border counts",
                           100.0 * static_cast<double>(beyond) / static_cast<double>(all)));
  return field;
}

void useOwnRange(Grading& grading, const levelset::LevelSet& body) {
  std::size_t beyond = 0;
  std::vector<double> values = valuesIn(grading.field, body, beyond);
  if (values.empty()) return;
  const auto rank = [&](double share) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
  };
  grading.low = rank(0.02);
  grading.high = rank(0.98);
  if (grading.high > grading.low) return;
  throw core::Error(core::Exit::DataError, {.what = "the grading field is the same everywhere in the envelope",
                                            .expected = "values that change",
                                            .got = fmt::format("{:.4g}", grading.low),
                                            .hint = "give --grade-range, or leave --grade out"});
}

std::array<double, 2> usualGrading(double volume_fraction) {
  return {std::max(0.1, 0.6 * volume_fraction), std::min(0.9, 1.4 * volume_fraction)};
}

Infill gradedInfill(const LatticeSpec& spec, Grading grading, const levelset::LevelSet& body,
                    std::shared_ptr<const Conforming> directions) {
  const Box box = boxOf(body);
  return Infill(spec, std::move(grading), box.low, box.high, std::move(directions));
}

void requireGradable(const Grading& grading) {
  if (!grading.volume_fraction && !grading.cell_mm && !grading.towards)
    throw core::Error(core::Exit::Config, {.what = "the grading field changes nothing",
                                           .expected = "--grade-volume-fraction, --grade-cell-mm or --grade-lattice"});
  if (grading.low == grading.high)
    throw core::Error(core::Exit::Config,
                      {.what = "both ends of --grade-range are equal", .got = fmt::format("{:.4g}", grading.low)});
  if (!grading.cell_mm) return;
  constexpr double kMostFactor = 4;
  const auto& ends = *grading.cell_mm;
  if (std::max(ends[0], ends[1]) > kMostFactor * std::min(ends[0], ends[1]))
    throw core::Error(core::Exit::Config, {.what = "cells can't change that much without tearing",
                                           .expected = fmt::format("a factor of at most {}", kMostFactor),
                                           .got = fmt::format("{} and {} mm", ends[0], ends[1])});
}

Infill infillFor(const LatticeSpec& spec, const Variation& variation, const levelset::LevelSet& body,
                 const levelset::LevelSet* host) {
  std::shared_ptr<const Conforming> directions;
  if (variation.conformal) directions = std::make_shared<Conforming>(body, host);
  if (variation.field.empty()) return directions ? gradedInfill(spec, {}, body, directions) : Infill(Lattice(spec));
  Grading grading;
  grading.field = readGradingField(variation.field, body);
  grading.volume_fraction = variation.volume_fraction;
  grading.cell_mm = variation.cell_mm;
  grading.towards = variation.towards;
  if (!grading.volume_fraction && !grading.cell_mm && !grading.towards)
    grading.volume_fraction = usualGrading(spec.volume_fraction);
  if (variation.range)
    grading.low = (*variation.range)[0], grading.high = (*variation.range)[1];
  else
    useOwnRange(grading, body);
  requireGradable(grading);
  return gradedInfill(spec, std::move(grading), body, directions);
}

}  // namespace osteo::design_scaffold
