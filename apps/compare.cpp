#include "inspect/compare.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "inspect/describe.h"
#include "inspect/memory.h"

namespace osteo::cli {

namespace {

void run(Context& ctx) {
  const std::string a = ctx.input("first"), b = ctx.input("second");
  inspect::Criteria criteria{
      .tolerance = ctx.number("tolerance"), .label = ctx.text("label"), .mask = ctx.input("mask")};
  criteria.surface_tolerance_mm = ctx.number("surface-tolerance-mm");
  if (ctx.given("min-dice")) criteria.min_dice = ctx.number("min-dice");
  if (ctx.given("max-hd95-mm")) criteria.max_hd95_mm = ctx.number("max-hd95-mm");
  if (ctx.dryRun(inspect::comparingBytes(a, b, criteria))) return;
  const inspect::Verdict verdict = inspect::compare(a, b, criteria);
  nlohmann::ordered_json report = {{"equal", verdict.equal()}, {"differences", verdict.differences}};
  report["measures"] = verdict.measures;
  ctx.print(ctx.flag("json") ? report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"
                             : inspect::asText(report));
  if (!verdict.equal()) ctx.differs();
}

}  // namespace

App describe() {
  Job job;
  job.summary = "Judge whether two files are equal within a tolerance; exit code 0 equal, 1 different";
  job.examples = {
      "phantom skull-cap -o ct.nrrd --labels labels.seg.nrrd --spacing-mm 2",
      "compare ct.nrrd ct.nrrd --tolerance 0",
      "compare labels.seg.nrrd labels.seg.nrrd --min-dice 0.9 --max-hd95-mm 2",
  };
  job.parameters = {
      inputFolder("first", "One file of any of our types, or a folder"),
      inputFolder("second", "The other; labels, level sets and meshes may be mixed"),
      number("tolerance", "", 0, {.min = 0},
             "Largest difference that counts as equal: HU, mm, relative for JSON, 0 to 255 for pictures, 1 - Dice for "
             "labels"),
      text("label", "", "Name or number of the one label to score; default: each, or all together against a solid"),
      inputOption("mask", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz", ".vdb"},
                  "Labels whose nonzero voxels, or a level set whose inside is left out of the score"),
      number("surface-tolerance-mm", "mm", 1, {.min = 0}, "Distance up to which surfaces count as one in surface Dice"),
      optionalNumber("min-dice", "", {.min = 0, .max = 1}, "Judge solids by at least this Dice overlap"),
      optionalNumber("max-hd95-mm", "mm", {.min = 0}, "Judge solids by at most this 95 % surface distance"),
      flag("json", "Print JSON instead of lines"),
  };
  job.run = run;
  return {.name = "compare", .summary = job.summary, .jobs = {job}};
}

}  // namespace osteo::cli
