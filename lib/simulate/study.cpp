#include "simulate/study.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/execution.h"
#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/schema.h"
#include "image/io.h"
#include "simulate/block_matrix.h"
#include "simulate/compose.h"
#include "simulate/effective.h"
#include "simulate/prediction.h"
#include "simulate/remote.h"
#include "simulate/statistics.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;

bool isSolid(const std::string& path) { return core::extension(path) == ".vdb" || levelset::isMeshFile(path); }

ModelType typeOf(const StudyFiles& files) {
  if (files.type != ModelType::Auto) return files.type;
  const std::string ending = core::extension(files.model);
  if (isSolid(files.model)) return ModelType::LevelSet;
  if (ending == ".seg.nrrd") return ModelType::Labels;
  const std::string component = image::readInfo(files.model).component;
  if (component.starts_with("uint")) return ModelType::Labels;
  if (component == "int16") return ModelType::Hu;
  throw core::Error(core::Exit::DataError,
                    {.what = "what the voxels mean can't be told",
                     .file = files.model,
                     .expected = "unsigned integers (labels), int16 (HU), a .vdb (level set) or a mesh",
                     .got = component,
                     .hint = "say --model-type labels, hu or density"});
}

Body bodyOf(const StudyFiles& files, ModelType type, const Materials& materials, json& report) {
  if (files.element_mm > 0 && type != ModelType::LevelSet)
    throw core::Error(core::Exit::Usage,
                      {.what = "--element-mm is for level sets; a volume's voxels are the elements"});
  if (!files.hu.empty() && type != ModelType::Labels)
    throw core::Error(core::Exit::Usage, {.what = "--hu goes with a model of labels"});
  const Extent extent = files.homogenise.empty() ? Extent::Filled : Extent::Grid;
  switch (type) {
    case ModelType::Labels:
      report["model_type"] = "labels";
      return fromLabels(files.model, materials, extent, report, files.hu);
    case ModelType::Density:
      report["model_type"] = "density";
      return fromHu(files.model, asDensity(materials), extent, report);
    case ModelType::Hu:
      report["model_type"] = "hu";
      return fromHu(files.model, materials, extent, report);
    default:
      report["model_type"] = "levelset";
      return fromLevelSet(files.model, materials, files.element_mm, report);
  }
}

/// The file's voxels, their decoded values and the model's own arrays must find room.
void requireReading(const std::string& path, ModelType type) {
  const double bytes_per_voxel = type == ModelType::Labels ? 6 : 10;
  const auto size = image::readInfo(path).frame.size.cast<double>();
  core::requireMemory(bytes_per_voxel * size.prod(), "reading " + core::baseName(path));
}

/// Reads "host" from --host and other names from beside the loads file, in the model's frame.
levelset::LevelSet otherLevelSet(const StudyFiles& files, const std::string& frame_id, const std::string& name) {
  if (name == "host" && files.host.empty())
    throw core::Error(core::Exit::Usage, {.what = "the loads refer to the host", .expected = "--host bone.vdb"});
  const std::string path =
      name == "host" ? files.host : (std::filesystem::path(files.loads).parent_path() / name).string();
  core::requireInput(path);
  const auto other = levelset::readVdb(path);
  image::requireSameFrame(frame_id, files.model, other.frameId(), path);
  return other;
}

/// One material in everything that is filled.
Materials oneMaterial(const StudyFiles& files) {
  Materials all;
  Material m;
  m.name = "material";
  m.modulus_mpa = files.modulus_map.empty() ? files.modulus_mpa : 1;
  m.poisson = files.poisson;
  m.reference = files.modulus_map.empty() ? "given on the command line" : "modulus per voxel from a map";
  m.is_plain = true;
  all.materials[m.name] = m;
  all.assign.labels["*"] = m.name;
  all.assign.level_set = m.name;
  all.path = files.model;
  return all;
}

/// With one material, whatever isn't a level set is a label volume: what isn't 0 is filled.
ModelType plainType(const StudyFiles& files) {
  const bool is_level_set = isSolid(files.model);
  if (files.type == ModelType::Hu || files.type == ModelType::Density ||
      (files.type == ModelType::LevelSet) != is_level_set)
    if (files.type != ModelType::Auto && files.type != ModelType::Labels)
      throw core::Error(core::Exit::Usage, {.what = "--modulus-mpa and --modulus-map take labels or a level set"});
  if (is_level_set && !files.modulus_map.empty())
    throw core::Error(core::Exit::Usage, {.what = "--modulus-map needs labels: a level set has its own elements"});
  return is_level_set ? ModelType::LevelSet : ModelType::Labels;
}

/// A volume on the grid of the model's file, cut to the model's frame, checked where it is filled.
std::vector<float> mapOf(const std::string& path, const StudyFiles& files, const Filling& filling,
                         const std::string& what, double low, double high) {
  const image::CtVolume map = image::readVolume(path);
  const image::Frame grid = filling.grid.value_or(filling.frame);
  image::requireSameGrid(grid, files.model, map.frame, path);
  std::vector<float> out;
  out.reserve(filling.material.size());
  for (int k = 0; k < filling.frame.size[2]; ++k)
    for (int j = 0; j < filling.frame.size[1]; ++j)
      for (int i = 0; i < filling.frame.size[0]; ++i) {
        const float v = map.at(i + filling.offset[0], j + filling.offset[1], k + filling.offset[2]);
        if (filling.material[out.size()] && !(v > low && v < high))
          throw core::Error(core::Exit::DataError,
                            {.what = "a filled voxel has no " + what,
                             .file = path,
                             .expected = fmt::format("between {:g} and {:g} wherever the labels are not 0", low, high),
                             .got = fmt::format("{:g}", v)});
        out.push_back(v);
      }
  return out;
}

/// Takes modulus and Poisson's ratio of each filled voxel from volumes on the same grid.
void useMaps(const StudyFiles& files, Body& body, json& report) {
  if (files.modulus_map.empty()) return;
  body.filling.value = mapOf(files.modulus_map, files, body.filling, "positive modulus", 0, 1e12);
  for (auto& filler : body.fillers) filler.law = Filler::Law::Modulus;
  report["modulus"] = "map";
  if (files.poisson_map.empty()) return;
  body.filling.poisson = mapOf(files.poisson_map, files, body.filling, "valid Poisson's ratio", -0.999, 0.5);
  report["poisson"] = "map";
}

/// Lays the implant over the bone and adds caps.
void compose(const StudyFiles& files, const Materials& materials, Body& body, json& report) {
  if (files.implant.empty() && files.cap_mm <= 0) return;
  if (!files.implant.empty() && body.level_set)
    throw core::Error(core::Exit::Usage, {.what = "--implant is laid over labels or HU, not over a level set"});
  if (body.level_set && files.cap_mm > 0)
    throw core::Error(core::Exit::Usage, {.what = "--cap-mm is for labels or HU, not for a level set"});
  // A single modulus on the command line says nothing of what is added: that is the library's.
  const bool is_plain = files.materials.empty();
  const Materials library = is_plain ? readMaterials(core::configsFolder() + "/materials/library.json") : materials;
  if (!files.implant.empty()) layImplant(body, {files.implant, files.interface_mm}, files.model, library, report);
  if (files.cap_mm > 0)
    addCaps(body, {files.cap_axis, files.cap_mm, files.cap_embed_mm.value_or(files.cap_mm)}, library, report);
}

/// Sets beside a full solve what the coarse grids had said before it.
void comparePrediction(const json& before, json& record) {
  if (before.is_null()) return;
  const double full = record["external_work_n_mm"], coarse = before["external_work_n_mm"];
  record["method"] = "full";
  record["prediction"] = before;
  record["prediction"]["error"] = std::abs(coarse / full - 1);
  if (record.contains("test")) record["test"]["method"] = "full";
}

/// Both caps must hang on the piece that is computed.
void requireCaps(const VoxelModel& model, const json& elements) {
  const auto kept = std::count(model.label.begin(), model.label.end(), kCapLabel);
  const std::int64_t added = elements[0].get<std::int64_t>() + elements[1].get<std::int64_t>();
  if (kept == added) return;
  throw core::Error(core::Exit::DataError,
                    {.what = "the end caps are not joined by one piece of bone",
                     .expected = fmt::format("{} elements of caps on the largest face-connected piece", added),
                     .got = std::to_string(kept),
                     .hint = "give a single bone: labels of others as \"empty\" in assign.labels"});
}

void reportDropped(const VoxelModel& model) {
  if (model.dropped_pieces == 0) return;
  const double share = double(model.dropped_elements) / double(model.elements + model.dropped_elements);
  core::warn(
      fmt::format("only the largest face-connected piece is computed: {} other pieces with {:.2g} % of the elements "
                  "are left out",
                  model.dropped_pieces, 100 * share));
}

}  // namespace

Study::Study(const StudyFiles& files) : report_(std::make_unique<json>()) {
  const bool is_plain = files.modulus_mpa > 0 || !files.modulus_map.empty();
  Materials materials = is_plain ? oneMaterial(files) : readMaterials(files.materials);
  if (!files.calibration.empty()) useCalibration(files.calibration, materials);
  homogenise_ = files.homogenise;
  checkpoint_ = Checkpoint(files.checkpoint, files.checkpoint_s);
  evaluation_ = files.evaluation;
  if (!files.test && homogenise_.empty()) cases_ = readLoads(files.loads, files.patient);
  const ModelType type = is_plain ? plainType(files) : typeOf(files);
  if (type != ModelType::LevelSet) requireReading(files.model, type);
  body_ = bodyOf(files, type, materials, *report_);
  useMaps(files, body_, *report_);
  compose(files, materials, body_, *report_);
  body_.filling.is_periodic = homogenise_ == "periodic";
  const Eigen::Matrix3d direction = body_.filling.frame.direction;
  model_ = buildModel(body_.filling, [&](std::uint16_t material, float value, float poisson) {
    return std::isnan(poisson) ? onGrid(body_.fillers[material].stiffness(value), direction)
                               : isotropic(value, poisson);
  });
  reportDropped(model_);
  if (files.cap_mm > 0) requireCaps(model_, (*report_)["caps"]["elements"]);
  const std::string frame_id = body_.filling.frame.frame_id;
  body_.filling = {};
  operator_ = std::make_unique<Operator>(model_);
  if (!homogenise_.empty()) return;
  requireRadius(model_, evaluation_.smoothing_mm);
  scene_ = std::make_unique<Scene>(Scene{model_, body_.label_names,
                                         [=](const std::string& name) { return otherLevelSet(files, frame_id, name); },
                                         &body_.fillers});
  test_ = files.test;
  if (test_) cases_ = {loadCaseOf(*test_, modelBox(model_))};
  for (const auto& c : cases_) place(*scene_, *operator_, c);  // every case is checked before the first is solved
}

double Study::estimatedBytes() const {
  // Peaks of whole runs: 115 bytes on a lattice, 135 on trabecular bone, beside what the program itself takes;
  // homogenisation keeps six fields more, and one field is written at a time.
  constexpr double kProgram = 5e7, kBytesPerDof = 130, kBytesPerDofHomogenised = kBytesPerDof + 6 * sizeof(double);
  return kProgram + (homogenise_.empty() ? kBytesPerDof : kBytesPerDofHomogenised) * 3 * double(model_.nodes) +
         2.0 * double(model_.frame.voxelCount()) * sizeof(float);
}

void Study::requireMemory() const { core::requireMemory(estimatedBytes() - core::residentMemoryBytes(), "the solve"); }

json Study::describe() const {
  json out = *report_;
  const auto spacing = model_.frame.spacing_mm;
  out["element_size_mm"] = {spacing[0], spacing[1], spacing[2]};
  out["elements"] = model_.elements;
  out["degrees_of_freedom"] = 3 * model_.nodes;
  out["dropped_pieces"] = model_.dropped_pieces;
  out["dropped_elements"] = model_.dropped_elements;
  for (std::size_t f = 0; f < body_.fillers.size(); ++f) {
    const auto& filler = body_.fillers[f];
    std::int64_t elements = 0;
    double solid = 0, low = 1e300, high = 0;
    for (std::int64_t e = 0; e < model_.elements; ++e) {
      if (model_.material[e] != f) continue;
      ++elements;
      solid += model_.valueOf(e);
      low = std::min<double>(low, model_.valueOf(e));
      high = std::max<double>(high, model_.valueOf(e));
    }
    if (elements == 0) continue;
    auto& m = out["materials"][filler.name()];
    m = {{"elements", elements}, {"poisson", filler.material.poisson}, {"reference", filler.material.reference}};
    if (filler.law == Filler::Law::Modulus)
      m["modulus_range_mpa"] = {low, high}, m["mean_modulus_mpa"] = solid / double(elements);
    else
      m["solid_volume_mm3"] = solid * spacing.prod();
    if (const auto& ortho = filler.material.orthotropic)
      for (int c = 0; c < 3; ++c) {
        m["moduli_mpa"].push_back(ortho->moduli_mpa[c]);
        m["poisson_yz_xz_xy"].push_back(ortho->poisson_yz_xz_xy[c]);
        m["shear_yz_xz_xy_mpa"].push_back(ortho->shear_yz_xz_xy_mpa[c]);
      }
    else if (filler.law != Filler::Law::Modulus)
      m["modulus_mpa"] = filler.material.modulus_mpa;
    if (filler.law == Filler::Law::Lattice) m["volume_fraction_range"] = {low, high};
    if (filler.law == Filler::Law::Lattice && (low < filler.lattice.min_fraction || high > filler.lattice.max_fraction))
      core::warn(
          fmt::format("local volume fractions {:.2f} to {:.2f} leave the range {:.2f} to {:.2f} of the law of {}", low,
                      high, filler.lattice.min_fraction, filler.lattice.max_fraction, filler.lattice.name));
  }
  return out;
}

json Study::homogenise(const SolveOptions& options) const {
  const auto start = std::chrono::steady_clock::now();
  const EffectiveStiffness effective = effectiveStiffness(*operator_, homogenise_, options);
  core::noteStep("solve_seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  json out = describeStiffness(effective, model_);
  out["method"] = homogenise_;
  return out;
}

SolveReport Study::solveFields(const LoadCase& load_case, Conditions& conditions, const SolveOptions& options,
                               Field& u) {
  const Operator& K = *operator_;
  if (const auto found = ahead_.find(load_case.name); found != ahead_.end()) {
    u = std::move(found->second.displacement_mm);
    const SolveReport report = found->second.report;
    ahead_.erase(found);
    return report;
  }
  if (!solver_ || !solver_->holds(conditions.fixed)) {
    solver_.reset();
    solver_ = std::make_unique<Solver>(K, conditions.fixed);
  }
  if (checkpoint_.isOn()) {
    SolveOptions watched = options;
    watched.watch = [&](const Field& v, int iterations) { checkpoint_.watch(v, iterations); };
    return simulate::solveCase(K, *solver_, conditions, watched, u);
  }
  if (hasFreePoints(conditions)) return simulate::solveCase(K, *solver_, conditions, options, u);
  std::vector<Conditions> more;
  const std::size_t first = static_cast<std::size_t>(&load_case - cases_.data()) + 1;
  const double room = 0.25 * core::availableMemoryBytes() / (sizeof(double) * 3 * double(K.stride()));
  for (std::size_t c = first; c < cases_.size() && more.size() + 1 < std::min<double>(room, kWidest); ++c) {
    if (is_predicted_.contains(cases_[c].name)) break;
    Conditions next = place(*scene_, K, cases_[c]);
    if (!solver_->holds(next.fixed) || hasFreePoints(next)) break;
    more.push_back(std::move(next));
  }
  std::vector<Solver::Problem> problems = {{&conditions.force, &conditions.fixed, &u}};
  for (std::size_t m = 0; m < more.size(); ++m)
    problems.push_back({&more[m].force, &more[m].fixed, &ahead_[cases_[first + m].name].displacement_mm});
  const auto reports = solver_->solve(problems, options);
  for (std::size_t m = 0; m < more.size(); ++m) ahead_[cases_[first + m].name].report = reports[m + 1];
  return reports.front();
}

Study::Solved Study::solveCase(const LoadCase& load_case, const SolveOptions& options, json& record) {
  const json before_prediction = record.is_object() ? record.value("prediction", json()) : json();
  const Operator& K = *operator_;
  Conditions conditions = place(*scene_, K, load_case);
  Solved solved;
  const auto start = std::chrono::steady_clock::now();
  const int before = checkpoint_.begin(model_, conditions, solved.displacement_mm);
  const SolveReport report = solveFields(load_case, conditions, options, solved.displacement_mm);
  if (&load_case == &cases_.back()) checkpoint_.finish();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  core::noteStep("solve_seconds", seconds);
  core::info(fmt::format("case {}: {} iterations, {:.2f} s", load_case.name, report.iterations, seconds));
  if (&load_case == &cases_.back() || &cases_.back() - &load_case == static_cast<std::ptrdiff_t>(ahead_.size()))
    solver_.reset();  // nothing is left to solve, and the results need its memory
  solved.elements = evaluate(K, solved.displacement_mm, body_.fillers, evaluation_);
  record = summarise(K, conditions, solved.displacement_mm, solved.elements, body_.fillers, evaluation_);
  if (!load_case.reference.empty()) record["reference"] = load_case.reference;
  record["iterations"] = report.iterations;
  if (before > 0) record["resumed_after_iterations"] = before;
  record["relative_residual"] = report.residual;
  record["energy_error_estimate"] = report.energy_error;
  record["grids_degrees_of_freedom"] = report.levels;
  record["bytes_per_dof"] = std::round((report.bytes + model_.bytes()) / (3.0 * double(model_.nodes)));
  if (test_) record["test"] = summariseTest(*test_, conditions, model_, {solved.elements, body_.fillers}, record);
  comparePrediction(before_prediction, record);
  return solved;
}

bool Study::predictCase(const LoadCase& load_case, const Method& method, const SolveOptions& options, json& record) {
  if (!method.is_coarse) return false;
  const double expected = predict({*scene_, *operator_, load_case}, options, test_, record);
  if (!method.may_escalate || expected <= method.accuracy) {
    is_predicted_.insert(load_case.name);
    return true;
  }
  requireMemory();
  record.erase("test");
  record = {{"prediction", record}};
  return false;
}

}  // namespace osteo::simulate
