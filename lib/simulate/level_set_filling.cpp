#include <fmt/format.h>
#include <openvdb/openvdb.h>
#include <openvdb/tools/Interpolation.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "levelset/grid.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "simulate/fillings.h"
#include "simulate/grid.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;
constexpr double kMostElements = 1.5e6;
constexpr double kMostHomogenised = 2e5;  // a field that is smooth over a cell needs no more
constexpr double kWallElements = 5;  // below, bending of a wall is more than 2 % too stiff (figures of the project)

struct Lattice {
  std::string type;
  double cell_mm = 0, wall_mm = 0, volume_fraction = 0;
};

double number(const std::string& text) { return text.empty() ? 0.0 : std::strtod(text.c_str(), nullptr); }

Lattice latticeOf(const levelset::LevelSet& level_set) {
  return {level_set.meta("lattice"), number(level_set.meta("cell_mm")), number(level_set.meta("wall_mm")),
          number(level_set.meta("volume_fraction"))};
}

/// The elements of a level set's box: their lower corner is that of its first voxel.
image::Frame elementFrame(const levelset::LevelSet& level_set, double element_mm) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  const double voxel = level_set.voxel_mm();
  image::Frame frame;
  frame.spacing_mm.setConstant(element_mm);
  frame.frame_id = level_set.frameId();
  for (int c = 0; c < 3; ++c) {
    frame.size[c] = static_cast<int>(std::ceil((max[c] - min[c] + 1) * voxel / element_mm - 1e-9));
    frame.origin_mm[c] = (min[c] - 0.5) * voxel + 0.5 * element_mm;
  }
  return frame;
}

/// Share of each element inside the level set: the trilinear distance at points that divide the element (at least two
/// along each axis and one a voxel), each standing for a small block that its plane cuts.
std::vector<float> insideFractions(const levelset::LevelSet& level_set, const image::Frame& frame) {
  using Eigen::Vector3d;
  const auto& grid = *level_set.grid().vdb;
  const double voxel = level_set.voxel_mm();
  const Eigen::Vector3i n = (frame.spacing_mm.array() / voxel - 1e-9).ceil().cast<int>().max(2);
  const Vector3d part = frame.spacing_mm.cwiseQuotient(n.cast<double>());
  const double width = std::cbrt(part.prod()), sure = 0.5 * frame.spacing_mm.norm() + part.maxCoeff();
  const bool can_skip = sure < levelset::kHalfWidth_voxels * voxel;
  std::vector<Vector3d> offsets;
  for (int k = 0; k < n[2]; ++k)
    for (int j = 0; j < n[1]; ++j)
      for (int i = 0; i < n[0]; ++i)
        offsets.push_back(frame.direction *
                          (Vector3d(i, j, k) + Vector3d::Constant(0.5) - 0.5 * n.cast<double>()).cwiseProduct(part));
  std::vector<float> fraction(static_cast<std::size_t>(frame.voxelCount()), 0.0F);
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    const auto accessor = grid.getConstAccessor();
    const auto distance = [&](const Vector3d& p) {
      return double(openvdb::tools::BoxSampler::sample(accessor, openvdb::Vec3d(p[0], p[1], p[2]) / voxel));
    };
    for (int j = 0; j < frame.size[1]; ++j)
      for (int i = 0; i < frame.size[0]; ++i) {
        const Vector3d centre = frame.toWorld({double(i), double(j), double(k)});
        const double middle = distance(centre);
        double inside = 0;
        if (can_skip && std::abs(middle) > sure) {
          inside = middle < 0;
        } else {
          for (const auto& offset : offsets) inside += std::clamp(0.5 - distance(centre + offset) / width, 0.0, 1.0);
          inside /= double(offsets.size());
        }
        fraction[i + frame.size[0] * (j + std::int64_t{frame.size[1]} * k)] = static_cast<float>(inside);
      }
  });
  return fraction;
}

/// A mesh becomes a level set with one voxel an element, or some hundred thousand voxels in it.
levelset::LevelSet solidOf(const std::string& path, double element_mm) {
  constexpr double kVoxels = 4e5;
  if (!levelset::isMeshFile(path)) return levelset::readVdb(path);
  const mesh::TriangleMesh mesh = mesh::readMesh(path);
  return levelset::fromMesh(mesh, element_mm > 0 ? element_mm : std::cbrt(std::abs(mesh::volume_mm3(mesh)) / kVoxels));
}

/// Smallest multiple of the grid's voxel with which the model has at most `most` elements.
double coarsened(double voxel, double volume_mm3, double most) {
  int m = 1;
  while (volume_mm3 / std::pow(m * voxel, 3) > most) ++m;
  return m * voxel;
}

/// Cuts the frame down to what is filled, so that fields and the model's box have no empty margin.
void crop(Filling& filling) {
  const auto old = filling;
  const auto& size = old.frame.size;
  const auto box = boxOf(size, [&](std::int64_t v) { return old.material[v] != 0; });
  if (!box) return;
  const auto& [min, max] = *box;
  filling.frame.size = box->size();
  filling.frame.origin_mm = old.frame.toWorld(min.cast<double>());
  filling.material.clear(), filling.value.clear();
  for (int k = min[2]; k <= max[2]; ++k)
    for (int j = min[1]; j <= max[1]; ++j) {
      const auto first = min[0] + size[0] * (j + std::int64_t{size[1]} * k), last = first + filling.frame.size[0];
      filling.material.insert(filling.material.end(), old.material.begin() + first, old.material.begin() + last);
      filling.value.insert(filling.value.end(), old.value.begin() + first, old.value.begin() + last);
    }
}

/// Whether the walls are resolved, and the complaint where they aren't and no law is known.
bool isHomogenised(const Lattice& lattice, const Materials& materials, const levelset::LevelSet& level_set,
                   double element_mm, const std::string& path) {
  // Without metadata the mean wall is estimated between that of sheets (2 V/A) and of struts (4 V/A).
  const double wall =
      lattice.type.empty() ? 3 * levelset::volume_mm3(level_set) / levelset::area_mm2(level_set) : lattice.wall_mm;
  if (wall >= kWallElements * element_mm) return false;
  if (!lattice.type.empty() && lattice.cell_mm > 0 && materials.lattice_laws.count(lattice.type)) return true;
  throw core::Error(core::Exit::DataError,
                    {.what = "walls have too few elements, and no homogenised law is known for them",
                     .file = path,
                     .expected = fmt::format("{:g} elements through a wall of about {:.3f} mm", kWallElements, wall),
                     .got = fmt::format("{:.1f} elements of {:.3f} mm", wall / element_mm, element_mm),
                     .hint = lattice.type.empty() ? "give a smaller --element-mm"
                                                  : "give a smaller --element-mm, or lattice_laws." + lattice.type +
                                                        " in the materials file"});
}

void describeWalls(const Lattice& lattice, double element_mm, bool homogenised, json& report) {
  report["walls"] = {{"lattice", lattice.type.empty() ? "none" : lattice.type},
                     {"treatment", homogenised ? "homogenised" : "resolved"}};
  if (lattice.type.empty()) return;
  report["walls"]["wall_mm"] = lattice.wall_mm;
  report["walls"]["wall_elements"] = lattice.wall_mm / element_mm;
}

/// Fills the frame, and homogenises by the law of the lattice where that is asked for.
LevelSetFilling filled(const levelset::LevelSet& level_set, const image::Frame& frame, const LatticeLaw* law,
                       const Lattice& lattice, json& report) {
  LevelSetFilling out;
  Filling& filling = out.filling;
  filling.frame = frame;
  filling.value = insideFractions(level_set, frame);
  filling.material.resize(filling.value.size());
  for (std::size_t v = 0; v < filling.value.size(); ++v) filling.material[v] = filling.value[v] >= kMinFraction;
  if (!law) return out;
  homogenise(filling, lattice.cell_mm, lattice.wall_mm, 1, 2);
  out.lattice = *law;
  report["walls"]["law_reference"] = law->reference;
  report["walls"]["law_range"] = {law->min_fraction, law->max_fraction};
  return out;
}

}  // namespace

LevelSetFilling fillFrame(const levelset::LevelSet& level_set, const std::string& path, const Materials& materials,
                          const image::Frame& frame, json& report) {
  if (level_set.empty())
    throw core::Error(core::Exit::DataError, {.what = "the level set encloses nothing", .file = path});
  const Lattice lattice = latticeOf(level_set);
  const double element_mm = frame.spacing_mm.maxCoeff();
  // A massive piece may be thinner than five elements of a CT: its shares are what there is, and the record tells.
  const bool homogenised = !lattice.type.empty() && isHomogenised(lattice, materials, level_set, element_mm, path);
  describeWalls(lattice, element_mm, homogenised, report);
  const double wall = 3 * levelset::volume_mm3(level_set) / levelset::area_mm2(level_set);
  if (lattice.type.empty() && wall < kWallElements * element_mm)
    core::warn(
        fmt::format("about {:.1f} elements go through the implant's mean thickness of {:.2f} mm: it bends too "
                    "stiffly below {:g}",
                    wall / element_mm, wall, kWallElements));
  auto out =
      filled(level_set, frame, homogenised ? &materials.lattice_laws.at(lattice.type) : nullptr, lattice, report);
  if (!homogenised)  // small shares too: they are laid over bone
    for (std::size_t v = 0; v < out.filling.value.size(); ++v) out.filling.material[v] = out.filling.value[v] > 0;
  return out;
}

Body fromLevelSet(const std::string& path, const Materials& materials, double element_mm, json& report) {
  const levelset::LevelSet level_set = solidOf(path, element_mm);
  if (level_set.empty())
    throw core::Error(core::Exit::DataError, {.what = "the level set encloses nothing", .file = path});
  if (materials.assign.level_set.empty())
    throw core::Error(
        core::Exit::Config,
        {.what = "names no material for level sets", .file = materials.path, .expected = "assign.level_set"});
  const Material& material = materials.at(materials.assign.level_set);
  if (!material.density_law.empty())
    throw core::Error(
        core::Exit::Config,
        {.what = material.name + " takes its modulus from HU, which a level set doesn't hold", .file = materials.path});
  const Lattice lattice = latticeOf(level_set);
  const double voxel = level_set.voxel_mm(), volume = levelset::volume_mm3(level_set);
  const bool is_chosen = element_mm <= 0;
  if (is_chosen) element_mm = coarsened(voxel, volume, kMostElements);
  const bool homogenised = isHomogenised(lattice, materials, level_set, element_mm, path);
  if (homogenised && is_chosen)
    element_mm = coarsened(voxel, volume / std::max(0.05, lattice.volume_fraction), kMostHomogenised);
  core::info(fmt::format("elements of {:.4g} mm ({:.3g} voxels of the level set){}", element_mm, element_mm / voxel,
                         homogenised ? ", lattice homogenised" : ""));
  Body body;
  body.fillers.push_back({material});
  report["element_mm"] = element_mm;
  describeWalls(lattice, element_mm, homogenised, report);
  auto grid = filled(level_set, elementFrame(level_set, element_mm),
                     homogenised ? &materials.lattice_laws.at(lattice.type) : nullptr, lattice, report);
  body.filling = std::move(grid.filling);
  if (grid.lattice) body.fillers.push_back({material, Filler::Law::Lattice, *grid.lattice});
  crop(body.filling);
  body.level_set = level_set;
  return body;
}

}  // namespace osteo::simulate
