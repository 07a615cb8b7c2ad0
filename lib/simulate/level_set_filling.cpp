#include <fmt/format.h>
#include <openvdb/openvdb.h>
#include <openvdb/tools/Interpolation.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "levelset/grid.h"
#include "simulate/fillings.h"

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

/// Share of each element inside the level set: the trilinear distance at n³ points per element (at least two along each
/// axis and one a voxel), each standing for a small cube that its plane cuts.
std::vector<float> insideFractions(const levelset::LevelSet& level_set, const image::Frame& frame) {
  const auto& grid = *level_set.grid().vdb;
  const double h = frame.spacing_mm[0], voxel = level_set.voxel_mm();
  const int n = std::max(2, static_cast<int>(std::ceil(h / voxel - 1e-9)));
  const double part = h / n, sure = 0.87 * h + part;
  const bool can_skip = sure < levelset::kHalfWidth_voxels * voxel;
  std::vector<float> fraction(static_cast<std::size_t>(frame.voxelCount()), 0.0F);
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    const auto accessor = grid.getConstAccessor();
    const auto distance = [&](const Eigen::Vector3d& p) {
      return double(openvdb::tools::BoxSampler::sample(accessor, openvdb::Vec3d(p[0], p[1], p[2]) / voxel));
    };
    for (int j = 0; j < frame.size[1]; ++j)
      for (int i = 0; i < frame.size[0]; ++i) {
        const Eigen::Vector3d centre = frame.toWorld({double(i), double(j), double(k)});
        const double middle = distance(centre);
        double inside = 0;
        if (can_skip && std::abs(middle) > sure) {
          inside = middle < 0;
        } else {
          for (int q = 0; q < n * n * n; ++q) {
            const Eigen::Vector3d at(q % n, q / n % n, q / (n * n));
            const Eigen::Vector3d offset = (at.array() + 0.5 - 0.5 * n) * part;
            inside += std::clamp(0.5 - distance(centre + offset) / part, 0.0, 1.0);
          }
          inside /= n * n * n;
        }
        fraction[i + frame.size[0] * (j + frame.size[1] * k)] = static_cast<float>(inside);
      }
  });
  return fraction;
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
  Eigen::Vector3i min = size, max = Eigen::Vector3i::Constant(-1);
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i)
        if (old.material[i + size[0] * (j + std::int64_t{size[1]} * k)]) {
          min = min.cwiseMin(Eigen::Vector3i(i, j, k));
          max = max.cwiseMax(Eigen::Vector3i(i, j, k));
        }
  if (max[0] < 0) return;
  filling.frame.size = max - min + Eigen::Vector3i::Ones();
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

}  // namespace

Body fromLevelSet(const std::string& path, const Materials& materials, double element_mm, json& report) {
  const levelset::LevelSet level_set = levelset::readVdb(path);
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
  body.filling.frame = elementFrame(level_set, element_mm);
  body.filling.value = insideFractions(level_set, body.filling.frame);
  body.filling.material.resize(body.filling.value.size());
  for (std::size_t v = 0; v < body.filling.value.size(); ++v)
    body.filling.material[v] = body.filling.value[v] >= kMinFraction;
  body.fillers.push_back({material});
  report["element_mm"] = element_mm;
  report["walls"] = {{"lattice", lattice.type.empty() ? "none" : lattice.type},
                     {"treatment", homogenised ? "homogenised" : "resolved"}};
  if (!lattice.type.empty()) {
    report["walls"]["wall_mm"] = lattice.wall_mm;
    report["walls"]["wall_elements"] = lattice.wall_mm / element_mm;
  }
  if (homogenised) {
    const LatticeLaw& law = materials.lattice_laws.at(lattice.type);
    body.fillers.push_back({material, Filler::Law::Lattice, law});
    homogenise(body.filling, lattice.cell_mm, lattice.wall_mm, 1, 2);
    report["walls"]["law_reference"] = law.reference;
    report["walls"]["law_range"] = {law.min_fraction, law.max_fraction};
  }
  crop(body.filling);
  body.level_set = level_set;
  return body;
}

}  // namespace osteo::simulate
