#include <array>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "mesh/io.h"
#include "picture/comparison.h"
#include "registration/request.h"

namespace osteo {
namespace {

using registration::Geometry;
using registration::Kind;

picture::Shape shapeOf(const Geometry& shape) {
  return shape.kind == Kind::Mesh ? picture::Shape{shape.mesh} : picture::markers(shape.points);
}

/// Fixed and moving before and after.
picture::Canvas draw(const Geometry& fixed, const Geometry& moving,
                     const std::array<registration::Transform, 2>& stages) {
  if (fixed.kind == Kind::Image)
    return picture::checkerboards(
        fixed.image, [&](int stage) { return registration::resampleOnto(fixed.image, moving.image, stages[stage]); });
  return picture::overlays(shapeOf(fixed),
                           [&](int stage) { return shapeOf(registration::moveOnto(fixed, moving, stages[stage])); });
}

registration::Request requestOf(const cli::Context& ctx) {
  const std::string model = ctx.text("model"), method = ctx.text("method");
  registration::Request request;
  request.model = model == "rigid"        ? registration::Model::Rigid
                  : model == "similarity" ? registration::Model::Similarity
                                          : registration::Model::BSpline;
  request.method = method == "auto"      ? registration::Method::Auto
                   : method == "paired"  ? registration::Method::Paired
                   : method == "surface" ? registration::Method::Surface
                                         : registration::Method::Drift;
  request.images.metric =
      ctx.text("metric") == "mattes" ? registration::Metric::Mattes : registration::Metric::MeanSquares;
  request.images.lattice_mm = ctx.number("lattice-mm");
  request.images.smoothness = ctx.number("smoothness");
  request.images.samples = ctx.integer("samples");
  request.images.seed = ctx.seed();
  request.overlap = ctx.number("overlap");
  request.max_residual_mm = ctx.number("max-residual-mm");
  request.fiducial_error_mm = ctx.maybe("fiducial-error-mm");
  const std::string initial = ctx.input("initial");
  if (initial.empty()) return request;
  const registration::Transform start = registration::readTransform(initial);
  if (start.lattice)
    throw core::Error(
        core::Exit::DataError,
        {.what = "a B-spline is no start", .file = core::baseName(initial), .expected = "a rigid or affine transform"});
  request.start = start.linear;
  return request;
}

void requireOutputs(const cli::Context& ctx, bool images) {
  const bool wrong = ctx.given("resampled") ? !images : ctx.given("moved") && images;
  if (!wrong && (images || !ctx.given("fixed-mask"))) return;
  throw core::Error(core::Exit::Usage,
                    {.what = "--resampled and --fixed-mask are for images, --moved for meshes and points"});
}

void run(cli::Context& ctx) {
  const std::string fixed_path = ctx.input("fixed"), moving_path = ctx.input("moving"),
                    mask_path = ctx.input("fixed-mask");
  registration::Request request = requestOf(ctx);
  const Geometry fixed = registration::readGeometry(fixed_path), moving = registration::readGeometry(moving_path);
  requireOutputs(ctx, fixed.kind == Kind::Image);
  image::LabelVolume mask;
  if (!mask_path.empty()) {
    mask = image::readSegmentation(mask_path).labels;
    image::requireSameFrame(fixed.frame_id, core::baseName(fixed_path), mask.frame.frame_id, core::baseName(mask_path));
    request.images.fixed_mask = &mask;
  }
  const auto voxels = static_cast<double>(fixed.image.frame.voxelCount() + moving.image.frame.voxelCount());
  if (ctx.dryRun(6e7 + 16 * voxels + 400.0 * static_cast<double>(ctx.integer("samples")))) return;
  const std::string path = ctx.output("output"), resampled = ctx.output("resampled"), moved = ctx.output("moved"),
                    picture_path = ctx.output("picture");
  const registration::Outcome outcome = registration::registerPair(fixed, moving, request);
  ctx.results() = outcome.results;
  registration::writeTransform(outcome.transform, path);
  if (!resampled.empty())
    image::writeVolume(registration::resampleOnto(fixed.image, moving.image, outcome.transform), resampled);
  if (!moved.empty()) {
    const Geometry there = registration::moveOnto(fixed, moving, outcome.transform);
    if (there.kind == Kind::Points)
      mesh::writePointCloud({.points = there.points, .frame_id = there.frame_id}, moved);
    else
      mesh::writeMesh(there.mesh, moved);
  }
  if (picture_path.empty()) return;
  const std::array<registration::Transform, 2> stages{
      registration::Transform{request.start.value_or(Eigen::Affine3d::Identity())}, outcome.transform};
  picture::writePng(draw(fixed, moving, stages), picture_path);
}

}  // namespace

cli::App cli::describe() {
  const std::vector<std::string> kinds{".nrrd", ".nii", ".nii.gz", ".stl",  ".ply",
                                       ".obj",  ".3mf", ".amf",    ".json", ".fcsv"};
  return {"register",
          "finds the motion or deformation that brings one image, surface or set of points onto another",
          {{"",
            "finds the motion or deformation that brings one image, surface or set of points onto another",
            {"register ct.nrrd ct.nrrd -o same.tfm --resampled resampled.nrrd --picture same.png",
             "register bone.stl bone.stl -o pose.tfm --moved moved.stl"},
            {input("fixed", kinds, "image, mesh or points that stay"),
             input("moving", kinds, "image, mesh or points that are brought onto the fixed ones"),
             output({".tfm"}, "the transform as text of ITK: maps fixed points to moving ones, LPS, mm"),
             choice("model", {"rigid", "similarity", "bspline"}, "rigid", "what the transform may do"),
             choice("method", {"auto", "paired", "surface", "drift"}, "auto",
                    "for shapes: pairs of points by name or order; closest points on a mesh; coherent point drift"),
             choice("metric", {"mattes", "meansquares"}, "mattes",
                    "for images: mutual information, or squared differences for the same scanner and settings"),
             inputOption("initial", {".tfm"}, "rigid or affine start; without it several are tried"),
             inputOption("fixed-mask", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz"},
                         "labels: the fixed image counts where they are not 0"),
             outputOption("resampled", {".nrrd"}, "the moving image on the grid of the fixed one"),
             outputOption("moved", {".stl", ".ply", ".obj", ".3mf", ".amf"},
                          "the moving mesh, or the moving points as .ply, in the fixed frame"),
             number("overlap", "", 1, {0.1, 1}, "for shapes: share of the points that has a partner"),
             number("max-residual-mm", "mm", 5, {0.001, 1000},
                    "for shapes: the registration has failed above this residual"),
             optionalNumber("fiducial-error-mm", "mm", {0, 100},
                            "error of locating one fiducial: predicts the error at each fixed point"),
             number("lattice-mm", "mm", 40, {2, 500}, "for images: distance of the B-spline's control points"),
             number("smoothness", "", 0.02, {0, 1000}, "weight of the B-spline's bending").advanced(),
             integer("samples", "", 100000, {1000, 20000000}, "places at which images are compared").advanced(),
             picture("the two before and after: images in a checkerboard, shapes from two sides")},
            run}}};
}

}  // namespace osteo
