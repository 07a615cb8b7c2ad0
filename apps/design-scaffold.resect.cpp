#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/jobs.h"

namespace osteo {

cli::Job resectJob();

namespace {

using namespace design_scaffold;

void run(cli::Context& ctx) {
  const bool guided = ctx.given("guide-part") || ctx.given("guide-mesh");
  const std::string cut = ctx.text("cut");
  const bool drawn_out = ctx.given("lesion") && cut == "outward";
  if (!guided) ctx.refuse({"guide-thickness-mm", "guide-width-mm", "guide-gap-mm"}, "goes with --guide-part");
  if (!guided && !drawn_out) ctx.refuse({"access-mm"}, "goes with --guide-part or --cut outward");
  if (!ctx.given("lesion")) ctx.refuse({"lesion-label", "margin-mm"}, "goes with --lesion");
  if (ctx.given("planes")) ctx.refuse({"cut"}, "goes with --lesion alone");
  ResectionJob job{ctx.input("bone"), ctx.input("lesion"), ctx.text("lesion-label"), ctx.input("planes")};
  job.cut = cut == "across" ? LesionCut::Across : cut == "around" ? LesionCut::Around : LesionCut::DrawnOut;
  if (ctx.given("access-mm")) job.access = Eigen::Vector3d::Map(ctx.numbers("access-mm").data());
  job.margin_mm = ctx.number("margin-mm"), job.kerf_mm = ctx.number("kerf-mm"), job.voxel_mm = ctx.number("voxel-mm");
  if (guided)
    job.guide = {ctx.number("guide-thickness-mm"), ctx.number("guide-width-mm"), ctx.number("guide-gap-mm"),
                 ctx.number("kerf-mm")};
  const ResectionInputs inputs = readInputs(job);
  if (ctx.dryRun(estimatedBytes(inputs.bone, guided))) return;
  job.files = {ctx.output("output"), ctx.output("host"), ctx.output("guide-part"), ctx.output("guide-mesh"),
               ctx.output("picture")};
  finish(inputs, job, ctx.results());
}

}  // namespace

cli::Job resectJob() {
  using namespace cli;
  const std::vector<std::string> shapes{".vdb", ".stl", ".ply", ".obj", ".3mf"};
  return {
      "resect",
      "Takes a lesion with a margin, or what planes bound, out of a bone, and makes the guide that the saw follows.",
      {"design-scaffold resect bone.vdb -o flap.vdb --host rest.vdb --lesion defect.vdb --margin-mm 5 --guide-part "
       "guide.vdb --guide-mesh guide.stl --picture resection.png"},
      {input("bone", shapes, "the whole bone, one in a file"),
       inputOption("lesion", {".vdb", ".stl", ".ply", ".obj", ".3mf", ".nrrd", ".nii", ".gz"},
                   "what has to come out: a shape, or a label of a segmentation"),
       inputOption("planes", {".json"}, "planes that bound what comes out, in place of a margin around the lesion"),
       output({".vdb"}, "the piece that is taken out"), outputOption("host", {".vdb"}, "the bone that stays"),
       outputOption("guide-part", {".vdb"}, "cutting guide as a level set"),
       outputOption("guide-mesh", {".stl", ".ply", ".obj", ".amf", ".3mf"}, "the guide as a closed triangle mesh"),
       text("lesion-label", "", "label of the lesion in a segmentation of several"),
       number("margin-mm", "mm", 10, {0, 100}, "bone around the lesion that is taken with it"),
       choice("cut", {"outward", "around", "across"}, "outward",
              "at the margin and drawn out, so that the piece comes out; at the margin all around; or by two planes "
              "across the bone's long axis"),
       number("kerf-mm", "mm", 0, {0, 5}, "what the saw takes; half of it on either side"),
       number("guide-thickness-mm", "mm", 4, {1.5, 20}, "thickness of the guide"),
       number("guide-width-mm", "mm", 8, {5, 60}, "how far the guide reaches beside the cut"),
       number("guide-gap-mm", "mm", 0.2, {0, 3}, "gap between guide and bone"),
       numbers("access-mm", "", 3, {}, "direction x,y,z from which saw and guide come (default: found)"),
       number("voxel-mm", "mm", 0.4, {0.05, 2}, "voxel of a bone that comes as a mesh; a level set keeps its own")
           .advanced(),
       picture("piece, host and guide, whole and cut open")},
      run};
}

}  // namespace osteo
