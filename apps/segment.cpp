#include "segment/segment.h"

#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/log.h"
#include "image/io.h"
#include "learn/segmentation.h"
#include "mesh/io.h"
#include "picture/render.h"
#include "segment/defects.h"
#include "segment/report.h"
#include "segment/surface_points.h"

namespace osteo {

cli::Job calibrateJob();  // apps/segment.calibrate.cpp
// apps/segment.network.cpp
using Models = std::vector<learn::SegmentationModel>;
std::vector<cli::Parameter> networkRows();
Models modelsOf(const cli::Context& ctx);
double networkBytes(const cli::Context& ctx, const Models& models, const image::Frame& frame);
void labelByNetwork(cli::Context& ctx, const Models& models, const image::CtVolume& ct, segment::Result& result);

namespace {

void draw(const image::CtVolume& ct, const segment::Result& result, const std::string& path) {
  const Eigen::Vector3d centre = result.parts.front().centre_mm;
  const Eigen::Vector3i at = ct.frame.toIndex(centre).array().round().cast<int>();
  std::vector<picture::Canvas> views;
  for (int axis = 0; axis < 3; ++axis) {
    const int slice = std::clamp(at[axis], 0, ct.frame.size[axis] - 1);
    views.push_back(picture::renderSlice(ct, nullptr, axis, slice, -300, 1700));
    views.push_back(picture::renderSlice(ct, &result.labels, axis, slice, -300, 1700));
  }
  picture::writePng(picture::tile(views, {"sagittal", "labels", "coronal", "labels", "axial", "labels"}, 2), path);
}

void run(cli::Context& ctx) {
  const std::string in = ctx.input("ct");
  const image::Frame frame = image::readInfo(in).frame;
  const double voxels = static_cast<double>(frame.voxelCount());
  segment::Options options;
  options.shift_hu = ctx.number("shift-hu");
  if (ctx.given("bone-hu")) options.bone_hu = ctx.number("bone-hu");
  if (ctx.given("closing-mm")) options.closing_mm = ctx.number("closing-mm");
  options.fill_mm = ctx.number("fill-mm");
  options.min_part_mm3 = ctx.number("min-part-mm3");
  if (ctx.given("metal-hu")) options.metal_hu = ctx.number("metal-hu");
  options.bones = ctx.given("bones");
  options.anatomy = ctx.text("anatomy") == "auto";
  if (!options.bones) ctx.refuse({"anatomy"}, "goes with --bones");
  options.defects = ctx.text("defects") == "auto";
  const Models models = modelsOf(ctx);
  if (!ctx.given("resection")) ctx.refuse({"margin-mm"}, "goes with --resection");
  if (ctx.dryRun(3e7 + (options.bones ? 20 : 16) * voxels + networkBytes(ctx, models, frame))) return;
  image::CtVolume ct = image::readVolume(in);
  const std::string labels = ctx.output("output"), points = ctx.output("points"), bones = ctx.output("bones"),
                    resection = ctx.output("resection"), picture = ctx.output("picture");
  segment::Result result = segment::segment(ct, options);
  labelByNetwork(ctx, models, ct, result);
  image::writeSegmentation({result.labels, {}}, labels);
  if (!points.empty()) mesh::writePointCloud(segment::surfacePoints(ct, result.labels), points);
  if (!bones.empty()) image::writeSegmentation({result.bones.labels, segment::namesOf(result.bones)}, bones);
  if (!picture.empty()) draw(ct, result, picture);
  if (!resection.empty())
    image::writeSegmentation({segment::withMargin(result.labels, ctx.number("margin-mm")), {{1, "Resection"}}},
                             resection);
  ctx.results().update(segment::describe(result));
  ctx.results()["defects"] = segment::describeDefects(result, ctx.number("critical-mm"));
  if (!resection.empty() && ctx.results()["defects"].empty()) core::warn("no defect was found: --resection is empty");
}

}  // namespace

cli::App cli::describe() {
  return {
      "segment",
      "labels cortical bone, cancellous bone with marrow, and metal in a CT",
      {{"",
        "labels cortical bone, cancellous bone with marrow, and metal in a CT",
        {"segment ct.nrrd -o labels.seg.nrrd",
         "segment ct.nrrd -o labels.seg.nrrd --points cloud.ply --picture labels.png"},
        joined(
            {input("ct", {".nrrd", ".nii", ".nii.gz"}, "CT volume in HU"),
             output({".seg.nrrd"}, "labels: 1 cortical, 2 cancellous, 3 metal, 4 defect"),
             number("shift-hu", "HU", 0, {-4096, 4096}, "added to all values first, such as -1024 for raw values"),
             optionalNumber("bone-hu", "HU", {0, 2000}, "bone begins here; from the soft tissue's level unless given"),
             optionalNumber("closing-mm", "mm", {0.1, 15},
                            "half the widest gap that is bridged in the cortex; 3 mm or 1.45 voxels unless given"),
             number("fill-mm", "mm", 20, {0, 60}, "marrow spaces up to this radius are filled"),
             number("min-part-mm3", "mm3", 300, {0, 1e6}, "smaller separate parts are dropped"),
             optionalNumber("metal-hu", "HU", {1000, 30000},
                            "metal begins here; by size, peak, streaks and site unless given")
                 .advanced(),
             outputOption("points", {".ply"}, "point cloud of the surface: position, outward normal, label, HU"),
             outputOption("bones", {".seg.nrrd"}, "single bones, told apart at their joint spaces: labels 10, 11, …"),
             choice("anatomy", {"auto", "none"}, "auto",
                    "of --bones: whether spine, hip bones and femora are sought by shape, parted and named"),
             choice("defects", {"auto", "none"}, "auto", "whether defects are sought in what is labelled bone"),
             number("critical-mm", "mm", 25, {1, 500}, "defects of this extent and more count as critical"),
             outputOption("resection", {".seg.nrrd"}, "the defect with the bone around it that has to come out"),
             number("margin-mm", "mm", 10, {0, 100}, "of --resection: bone that is taken with the defect"),
             picture("slices through the largest part, with and without labels")},
            networkRows()),
        run},
       calibrateJob()}};
}

}  // namespace osteo
