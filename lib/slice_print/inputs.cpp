#include "slice_print/inputs.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/error.h"
#include "levelset/level_set.h"
#include "slice_print/xml_text.h"

namespace osteo::slice_print {

namespace {

std::vector<Solid> solidsOf(const std::string& path) {
  std::vector<Solid> solids;
  if (!levelset::isMeshFile(path)) {
    solids.emplace_back();
    solids.back().level_set = levelset::readVdb(path);
    return solids;
  }
  for (mesh::Body& body : mesh::readBodies(path)) {
    Solid& solid = solids.emplace_back();
    solid.name = cleanText(body.name), solid.material = cleanText(body.material);
    solid.mesh = std::move(body.mesh);
    solid.beams = mesh::triangulated(body.beams);
    solid.lattice = std::move(body.beams);
    solid.clipping = body.clipping;
    solid.clip = std::move(body.clip);
  }
  return solids;
}

std::string frameOf(const Solid& solid) { return solid.level_set ? solid.level_set->frameId() : solid.mesh.frame_id; }

void requireOneFrame(const std::vector<Solid>& solids, const std::string& path) {
  const std::string frame = frameOf(solids.back());
  for (const Solid& solid : solids) {
    if (frame.empty() || frameOf(solid).empty() || frameOf(solid) == frame) continue;
    throw core::Error(core::Exit::DataError, {.what = "the bodies lie in different frames of reference",
                                              .file = path,
                                              .expected = frameOf(solid),
                                              .got = frame});
  }
}

}  // namespace

std::vector<Solid> readSolids(const std::vector<std::string>& paths, const std::vector<std::string>& materials) {
  if (!materials.empty() && materials.size() != paths.size()) {
    throw core::Error(core::Exit::Usage, {.what = "--material names another number of materials than there are files",
                                          .expected = fmt::format("{}", paths.size()),
                                          .got = fmt::format("{}", materials.size())});
  }
  std::vector<Solid> solids;
  for (std::size_t n = 0; n < paths.size(); ++n) {
    for (Solid& solid : solidsOf(paths[n])) {
      if (!materials.empty()) solid.material = cleanText(materials[n]);
      solids.push_back(std::move(solid));
      requireOneFrame(solids, paths[n]);
    }
  }
  return solids;
}

double estimatedBytes(const std::vector<std::string>& paths) {
  // Measured: 2 to 4 times a grid, which is stored compressed.
  constexpr double kFixed = 1e8, kTimesGrid = 4, kTimesMesh = 3;
  double bytes = kFixed;
  for (const std::string& path : paths)
    bytes +=
        (levelset::isMeshFile(path) ? kTimesMesh : kTimesGrid) * static_cast<double>(std::filesystem::file_size(path));
  return bytes;
}

void requireRoom(const Part& part, const std::vector<double>& machine_mm) {
  for (std::size_t axis = 0; axis < machine_mm.size(); ++axis) {
    const double size_mm = part.size_mm()[static_cast<Eigen::Index>(axis)];
    if (size_mm <= machine_mm[axis]) continue;
    throw core::Error(core::Exit::DataError,
                      {.what = "the part is larger than the machine",
                       .expected = fmt::format("at most {:.6g} mm along {}", machine_mm[axis], "xyz"[axis]),
                       .got = fmt::format("{:.6g} mm", size_mm),
                       .hint = "another --build-direction may fit"});
  }
}

}  // namespace osteo::slice_print
