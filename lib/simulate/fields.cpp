#include "simulate/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "simulate/vdb_field.h"

namespace osteo::simulate {

const std::vector<std::string>& fieldNames() {
  static const std::vector<std::string> names = {"demand", "displacement", "fatigue", "principal_strain",
                                                 "sed",    "shielding",    "stress",  "von_mises"};
  return names;
}

FieldFile fieldFile(const std::string& text) {
  const auto& known = fieldNames();
  const auto equals = text.find('=');
  const FieldFile file{text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
  const std::string ending = core::extension(file.path);
  if (std::find(known.begin(), known.end(), file.field) == known.end() || (ending != ".nrrd" && ending != ".vdb"))
    throw core::Error(core::Exit::Usage, {.what = "--fields takes name=file.nrrd or name=file.vdb pairs",
                                          .expected = fmt::format("names {}", fmt::join(known, ", ")),
                                          .got = text});
  return file;
}

std::string pathOfCase(const std::string& path, const std::string& name, std::size_t cases) {
  if (cases < 2) return path;
  const auto dot = path.size() - core::extension(path).size();
  return path.substr(0, dot) + "-" + name + path.substr(dot);
}

const std::vector<float>& fieldValues(const ElementResults& results, const std::string& name) {
  if (name == "von_mises") return results.von_mises;
  if (name == "stress") return results.stress;
  if (name == "displacement") return results.displacement;
  if (name == "sed") return results.energy;
  if (name == "principal_strain") return results.principal_strain;
  if (name == "demand") return results.demand;
  if (name == "fatigue") return results.fatigue;
  if (name == "shielding") return results.shielding;
  throw core::Error(core::Exit::Software, {.what = "no field is named " + name});
}

const image::Frame& fieldFrame(const VoxelModel& model) {
  const bool fits =
      (model.offset.array() >= 0).all() && ((model.offset + model.frame.size).array() <= model.grid.size.array()).all();
  return fits ? model.grid : model.frame;
}

std::vector<float> fieldOnGrid(const VoxelModel& model, const ElementResults& results, const std::string& name,
                               int& channels) {
  const std::vector<float>& values = fieldValues(results, name);
  channels = static_cast<int>(values.size() / static_cast<std::size_t>(model.elements));
  const image::Frame& frame = fieldFrame(model);
  const Eigen::Vector3i size = frame.size;
  const Eigen::Vector3i at = &frame == &model.grid ? model.offset : Eigen::Vector3i(Eigen::Vector3i::Zero());
  std::vector<float> grid(static_cast<std::size_t>(frame.voxelCount()) * channels, 0.0F);
  forEachElement(model, [&](std::int64_t e, int i, int j, int k, const auto&) {
    const std::int64_t voxel = i + at[0] + size[0] * (j + at[1] + std::int64_t{size[1]} * (k + at[2]));
    std::copy_n(values.begin() + e * channels, channels, grid.begin() + voxel * channels);
  });
  return grid;
}

void requireField(const VoxelModel& model, const std::vector<Filler>& fillers, const std::string& name,
                  const std::string& path) {
  const bool tires =
      std::any_of(fillers.begin(), fillers.end(), [](const Filler& f) { return f.material.fatigue.has_value(); });
  if (name == "fatigue" && !tires)
    throw core::Error(core::Exit::DataError, {.what = "no material of the model says its fatigue strength",
                                              .expected = "a fatigue block in the materials file"});
  if (core::extension(path) == ".vdb") requireVdbFrame(model.frame, path);
}

void writeField(const VoxelModel& model, const ElementResults& results, const std::string& name,
                const std::string& path) {
  if (core::extension(path) == ".vdb") {
    writeVdbField(model, fieldValues(results, name), name, path);
    return;
  }
  int channels = 0;
  const auto values = fieldOnGrid(model, results, name, channels);
  image::writeChannels(fieldFrame(model), values, channels, path);
}

}  // namespace osteo::simulate
