#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "core/memory.h"
#include "image/io.h"
#include "levelset/level_set.h"
#include "mesh/io.h"
#include "reconstruct/job.h"

namespace osteo {

reconstruct::CompletionOptions completionOptions(const cli::Context& ctx);
reconstruct::MeshOptions meshOptions(const cli::Context& ctx);
reconstruct::Files openFiles(cli::Context& ctx);
reconstruct::SurfaceJob surfaceJob(cli::Context& ctx, const reconstruct::CompletionOptions& completion);

namespace {

void runCloud(cli::Context& ctx) {
  ctx.refuse({"ct", "cloud", "voxels", "complete", "inner", "inner-mesh", "tetra", "thickness", "label", "reassemble"},
             "goes with labels, not with points");
  const mesh::PointCloud cloud = mesh::readPointCloud(ctx.input("labels"));
  if (ctx.dryRun(2e8 + 300.0 * static_cast<double>(cloud.points.size()))) return;
  reconstruct::finishCloud(cloud,
                           {{ctx.maybe("voxel-mm").value_or(0), ctx.maybe("gap-mm").value_or(0)},
                            meshOptions(ctx),
                            ctx.flag("keep-guessed"),
                            openFiles(ctx)},
                           ctx.results());
}

/// Options that need one another, or exclude one another.
void checkOptions(const cli::Context& ctx) {
  if (ctx.changed("complete") != ctx.given("defect"))
    throw core::Error(core::Exit::Usage, {.what = "--complete METHOD and --defect FILE.vdb go together: give both"});
  if (!ctx.changed("complete")) ctx.refuse({"defect-mesh", "whole", "samples"}, "goes with --complete");
  if (!ctx.flag("reassemble")) return ctx.refuse({"template", "reference", "moves"}, "goes with --reassemble");
  ctx.refuse({"complete", "cloud", "voxels", "weights", "inner", "inner-mesh", "tetra", "thickness"},
             "doesn't go with --reassemble");
  if (ctx.given("template")) ctx.refuse({"prior"}, "doesn't go with --template: give one of them");
}

void runSolid(cli::Context& ctx) {
  ctx.refuse({"ct", "voxels", "inner", "inner-mesh", "thickness", "label", "reassemble", "dust-mm3"},
             "goes with labels, not with a surface");
  const std::string path = ctx.input("labels");
  if (!levelset::isMeshFile(path)) ctx.refuse({"voxel-mm"}, "doesn't go with a level set, which keeps its own");
  auto completion = completionOptions(ctx);
  reconstruct::Solid solid = reconstruct::readSolid(path, ctx.maybe("voxel-mm").value_or(0));
  // Where a mesh is open, something is missing.
  if (solid.caps.openings > 0 && !completion.piece.defect_at_mm) completion.piece.defect_at_mm = solid.caps.middle_mm;
  if (ctx.dryRun(reconstruct::estimatedPeak_bytes(solid))) return;
  const reconstruct::SurfaceJob job = surfaceJob(ctx, completion);
  reconstruct::finishSolid(solid, job, ctx.output("cloud"), ctx.results());
}

/// The labels cut to their bone, and the CT of that box.
reconstruct::LabelsInput readLabels(const cli::Context& ctx, reconstruct::SurfaceOptions& options) {
  const std::string labels_path = ctx.input("labels"), ct_path = ctx.input("ct");
  if (ct_path.empty()) ctx.refuse({"thickness"}, "needs --ct: labels alone don't show how thick the cortex is");
  reconstruct::LabelsInput in{image::readSegmentation(labels_path)};
  in.frame = in.segmentation.labels.frame;
  if (!ct_path.empty())
    image::requireSameGrid(in.frame, core::baseName(labels_path), image::readInfo(ct_path).frame,
                           core::baseName(ct_path));
  options.labels = reconstruct::boneLabels(in.segmentation, ctx.texts("label"));
  options.voxel_mm = ctx.maybe("voxel-mm").value_or(0.5 * in.frame.spacing_mm.minCoeff());
  options.dust_mm3 = ctx.number("dust-mm3");
  in.box = reconstruct::boneBox(in.segmentation.labels, options.labels);
  in.segmentation.labels = image::crop(in.segmentation.labels, in.box, std::uint16_t{0});
  if (!ct_path.empty()) in.ct = image::readVolume(ct_path, in.box);
  return in;
}

void runLabels(cli::Context& ctx) {
  core::keepFreedMemory();
  reconstruct::LabelsJob job;
  const reconstruct::LabelsInput in = readLabels(ctx, job.options);
  const bool reassembles = ctx.flag("reassemble");
  const auto completion = reassembles ? reconstruct::CompletionOptions() : completionOptions(ctx);
  const auto reassembly = reassembles ? reconstruct::readReassembly(ctx.input("template"), ctx.input("prior"))
                                      : reconstruct::ReassembleOptions();
  if (ctx.dryRun(2e8 + 3.0 * static_cast<double>(in.frame.voxelCount()) +
                 60.0 * static_cast<double>(in.segmentation.labels.voxels.size())))
    return;
  if (reassembles)
    return reconstruct::finishFragments(in.segmentation, in.ct ? &*in.ct : nullptr,
                                        {job.options,
                                         {ctx.texts("label"), ctx.number("min-piece-mm3")},
                                         reassembly,
                                         ctx.text("reference"),
                                         meshOptions(ctx),
                                         openFiles(ctx)},
                                        ctx.results());
  job.surface = surfaceJob(ctx, completion);
  job.cloud = ctx.output("cloud"), job.voxels = ctx.output("voxels");
  job.cortex = {ctx.output("inner"), ctx.output("inner-mesh"), ctx.output("thickness"),
                job.surface.completion ? "" : job.surface.files.picture};
  job.cortical_hu = ctx.maybe("cortical-hu").value_or(0);
  reconstruct::finishLabels(in, job, ctx.results());
}

void run(cli::Context& ctx) {
  checkOptions(ctx);
  const std::string path = ctx.input("labels");
  if (mesh::isPointCloud(path)) return runCloud(ctx);
  if (levelset::isMeshFile(path) || core::extension(path) == ".vdb") return runSolid(ctx);
  runLabels(ctx);
}

}  // namespace

cli::App cli::describe() {
  return {
      "reconstruct",
      "makes the bone's surface from labels and CT, the missing piece, and a whole of its fragments",
      {{"",
        "makes the bone's surface from labels and CT, the missing piece, and a whole of its fragments",
        {"reconstruct labels.seg.nrrd --ct ct.nrrd -o bone.vdb --mesh bone.stl",
         "reconstruct cloud.ply -o bone.vdb --mesh bone.ply",
         "reconstruct bone.stl -o host.vdb --complete mirror --defect defect.vdb --picture piece.png",
         "reconstruct labels.seg.nrrd --ct ct.nrrd -o host.vdb --complete mirror --defect defect.vdb --picture "
         "skull.png",
         "reconstruct fragments.seg.nrrd -o femur.vdb --reassemble --label 10,11,12 --template other_femur.stl"},
        {input("labels", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz", ".ply", ".stl", ".obj", ".3mf", ".amf", ".vdb"},
               "labels of segment, or of any other tool; the bone's surface; or points of it (.ply without triangles)"),
         inputOption("ct", {".nrrd", ".nii", ".nii.gz"},
                     "CT of the labels, in HU: sets the surface between the voxels"),
         output({".vdb"}, "the bone as a level set"),
         outputOption("mesh", {".stl", ".ply", ".obj", ".3mf", ".amf"}, "the bone as closed triangles"),
         outputOption("tetra", {".vtu"}, "the bone as tetrahedra with bounded angles, for finite elements"),
         optionalNumber("tetra-mm", "mm", {0.05, 100},
                        "cube of the tetrahedra's lattice; two voxels of the level set unless given"),
         outputOption("cloud", {".ply"}, "the surface's points with outward normal, label and HU"),
         outputOption("voxels", {".seg.nrrd"}, "the labels' voxels whose centres lie inside the surface"),
         choice("complete", {"none", "auto", "mirror", "shape", "rim", "network"}, "none",
                "makes the missing piece: from the bone's other side, a shape model, the hole's rim or a network; auto "
                "takes "
                "what fits the rim best"),
         inputOption("prior", {".shape", ".h5"}, "shape model of this bone, of train shape, Scalismo or statismo"),
         optionalNumber("length-mm", "mm", {1, 2000},
                        "length of the whole bone where it is known, such as from the other side"),
         folderOption("weights", Channel::Input, "folder of a network of train completion"),
         outputOption("defect", {".vdb"}, "the missing piece as a level set"),
         outputOption("defect-mesh", {".stl", ".ply", ".obj", ".3mf", ".amf"}, "the missing piece as closed triangles"),
         outputOption("whole", {".ply"},
                      "the shape model's most probable whole bone, with standard deviations at its vertices"),
         folderOption("samples", Channel::Output, "folder of whole bones drawn from the shape model's posterior"),
         integer("sample-count", "", 10, {1, 999}, "bones drawn for --samples"),
         outputOption("inner", {".vdb"}, "the space inside the cortex as a level set"),
         outputOption("inner-mesh", {".stl", ".ply", ".obj", ".3mf", ".amf"},
                      "the cortex's inner surface as closed triangles"),
         outputOption("thickness", {".ply"},
                      "the outer surface's triangles with the cortex's thickness at every vertex; needs --ct"),
         optionalNumber("cortical-hu", "HU", {200, 4000},
                        "density of dense cortex; measured where the cortex is thick unless given"),
         numbers("defect-at-mm", "mm", 3, {-1e5, 1e5},
                 "takes the piece nearest to this LPS point instead of the most plausible one"),
         flag("reassemble", "puts the fragments of a broken bone together: several labels, or the pieces of one"),
         inputOption("template", {".stl", ".ply", ".obj", ".3mf", ".amf", ".vdb"},
                     "reassemble: the whole bone of the other side, or this one before; --prior or the fracture "
                     "surfaces alone unless given"),
         text("reference", "", "reassemble: name or value of the fragment that stays; the largest unless given"),
         folderOption("moves", Channel::Output, "reassemble: folder with each fragment's motion as ITK transform"),
         optionalNumber("voxel-mm", "mm", {0.02, 10}, "voxel of the level set; half the smallest spacing unless given"),
         texts("label", "names or values that count as bone; 1, 2 and 10 and above unless given"),
         number("dust-mm3", "mm3", 50, {0, 1e6}, "smaller pieces are removed, smaller cavities are filled"),
         number("opening-mm", "mm", 1.5, {0, 10}, "missing parts thinner than twice this are taken for asymmetry")
             .advanced(),
         number("closing-mm", "mm", 3, {0, 10}, "pores and seams up to twice this width count as bone").advanced(),
         number("min-piece-mm3", "mm3", 500, {0, 1e7},
                "smaller missing parts, and smaller fragments, are not considered")
             .advanced(),
         optionalNumber("simplify-mm", "mm", {0.001, 10},
                        "fewer triangles in the bone's mesh, nowhere farther than this from the surface"),
         optionalNumber("remesh-mm", "mm", {0.05, 100}, "even triangles of this edge length in the bone's mesh"),
         optionalNumber("gap-mm", "mm", {0.01, 1000},
                        "point cloud: what lies farther from any point is guessed and left out of the mesh; three "
                        "spacings unless given"),
         flag("keep-guessed", "point cloud: the mesh keeps what is guessed and is closed"),
         picture("the bone and the missing piece from two sides; the fragments before and after")},
        run}}};
}

}  // namespace osteo
