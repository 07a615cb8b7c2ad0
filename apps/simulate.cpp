#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "picture/render.h"
#include "simulate/study.h"

namespace osteo::cli {
namespace {

namespace sim = simulate;

struct FieldFile {
  std::string field, path;
};

/// --fields von_mises=vm.nrrd,stress=s.nrrd
std::vector<FieldFile> fieldFiles(const Context& ctx) {
  std::vector<FieldFile> files;
  const auto& known = sim::fieldNames();
  for (const std::string& text : ctx.texts("fields")) {
    const auto equals = text.find('=');
    const FieldFile file{text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
    if (std::find(known.begin(), known.end(), file.field) == known.end() || core::extension(file.path) != ".nrrd")
      throw core::Error(core::Exit::Usage, {.what = "--fields takes name=file.nrrd pairs",
                                            .expected = fmt::format("names {}", fmt::join(known, ", ")),
                                            .got = text});
    files.push_back(file);
  }
  return files;
}

/// With several load cases each gets its own file: vm.nrrd becomes vm-<case>.nrrd.
std::string pathOfCase(const std::string& path, const std::string& name, std::size_t cases) {
  if (cases < 2) return path;
  const auto dot = path.size() - core::extension(path).size();
  return path.substr(0, dot) + "-" + name + path.substr(dot);
}

void draw(const sim::Study& study, const sim::ElementResults& results, const std::string& caption,
          const std::string& path) {
  picture::Actor actor;
  const auto mesh = study.surface(results.von_mises, actor.scalars);
  actor.mesh = &mesh;
  actor.high = std::max(1e-6, sim::percentile(results.von_mises, 0.98));
  std::vector<picture::Canvas> views;
  for (const Eigen::Vector3d& from : {Eigen::Vector3d(-0.6, -1.0, 0.35), Eigen::Vector3d(0.6, 1.0, 0.6)}) {
    picture::View view;
    view.from = from;
    view.caption = caption;
    view.scalar_title = "von Mises, MPa";
    views.push_back(picture::render({actor}, view));
  }
  picture::writePng(picture::tile(views, {"from the front", "from behind"}, 2), path);
}

void run(Context& ctx) {
  const std::string type = ctx.text("model-type");
  const sim::StudyFiles files{ctx.input("model"),
                              ctx.input("loads"),
                              ctx.input("materials"),
                              ctx.input("host"),
                              type == "labels"     ? sim::ModelType::Labels
                              : type == "hu"       ? sim::ModelType::Hu
                              : type == "levelset" ? sim::ModelType::LevelSet
                                                   : sim::ModelType::Auto,
                              ctx.given("element-mm") ? ctx.number("element-mm") : 0};
  const auto fields = fieldFiles(ctx);
  ctx.output("output");
  const sim::Study study(files);
  if (ctx.dryRun(study.estimatedBytes())) return;
  const std::size_t cases = study.cases().size();
  std::vector<std::string> paths;  // opened before the solve, so that a wrong folder costs no time
  for (const auto& c : study.cases())
    for (const auto& f : fields) paths.push_back(ctx.outputPath(pathOfCase(f.path, c.name, cases)));
  const std::string picture = ctx.output("picture");

  ctx.results()["model"] = study.describe();
  auto path = paths.begin();
  for (const auto& c : study.cases()) {
    auto& record = ctx.results()["cases"][c.name];
    const auto solved =
        study.solveCase(c, {ctx.number("tolerance"), static_cast<int>(ctx.integer("max-iterations"))}, record);
    for (const auto& f : fields) {
      int channels = 0;
      const auto values = sim::fieldOnGrid(study.model(), solved.elements, f.field, channels);
      image::writeChannels(study.model().frame, values, channels, *path++);
    }
    if (!picture.empty() && c.name == study.cases().front().name)
      draw(study, solved.elements, "case " + c.name, picture);
  }
}

}  // namespace

App describe() {
  const Range positive{1e-6, 1e6};
  Parameter fields =
      text("fields", "",
           "fields to write on the model's grid, as name=file.nrrd: displacement, energy, principal_strain, "
           "stress, von_mises");
  fields.count = 0;
  fields.channel = Channel::Output;
  return {
      "simulate",
      "Linear elastic voxel finite elements from labels, HU or a level set",
      {{"",
        "Stress, strain, reactions and safety of a bone or an implant under load cases",
        {"simulate scaffold.vdb -o mechanics.json --loads loads.json --materials materials.json --host bone.vdb "
         "--fields von_mises=stress.nrrd --picture stress.png",
         "simulate labels.seg.nrrd -o mechanics_bone.json --loads uniaxial.json --materials materials.json"},
        {input("model", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz", ".vdb"},
               "labels, HU or a level set; its voxels become the elements"),
         output({".json"}, "results and run record"),
         inputOption("loads", {".json"}, "load cases (presets in configs/simulate)").must(),
         inputOption("materials", {".json"}, "materials and what they fill (presets in configs/materials)").must(),
         inputOption("host", {".vdb"}, "the level set that regions of the loads call host: the bone around an implant"),
         choice("model-type", {"auto", "labels", "hu", "levelset"}, "auto",
                "what the voxels mean; auto: unsigned integers are labels, int16 is HU, .vdb a level set"),
         optionalNumber("element-mm", "mm", positive,
                        "element size for level sets; default: the grid's voxel, coarsened to 1.5 million elements"),
         number("tolerance", "", 1e-6, {1e-12, 0.1}, "relative residual at which the solver stops").advanced(),
         integer("max-iterations", "", 20000, {1, 10000000}, "iterations after which it gives up").advanced(), fields,
         picture("the model's surface coloured by the first case's von Mises stress")},
        run}}};
}

}  // namespace osteo::cli
