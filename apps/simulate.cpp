#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/files.h"
#include "simulate/drawing.h"
#include "simulate/request.h"
#include "simulate/shielding.h"
#include "simulate/table.h"

namespace osteo::cli {
namespace {

namespace sim = simulate;

int axisOf(const std::string& name) { return name[0] - 'x'; }

sim::StandardTest standardTest(const Context& ctx) {
  sim::StandardTest test;
  test.kind = ctx.text("test");
  test.axis = axisOf(ctx.text("axis"));
  test.shear_axis = ctx.given("shear-axis") ? axisOf(ctx.text("shear-axis")) : test.axis == 0 ? 1 : 0;
  test.strain = ctx.maybe("strain");
  test.displacement_mm = ctx.maybe("displacement-mm");
  test.angle_deg = ctx.maybe("angle-deg");
  return test;
}

sim::StudyFiles studyFiles(const Context& ctx) {
  sim::StudyFiles files;
  files.model = ctx.input("model");
  files.loads = ctx.input("loads");
  files.materials = ctx.input("materials");
  files.host = ctx.input("host");
  files.type = sim::modelType(ctx.text("model-type"));
  files.element_mm = ctx.maybe("element-mm").value_or(0);
  files.modulus_mpa = ctx.maybe("modulus-mpa").value_or(0);
  files.poisson = ctx.number("poisson");
  files.modulus_map = ctx.input("modulus-map");
  files.poisson_map = ctx.input("poisson-map");
  files.calibration = ctx.input("calibration");
  files.checkpoint = ctx.text("checkpoint");
  files.checkpoint_s = ctx.number("checkpoint-s");
  files.hu = ctx.input("hu");
  files.implant = ctx.input("implant");
  files.interface_mm = ctx.maybe("interface-mm").value_or(0);
  files.cap_mm = ctx.maybe("cap-mm").value_or(0);
  files.cap_embed_mm = ctx.maybe("cap-embed-mm");
  files.cap_axis = axisOf(ctx.text("axis"));
  files.patient = {ctx.input("landmarks"), ctx.maybe("body-weight-n").value_or(0)};
  files.evaluation = {ctx.maybe("smoothing-mm").value_or(0), ctx.number("cycle-ratio")};
  if (ctx.given("test")) files.test = standardTest(ctx);
  if (ctx.given("homogenise")) files.homogenise = ctx.text("homogenise");
  return files;
}

sim::Request requestOf(const Context& ctx) {
  const std::string method = ctx.text("method");
  sim::Request request{studyFiles(ctx),
                       ctx.input("intact"),
                       {method != "full", method == "auto", ctx.number("accuracy")},
                       {},
                       {},
                       ctx.text("vtu"),
                       ctx.given("table"),
                       ctx.given("picture")};
  request.solve.tolerance = ctx.number("tolerance");
  request.solve.max_iterations = static_cast<int>(ctx.integer("max-iterations"));
  request.solve.stop = ctx.text("stop") == "energy" ? sim::StopBy::Energy : sim::StopBy::Residual;
  for (const std::string& text : ctx.texts("fields")) request.fields.push_back(sim::fieldFile(text));
  sim::requireSense(request);
  return request;
}

/// What a standard test is asked for stands at the top of the results.
void hoistTest(Context& ctx, nlohmann::json& record) {
  if (!record.contains("test")) return;
  ctx.results().update(record["test"]);
  record.erase("test");
}

void run(Context& ctx) {
  const sim::Request request = requestOf(ctx);
  ctx.output("output");
  sim::Study study(request.files);
  for (const auto& f : request.fields) sim::requireField(study.model(), study.fillers(), f.field, f.path);
  std::unique_ptr<sim::Study> intact;
  if (!request.intact.empty()) intact = std::make_unique<sim::Study>(sim::intactFiles(request));
  if (ctx.dryRun(study.estimatedBytes())) return;
  if (!request.method.is_coarse) study.requireMemory();
  const auto& cases = study.cases();
  std::vector<std::vector<std::string>> files(cases.size());  // opened now, so that a wrong folder costs no time
  for (std::size_t c = 0; c < cases.size(); ++c)
    for (const auto& path : sim::filesOfCase(request, cases[c].name, cases.size()))
      files[c].push_back(ctx.outputPath(path));
  const std::string picture = ctx.output("picture"), table = ctx.output("table");

  nlohmann::json& results = ctx.results();
  results["model"] = study.describe();
  if (!request.files.homogenise.empty()) {
    results.update(study.homogenise(request.solve));
    return;
  }
  // All predictions come first: cases that need no solve don't take part in the blocks of the others.
  std::vector<bool> is_predicted;
  for (const auto& c : cases)
    is_predicted.push_back(study.predictCase(c, request.method, request.solve, results["cases"][c.name]));
  for (std::size_t n = 0; n < cases.size(); ++n) {
    const auto& c = cases[n];
    auto& record = results["cases"][c.name];
    if (!is_predicted[n]) {
      auto solved = study.solveCase(c, request.solve, record);
      if (intact)
        record["shielding"] = sim::compareIntact(study, solved, *intact, c, request.solve, results["intact"][c.name]);
      sim::writeCase(request, study, solved, files[n]);
      if (n == 0 && !picture.empty())
        picture::writePng(sim::drawDeformed(study, solved, c.name, ctx.maybe("warp")), picture);
    }
    hoistTest(ctx, record);
  }
  if (!table.empty()) core::writeFile(table, sim::tableOf(results["cases"]));
}

}  // namespace

App describe() {
  const Range positive{1e-6, 1e6};
  Parameter fields = texts(
      "fields",
      "fields to write on the model's grid, as name=file.nrrd or, for cubic voxels along the axes, name=file.vdb: "
      "demand (share of the limit), displacement, fatigue, principal_strain, sed (strain energy density, MPa), "
      "shielding (with --intact), stress, von_mises");
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
         choice("test", sim::standardTests(), "",
                "a test between two sides of the box instead of --loads: uniaxial (smooth plates), axial (rough "
                "plates), confined (smooth walls around), shear, bending, torsion"),
         choice("axis", {"x", "y", "z"}, "z", "axis of the test: the sides of the model's box across it are its ends"),
         choice("shear-axis", {"x", "y", "z"}, "",
                "direction of --test shear, and of the tilt of bending; default: x, or y when --axis is x"),
         optionalNumber("strain", "", {-1, 1},
                        "of a test: change of the box's length; for shear the engineering strain"),
         optionalNumber("displacement-mm", "mm", {-1e6, 1e6}, "of a test, instead of --strain"),
         optionalNumber("angle-deg", "deg", {-90, 90}, "of torsion, or between the ends in bending; linear"),
         choice("homogenise", {"periodic", "mixed"}, "",
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
