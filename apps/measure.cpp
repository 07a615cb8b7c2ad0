#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/files.h"
#include "image/io.h"
#include "measure/request.h"

namespace osteo {
namespace {

measure::Request requestOf(const cli::Context& ctx) {
  measure::Request request{.bone = ctx.texts("bone"), .within = ctx.texts("within")};
  const std::string only = ctx.text("only");
  request.size = only == "all" || only == "size";
  request.trabecular = only == "all" || only == "trabecular";
  request.cortical = only == "all" || only == "cortical";
  if (ctx.given("density")) request.density = {ctx.numbers("density")[0], ctx.numbers("density")[1]};
  return request;
}

void run(cli::Context& ctx) {
  const measure::Request request = requestOf(ctx);
  const std::string labels_path = ctx.input("labels"), ct_path = ctx.input("ct");
  if (ct_path.empty()) ctx.refuse({"density"}, "needs --ct");
  const image::Frame frame = image::readInfo(labels_path).frame;
  if (!ct_path.empty())
    image::requireSameGrid(frame, core::baseName(labels_path), image::readInfo(ct_path).frame, core::baseName(ct_path));
  if (ctx.dryRun(measure::estimatedBytes(frame, !ct_path.empty(), request))) return;
  const image::Segmentation segmentation = image::readSegmentation(labels_path);
  image::CtVolume ct;
  if (!ct_path.empty()) ct = image::readVolume(ct_path);
  const std::string record = ctx.output("output"), table = ctx.output("table");
  ctx.results() = measure::measured(segmentation, ct_path.empty() ? nullptr : &ct, request);
  if (!table.empty()) core::writeFile(table, measure::asTable(ctx.results()));
}

}  // namespace

cli::App cli::describe() {
  return {"measure",
          "measures labels: sizes, trabecular structure, cortical thickness, density",
          {{"",
            "measures labels: sizes, trabecular structure, cortical thickness, density",
            {"measure labels.seg.nrrd --ct ct.nrrd -o measures.json --only size",
             "measure labels.seg.nrrd -o cortex.json --only cortical --table cortex.tsv"},
            {input("labels", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz"}, "labels of segment, or of any other tool"),
             inputOption("ct", {".nrrd", ".nii", ".nii.gz"}, "CT on the labels' grid, in HU: adds HU and density"),
             output({".json"}, "the measures, as results of a run record"),
             outputOption("table", {".tsv"}, "the numbers as rows of subject, quantity and value"),
             choice("only", {"all", "size", "trabecular", "cortical"}, "all", "what to measure"),
             texts("bone", "labels that are bone, by name or value; all but metal, defect and implant unless given"),
             texts("within", "labels that make up the region of BV/TV, marrow included; the whole image unless given"),
             numbers("density", "", 2, {-1e4, 1e4}, "density of 0 HU in mg/cm3, and per HU, of a calibration phantom")},
            run}}};
}

}  // namespace osteo
