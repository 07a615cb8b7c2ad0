#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "image/io.h"
#include "phantom/scene_draw.h"
#include "picture/comparison.h"

namespace osteo {

cli::Job sceneJob();
std::vector<cli::Parameter> sceneRows();
phantom::SceneWish sceneWish(const cli::Context& ctx);

phantom::SceneWish sceneWish(const cli::Context& ctx) {
  phantom::SceneWish wish;
  const auto yes = [&](const char* name) {
    const std::string text = ctx.text(name);
    return text == "any" ? std::nullopt : std::optional<bool>(text == "yes");
  };
  wish.kind = ctx.text("kind"), wish.defect = ctx.text("defect"), wish.margin = ctx.text("margin");
  wish.fragments = yes("fragments"), wish.metal = yes("metal"), wish.contrast = yes("contrast");
  wish.table = yes("table"), wish.circle = yes("circle");
  wish.density = ctx.maybe("density");
  if (ctx.given("spacing-mm")) {
    const std::vector<double> v = ctx.numbers("spacing-mm");
    if (v.size() != 1 && v.size() != 3)
      throw core::Error(core::Exit::Usage,
                        {.what = "--spacing-mm takes one value or three", .got = std::to_string(v.size())});
    wish.spacing_mm = v.size() == 1 ? Eigen::Vector3d::Constant(v[0]) : Eigen::Vector3d(v[0], v[1], v[2]);
  }
  if (ctx.given("size-voxels")) wish.size_voxels = static_cast<int>(ctx.number("size-voxels"));
  wish.slice_mm = ctx.maybe("slice-mm");
  wish.noise_hu = ctx.maybe("noise-hu"), wish.noise_correlation_mm = ctx.maybe("noise-correlation-mm");
  wish.overshoot = ctx.maybe("overshoot");
  wish.hu_shift = ctx.maybe("hu-shift"), wish.hu_scale = ctx.maybe("hu-scale");
  wish.upright = ctx.flag("upright");
  wish.seed = ctx.seed();
  return wish;
}

namespace {

void run(cli::Context& ctx) {
  const phantom::SceneWish wish = sceneWish(ctx);
  if (ctx.dryRun(4e8)) return;
  const std::string ct = ctx.output("output"), labels = ctx.output("labels"), instances = ctx.output("instances"),
                    picture = ctx.output("picture");
  const phantom::SceneScan scan = phantom::makeScene(wish);
  ctx.results() = phantom::describe(scan);
  image::writeVolume(scan.ct, ct);
  if (!labels.empty()) image::writeSegmentation({scan.labels, {}}, labels);
  if (!instances.empty()) image::writeSegmentation(phantom::instancesOf(scan), instances);
  if (!picture.empty()) picture::writePng(picture::slicesAt(scan.ct, scan.labels, scan.centre_mm), picture);
}

}  // namespace

std::vector<cli::Parameter> sceneRows() {
  using namespace cli;
  const std::vector<std::string> any{"any", "yes", "no"};
  return {
      choice("kind", {"any", "knee", "spine", "head", "forearm", "hip", "foot"}, "any", "what is shown"),
      choice("defect", {"any", "none", "breach", "hole", "cavity", "bite", "gap"}, "any",
             "what is missing: a hole in the cortex, a hole through, a closed cavity, a bite, a section of the shaft"),
      choice("margin", {"any", "none", "sharp", "lytic", "moth_eaten", "sclerotic"}, "any", "the defect's edge"),
      choice("fragments", any, "any", "loose pieces of bone in the defect"),
      choice("metal", any, "any", "screws, nail or plate, with streaks"),
      choice("contrast", any, "any", "contrast medium in the vessels"),
      choice("table", any, "any", "table or headrest"),
      choice("circle", any, "any", "a reconstruction circle that cuts the slice's corners"),
      optionalNumber("density", "", {0.1, 2}, "of spongy bone against a healthy adult's; below 0.6 the cortex is thin"),
      numbers("spacing-mm", "mm", 0, {0.4, 10}, "voxel size, one value or three"),
      optionalNumber("size-voxels", "", {16, 512}, "voxels along the longest side at most"),
      optionalNumber("slice-mm", "mm", {0.1, 20}, "thickness over which a slice averages"),
      optionalNumber("noise-hu", "HU", {0, 500}, "standard deviation of the noise"),
      optionalNumber("noise-correlation-mm", "mm", {0, 20}, "where the noise's autocorrelation has fallen to 1/e"),
      optionalNumber("overshoot", "", {0, 2}, "of the kernel at edges; 0 is a soft kernel"),
      optionalNumber("hu-shift", "HU", {-1000, 1000}, "error of the scale's zero"),
      optionalNumber("hu-scale", "", {0.5, 2}, "error of the scale's slope about air"),
      flag("upright", "keeps the anatomy upright, where else it lies tilted or in any orientation")};
}

cli::Job sceneJob() {
  using namespace cli;
  return {"scene",
          "several bones in their surroundings, with or without a defect, all drawn from the seed",
          {"phantom scene -o knee.nrrd --labels knee.seg.nrrd --kind knee --margin lytic --size-voxels 64 --seed 2"},
          joined({output({".nrrd"}, "CT volume in HU"),
                  outputOption("labels", {".seg.nrrd"}, "true labels on the same grid"),
                  outputOption("instances", {".seg.nrrd"}, "bones one by one: 10 and up"),
                  cli::picture("slices through the defect, or the middle")},
                 sceneRows()),
          run};
}

}  // namespace osteo
