#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "simulate/drawing.h"
#include "simulate/fields.h"
#include "simulate/shielding.h"
#include "simulate/table.h"

namespace osteo::cli {
namespace {

namespace sim = simulate;

std::vector<sim::FieldFile> fieldFiles(const Context& ctx) {
  std::vector<sim::FieldFile> files;
  for (const std::string& text : ctx.texts("fields")) files.push_back(sim::fieldFile(text));
  return files;
}

/// Opens the files of all cases, in their order, before the solve, so that a wrong folder costs no time.
std::vector<std::string> openFiles(Context& ctx, const sim::Study& study, const std::vector<sim::FieldFile>& fields) {
  const std::string vtu = ctx.text("vtu");
  if (!vtu.empty() && core::extension(vtu) != ".vtu")
    throw core::Error(core::Exit::Usage, {.what = "--vtu takes a file.vtu", .got = vtu});
  std::vector<std::string> paths;
  const std::size_t cases = study.cases().size();
  for (const auto& c : study.cases()) {
    for (const auto& f : fields) paths.push_back(ctx.outputPath(sim::pathOfCase(f.path, c.name, cases)));
    if (!vtu.empty()) paths.push_back(ctx.outputPath(sim::pathOfCase(vtu, c.name, cases)));
  }
  return paths;
}

int axisOf(const std::string& name) { return name[0] - 'x'; }

std::optional<double> given(const Context& ctx, const std::string& name) {
  return ctx.given(name) ? std::optional<double>(ctx.number(name)) : std::nullopt;
}

/// A test with one modulus or a map of moduli, or loads with materials.
sim::StudyFiles studyFiles(const Context& ctx) {
  const std::string type = ctx.text("model-type");
  sim::StudyFiles files;
  files.model = ctx.input("model");
  files.loads = ctx.input("loads");
  files.materials = ctx.input("materials");
  files.host = ctx.input("host");
  files.type = type == "labels"     ? sim::ModelType::Labels
               : type == "hu"       ? sim::ModelType::Hu
               : type == "density"  ? sim::ModelType::Density
               : type == "levelset" ? sim::ModelType::LevelSet
                                    : sim::ModelType::Auto;
  files.element_mm = given(ctx, "element-mm").value_or(0);
  files.modulus_mpa = given(ctx, "modulus-mpa").value_or(0);
  files.poisson = ctx.number("poisson");
  files.modulus_map = ctx.input("modulus-map");
  files.poisson_map = ctx.input("poisson-map");
  files.calibration = ctx.input("calibration");
  files.checkpoint = ctx.text("checkpoint");
  files.checkpoint_s = ctx.number("checkpoint-s");
  files.hu = ctx.input("hu");
  files.implant = ctx.input("implant");
  files.interface_mm = given(ctx, "interface-mm").value_or(0);
  files.cap_mm = given(ctx, "cap-mm").value_or(0);
  files.cap_embed_mm = given(ctx, "cap-embed-mm").value_or(files.cap_mm);
  files.cap_axis = axisOf(ctx.text("axis"));
  if ((files.interface_mm > 0 && files.implant.empty()) || (ctx.given("cap-embed-mm") && files.cap_mm <= 0))
    throw core::Error(core::Exit::Usage, {.what = "--interface-mm goes with --implant, --cap-embed-mm with --cap-mm"});
  files.patient = {ctx.input("landmarks"), given(ctx, "body-weight-n").value_or(0)};
  files.evaluation = {given(ctx, "smoothing-mm").value_or(0), ctx.number("cycle-ratio")};
  if (ctx.given("test")) {
    sim::StandardTest test;
    test.kind = ctx.text("test");
    test.axis = axisOf(ctx.text("axis"));
    test.shear_axis = ctx.given("shear-axis") ? axisOf(ctx.text("shear-axis")) : test.axis == 0 ? 1 : 0;
    test.strain = given(ctx, "strain");
    test.displacement_mm = given(ctx, "displacement-mm");
    test.angle_deg = given(ctx, "angle-deg");
    files.test = test;
  }
  if (ctx.given("homogenise")) files.homogenise = ctx.text("homogenise");
  if (int(files.test.has_value()) + int(!files.loads.empty()) + int(!files.homogenise.empty()) != 1)
    throw core::Error(core::Exit::Usage,
                      {.what = "say how the model is loaded", .expected = "one of --loads, --test and --homogenise"});
  if (!files.poisson_map.empty() && files.modulus_map.empty())
    throw core::Error(core::Exit::Usage, {.what = "--poisson-map goes with --modulus-map"});
  if (!files.homogenise.empty() &&
      (!ctx.texts("fields").empty() || ctx.given("picture") || ctx.given("vtu") || ctx.given("table")))
    throw core::Error(core::Exit::Usage, {.what = "--homogenise has neither fields, a mesh, a table nor a picture"});
  if (int(files.modulus_mpa > 0) + int(!files.modulus_map.empty()) + int(!files.materials.empty()) != 1)
    throw core::Error(core::Exit::Usage, {.what = "say what the model is made of",
                                          .expected = "one of --materials, --modulus-mpa and --modulus-map"});
  return files;
}

/// The same bone without what is laid over it.
std::unique_ptr<sim::Study> intactStudy(Context& ctx, const sim::StudyFiles& files) {
  if (!ctx.given("intact")) {
    for (const auto& f : fieldFiles(ctx))
      if (f.field == "shielding") throw core::Error(core::Exit::Usage, {.what = "the field shielding needs --intact"});
    return nullptr;
  }
  if (!files.homogenise.empty() || !files.checkpoint.empty())
    throw core::Error(core::Exit::Usage, {.what = "--intact goes neither with --homogenise nor with --checkpoint"});
  sim::StudyFiles other = files;
  other.model = ctx.input("intact");
  other.implant = "";
  other.interface_mm = 0;
  return std::make_unique<sim::Study>(other);
}

/// What a standard test is asked for stands at the top of the results.
void hoistTest(Context& ctx, nlohmann::json& record) {
  if (!record.contains("test")) return;
  ctx.results().update(record["test"]);
  record.erase("test");
}

void requirePlainOutput(const Context& ctx, const sim::StudyFiles& files) {
  if (ctx.text("method") == "full") return;
  if (!files.homogenise.empty() || ctx.given("intact") || !files.checkpoint.empty() || !ctx.texts("fields").empty() ||
      ctx.given("picture") || ctx.given("vtu") || ctx.given("table"))
    throw core::Error(core::Exit::Usage,
                      {.what = "--method coarse and auto predict numbers alone: no fields, mesh, table, picture, "
                               "shielding, homogenised stiffness or checkpoint",
                       .expected = "--method full"});
}

void run(Context& ctx) {
  const sim::StudyFiles files = studyFiles(ctx);
  const auto fields = fieldFiles(ctx);
  requirePlainOutput(ctx, files);
  ctx.output("output");
  sim::Study study(files);
  for (const auto& f : fields) sim::requireField(study.model(), study.fillers(), f.field, f.path);
  std::unique_ptr<sim::Study> intact = intactStudy(ctx, files);
  if (ctx.dryRun(study.estimatedBytes())) return;
  if (ctx.text("method") == "full") study.requireMemory();
  const auto paths = openFiles(ctx, study, fields);
  const std::string picture = ctx.output("picture"), table = ctx.output("table");

  ctx.results()["model"] = study.describe();
  const sim::SolveOptions options{ctx.number("tolerance"), static_cast<int>(ctx.integer("max-iterations")),
                                  ctx.text("stop") == "energy" ? sim::StopBy::Energy : sim::StopBy::Residual};
  const sim::Method method{ctx.text("method") != "full", ctx.text("method") == "auto", ctx.number("accuracy")};
  if (!files.homogenise.empty()) {
    ctx.results().update(study.homogenise(options));
    return;
  }
  auto path = paths.begin();
  for (const auto& c : study.cases()) {
    auto& record = ctx.results()["cases"][c.name];
    if (study.predictCase(c, method, options, record)) {
      hoistTest(ctx, record);
      continue;
    }
    auto solved = study.solveCase(c, options, record);
    if (intact)
      record["shielding"] = sim::compareIntact(study, solved, *intact, c, options, ctx.results()["intact"][c.name]);
    hoistTest(ctx, record);
    for (const auto& f : fields) sim::writeField(study.model(), solved.elements, f.field, *path++);
    if (ctx.given("vtu"))
      sim::writeVtu(study.model(), solved.displacement_mm, solved.elements, study.fillers(), *path++);
    if (!picture.empty() && c.name == study.cases().front().name)
      picture::writePng(sim::drawDeformed(study, solved, c.name, given(ctx, "warp")), picture);
  }
  if (!table.empty()) core::writeFile(table, sim::tableOf(ctx.results()["cases"]));
}

/// A choice that is absent unless given.
Parameter optionalChoice(const std::string& name, const std::vector<std::string>& choices, const std::string& help) {
  Parameter p = choice(name, choices, choices.front(), help);
  p.default_json = "null";
  return p;
}

Parameter kindOfTest() {
  return optionalChoice(
      "test", sim::standardTests(),
      "a test between two sides of the box instead of --loads: uniaxial (smooth plates), axial (rough "
      "plates), confined (smooth walls around), shear, bending, torsion");
}

}  // namespace

App describe() {
  const Range positive{1e-6, 1e6};
  Parameter fields =
      text("fields", "",
           "fields to write on the model's grid, as name=file.nrrd or, for cubic voxels along the axes, name=file.vdb: "
           "demand (share of the limit), displacement, fatigue, principal_strain, sed (strain energy density, MPa), "
           "shielding (with --intact), stress, von_mises");
  fields.count = 0;
  fields.channel = Channel::Output;
  return {
      "simulate",
      "Linear elastic voxel finite elements from labels, HU or a level set",
      {{"",
        "Stress, strain, reactions and safety of a bone or an implant under load cases",
        {"simulate scaffold.vdb -o mechanics.json --loads loads.json --materials materials.json --host bone.vdb "
         "--fields von_mises=stress.nrrd --picture stress.png",
         "simulate labels.seg.nrrd -o mechanics_bone.json --loads uniaxial.json --materials materials.json",
         "simulate labels.seg.nrrd -o stiffness.json --test axial --axis z --strain -0.01 --modulus-mpa 6829"},
        {input("model", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz", ".vdb", ".stl", ".ply", ".obj"},
               "labels, HU, density, a level set or a closed mesh; its voxels become the elements"),
         output({".json"}, "results and run record"),
         inputOption("loads", {".json"}, "load cases (presets in configs/simulate)"),
         inputOption("materials", {".json"}, "materials and what they fill (presets in configs/materials)"),
         inputOption("landmarks", {".json"},
                     "positions that the loads call by name: {\"landmarks\": {name: [x, y, z]}}, LPS mm"),
         optionalNumber("body-weight-n", "N", {1, 1e5}, "body weight of the loads, instead of the file's own"),
         inputOption(
             "calibration", {".json"},
             "from HU to density, instead of the materials' own: a run record with results.calibration, or the block"),
         kindOfTest(),
         choice("axis", {"x", "y", "z"}, "z", "axis of the test: the sides of the model's box across it are its ends"),
         optionalChoice("shear-axis", {"x", "y", "z"},
                        "direction of --test shear, and of the tilt of bending; default: x, or y when --axis is x"),
         optionalNumber("strain", "", {-1, 1},
                        "of a test: change of the box's length; for shear the engineering strain"),
         optionalNumber("displacement-mm", "mm", {-1e6, 1e6}, "of a test, instead of --strain"),
         optionalNumber("angle-deg", "deg", {-90, 90}, "of torsion, or between the ends in bending; linear"),
         optionalChoice("homogenise", {"periodic", "mixed"},
                        "the stiffness tensor that the whole box stands for, from six load cases: periodic, or mixed "
                        "uniform boundary conditions for cut-outs of bone"),
         optionalNumber("modulus-mpa", "MPa", {1e-12, 1e9}, "Young's modulus of everything that is filled"),
         number("poisson", "", 0.3, {0, 0.499}, "Poisson's ratio with --modulus-mpa and --modulus-map"),
         inputOption("modulus-map", {".nrrd", ".nii", ".nii.gz"}, "Young's modulus of each voxel of the labels, MPa"),
         inputOption("poisson-map", {".nrrd", ".nii", ".nii.gz"}, "Poisson's ratio of each voxel, with --modulus-map"),
         inputOption("hu", {".nrrd", ".nii", ".nii.gz"},
                     "CT on the labels' grid: materials with a density law take each voxel's modulus from it"),
         inputOption("implant", {".vdb", ".stl", ".ply", ".obj"},
                     "a level set or closed mesh laid over the bone of labels or HU by shares of volume, of the "
                     "material assign.implant"),
         inputOption(
             "intact", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz"},
             "the bone before it was implanted: the same cases are solved on it, and the change of strain energy "
             "density is stress shielding"),
         optionalNumber("interface-mm", "mm", {1e-3, 10},
                        "thickness of a bonded layer of assign.interface between implant and bone"),
         optionalNumber("cap-mm", "mm", {1e-3, 1e3}, "thickness of end caps of assign.cap (PMMA) across --axis"),
         optionalNumber("cap-embed-mm", "mm", {0, 1e3},
                        "how deep the caps flow around the uneven ends; default: as their thickness"),
         inputOption("host", {".vdb"}, "the level set that regions of the loads call host: the bone around an implant"),
         choice("model-type", {"auto", "labels", "hu", "density", "levelset"}, "auto",
                "what the voxels mean; auto: unsigned integers are labels, int16 is HU, .vdb and meshes solids; "
                "density is "
                "QCT density in g/cm³"),
         optionalNumber(
             "element-mm", "mm", positive,
             "element size for level sets and meshes; default: the grid's voxel, coarsened to 1.5 million elements"),
         choice("method", {"full", "coarse", "auto"}, "full",
                "coarse: predicted from grids of 4 and 8 voxels per element, with the expected error; auto: the same, "
                "and the full solve where the expected error is above --accuracy"),
         number("accuracy", "", 0.05, {1e-4, 1}, "expected relative error that --method auto is content with"),
         number("tolerance", "", 1e-6, {1e-12, 0.1}, "relative residual at which the solver stops").advanced(),
         choice("stop", {"residual", "energy"}, "residual",
                "what --tolerance is of: the residual, or the estimated error of the strain energy, and so of a single "
                "reaction or stiffness")
             .advanced(),
         text("checkpoint", "", "file that keeps an unfinished solve, and from which it goes on").advanced(),
         number("checkpoint-s", "s", 60, {0, 1e6}, "seconds between two checkpoints").advanced(),
         integer("max-iterations", "", 2000, {1, 10000000}, "iterations after which it gives up").advanced(),
         optionalNumber("smoothing-mm", "mm", positive,
                        "radius over which peaks are averaged within a material; default: 1.5 elements, at most 10"),
         number("cycle-ratio", "", 0, {-1, 1},
                "R of fatigue: the load cycles between the case and R times the case; -1 is fully reversed"),
         fields,
         outputOption("vtu", {".vtu"}, "the mesh with nodal displacement and the elements' fields, for ParaView"),
         outputOption("table", {".tsv"},
                      "a row for each case and material: volumes, percentiles, peaks, safety, forces"),
         picture("the first case's deformed surface coloured by von Mises stress"),
         optionalNumber("warp", "", {0, 1e9},
                        "factor on the displacements of the picture; default: the largest becomes 5 % of the box's "
                        "diagonal, 0: none")},
        run}}};
}

}  // namespace osteo::cli
