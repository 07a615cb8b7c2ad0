#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/jobs.h"

namespace osteo {

cli::Job anatomicalModelJob();

namespace {

using namespace design_scaffold;

void run(cli::Context& ctx) {
  if (!ctx.given("defect")) ctx.refuse({"defect-part", "gap-mm"}, "goes with --defect");
  if (!ctx.given("soft")) ctx.refuse({"soft-labels", "rib-mm", "rib-spacing-mm"}, "goes with --soft");
  ModelJob job{ctx.input("bone"), ctx.input("defect"), ctx.input("soft"), ctx.texts("soft-labels")};
  job.voxel_mm = ctx.number("voxel-mm");
  job.shape = {ctx.number("wall-mm"), ctx.number("drain-mm"),       ctx.number("gap-mm"),
               ctx.number("rib-mm"),  ctx.number("rib-spacing-mm"), ctx.number("scale")};
  const ModelInputs inputs = readInputs(job);
  if (ctx.dryRun(estimatedBytes(inputs.bone, true))) return;
  job.files = {ctx.output("output"), ctx.output("mesh"), ctx.output("defect-part"), ctx.output("picture")};
  finish(inputs, job, ctx.results());
}

}  // namespace

cli::Job anatomicalModelJob() {
  using namespace cli;
  const std::vector<std::string> shapes{".vdb", ".stl", ".ply", ".obj", ".3mf"};
  return {
      "anatomical-model",
      "Makes a printable model of a bone in one part, solid or hollow, with its defect to plug in and soft tissue as "
      "cages.",
      {"design-scaffold anatomical-model bone.vdb -o model.vdb --mesh model.stl --defect defect.vdb --defect-part "
       "plug.vdb --picture model.png"},
      {input("bone", shapes, "the bone"), output({".vdb"}, "the model as a level set"),
       outputOption("mesh", {".stl", ".ply", ".obj", ".amf", ".3mf"}, "the model as a closed triangle mesh"),
       inputOption("defect", shapes, "what is missing or is to come out: left out of the model"),
       outputOption("defect-part", {".vdb"}, "the defect as a part that plugs in"),
       inputOption("soft", {".nrrd", ".nii", ".gz"}, "segmentation whose labels are outlined by cages of ribs"),
       texts("soft-labels", "names or numbers of the labels to outline (default: all)"),
       number("wall-mm", "mm", 0, {0, 20}, "wall of a hollow model with two drain holes; 0: solid"),
       number("gap-mm", "mm", 0.3, {0, 3}, "gap between bone and defect's part"),
       number("scale", "", 1, {0.05, 20}, "size of the print over the patient's"),
       number("drain-mm", "mm", 4, {1, 20}, "diameter of the drain holes of a hollow model").advanced(),
       number("rib-mm", "mm", 1.6, {0.5, 10}, "width and depth of a cage's ribs").advanced(),
       number("rib-spacing-mm", "mm", 8, {2, 50}, "distance between ribs").advanced(),
       number("voxel-mm", "mm", 0.4, {0.05, 2}, "voxel of a bone that comes as a mesh; a level set keeps its own")
           .advanced(),
       picture("the model from both sides and cut open")},
      run};
}

}  // namespace osteo
