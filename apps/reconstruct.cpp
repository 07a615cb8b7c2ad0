#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "learn/completion.h"
#include "levelset/level_set.h"
#include "mesh/io.h"
#include "reconstruct/cloud.h"
#include "reconstruct/cortex.h"
#include "reconstruct/fragments.h"
#include "reconstruct/outputs.h"
#include "reconstruct/report.h"
#include "reconstruct/tetra.h"

namespace osteo {
namespace {

struct Paths {
  std::string bone, mesh, defect, defect_mesh, picture;
};

reconstruct::CompletionOptions completionOptions(const cli::Context& ctx) {
  reconstruct::CompletionOptions options;
  options.method = ctx.text("complete");
  options.piece.opening_mm = ctx.number("opening-mm");
  options.piece.min_piece_mm3 = ctx.number("min-piece-mm3");
  if (ctx.given("defect-at-mm")) options.piece.defect_at_mm = Eigen::Vector3d::Map(ctx.numbers("defect-at-mm").data());
  options.closing_mm = ctx.number("closing-mm");
  options.length_mm = ctx.maybe("length-mm").value_or(0);
  if (ctx.given("prior")) options.prior = reconstruct::readShapeModel(ctx.input("prior"));
  if (ctx.given("weights")) options.network = learn::readCompletion(ctx.input("weights"));
  return options;
}

void writePosterior(cli::Context& ctx, const reconstruct::CompletionOptions& options,
                    const reconstruct::CompletionReport& report) {
  if (!ctx.given("whole") && !ctx.given("samples")) return;
  if (!report.shape)
    throw core::Error(core::Exit::DataError, {.what = "--whole and --samples need a shape model that fits",
                                              .hint = "give one with --prior bone.shape --complete shape"});
  if (ctx.given("whole")) reconstruct::writePosterior(*report.shape, ctx.output("whole"));
  if (ctx.given("samples"))
    reconstruct::writeDraws(*options.prior, *report.shape, static_cast<int>(ctx.integer("sample-count")), ctx.seed(),
                            ctx.outputFolder("samples"));
}

auto complete(cli::Context& ctx, const levelset::LevelSet& bone, const mesh::TriangleMesh& surface,
              const image::Frame& seen, const reconstruct::CompletionOptions& options, const Paths& paths) {
  reconstruct::CompletionReport report;
  levelset::LevelSet defect = reconstruct::complete(bone, seen, options, report);
  ctx.results().update(reconstruct::describe(report));
  levelset::writeVdb(defect, paths.defect, "defect");
  writePosterior(ctx, options, report);
  const mesh::TriangleMesh mesh = levelset::toMesh(defect);
  if (!paths.defect_mesh.empty()) mesh::writeMesh(mesh, paths.defect_mesh);
  if (!paths.picture.empty()) picture::writePng(reconstruct::draw(surface, mesh, report.piece.rim_mm), paths.picture);
  return defect;
}

reconstruct::MeshOptions meshOptions(const cli::Context& ctx) {
  return {.remesh_mm = ctx.maybe("remesh-mm").value_or(0), .simplify_mm = ctx.maybe("simplify-mm").value_or(0)};
}

void runCloud(cli::Context& ctx) {
  for (const std::string row : {"ct", "cloud", "voxels", "defect", "defect-mesh", "inner", "inner-mesh", "tetra",
                                "thickness", "label", "reassemble"}) {
    if (ctx.given(row) && !(row == "label" && ctx.texts(row).empty()) && !(row == "reassemble" && !ctx.flag(row)))
      throw core::Error(core::Exit::Usage, {.what = "--" + row + " goes with labels, not with points"});
  }
  const mesh::PointCloud cloud = mesh::readPointCloud(ctx.input("labels"));
  if (ctx.dryRun(2e8 + 300.0 * static_cast<double>(cloud.points.size()))) return;
  const std::string bone = ctx.output("output"), mesh_path = ctx.output("mesh"), picture = ctx.output("picture");
  reconstruct::CloudReport report;
  const levelset::LevelSet surface =
      reconstruct::cloudSurface(cloud, {ctx.maybe("voxel-mm").value_or(0), ctx.maybe("gap-mm").value_or(0)}, report);
  levelset::writeVdb(surface, bone, "bone");
  const mesh::TriangleMesh whole = levelset::toMesh(surface);
  ctx.results() = reconstruct::describe(report);
  const auto distance = reconstruct::distancesToCloud(whole, cloud, 2 * report.gap_mm);
  const mesh::TriangleMesh seen = reconstruct::trimmed(whole, distance, report.gap_mm, report.guessed_share);
  const auto out = reconstruct::lighter(ctx.flag("keep-guessed") ? whole : seen, meshOptions(ctx), ctx.results());
  if (!mesh_path.empty()) mesh::writeMesh(out, mesh_path);
  if (!picture.empty()) picture::writePng(reconstruct::draw(whole, distance, report.gap_mm), picture);
}

void reassemble(cli::Context& ctx, const image::Segmentation& labels, const image::CtVolume* ct,
                const reconstruct::SurfaceOptions& surface, reconstruct::ReassembleOptions options) {
  const std::string bone = ctx.output("output"), mesh_path = ctx.output("mesh"), picture = ctx.output("picture"),
                    moves = ctx.outputFolder("moves");
  reconstruct::SurfaceReport report;
  const auto fragments =
      reconstruct::findFragments(labels, ct, surface, {ctx.texts("label"), ctx.number("min-piece-mm3")}, report);
  options.reference = reconstruct::fragmentNamed(fragments, ctx.text("reference"));
  const reconstruct::Reassembly result = reconstruct::reassemble(fragments, options);
  levelset::writeVdb(result.bone, bone, "bone");
  const mesh::TriangleMesh mesh = levelset::toMesh(result.bone);
  ctx.results() = reconstruct::describe(mesh, report, surface.voxel_mm);
  ctx.results().update(reconstruct::describe(result, fragments));
  if (!mesh_path.empty()) mesh::writeMesh(reconstruct::lighter(mesh, meshOptions(ctx), ctx.results()), mesh_path);
  if (!picture.empty()) picture::writePng(reconstruct::draw(result, fragments), picture);
  if (!moves.empty()) reconstruct::writeMoves(result, fragments, moves);
}

/// Options that need one another, or exclude one another.
void checkOptions(const cli::Context& ctx) {
  const auto refuse = [](const std::string& what) { throw core::Error(core::Exit::Usage, {.what = what}); };
  const bool reassembles = ctx.flag("reassemble"), completes = ctx.text("complete") != "none";
  if (completes != ctx.given("defect") || (ctx.given("defect-mesh") && !completes))
    refuse("--complete METHOD and --defect FILE.vdb go together: give both or neither");
  for (const char* row : {"template", "reference", "moves"})
    if (!reassembles && ctx.given(row) && !(std::string(row) == "reference" && ctx.text(row).empty()))
      refuse(std::string("--") + row + " goes with --reassemble");
  for (const char* row :
       {"defect", "defect-mesh", "cloud", "voxels", "weights", "inner", "inner-mesh", "tetra", "thickness"})
    if (reassembles && ctx.given(row)) refuse(std::string("--") + row + " doesn't go with --reassemble");
  if (reassembles && ctx.given("template") && ctx.given("prior")) refuse("give --template or --prior, not both");
  if (reassembles && completes) refuse("--complete doesn't go with --reassemble");
  if (ctx.given("thickness") && !ctx.given("ct"))
    refuse("labels alone don't show how thick the cortex is: --thickness needs --ct");
}

reconstruct::ReassembleOptions reassembleOptions(const cli::Context& ctx) {
  constexpr double kTemplateVoxel_mm = 1;
  reconstruct::ReassembleOptions options;
  const std::string whole = ctx.input("template"), prior = ctx.input("prior");
  if (!whole.empty()) options.whole = levelset::toMesh(levelset::readSolid(whole, kTemplateVoxel_mm));
  if (!prior.empty()) options.prior = reconstruct::readShapeModel(prior);
  return options;
}

void run(cli::Context& ctx) {
  checkOptions(ctx);
  if (core::extension(ctx.input("labels")) == ".ply") return runCloud(ctx);
  const bool completes = ctx.text("complete") != "none";
  const std::string labels_path = ctx.input("labels"), ct_path = ctx.input("ct");
  image::Segmentation segmentation = image::readSegmentation(labels_path);
  const image::Frame frame = segmentation.labels.frame;
  if (!ct_path.empty())
    image::requireSameGrid(frame, core::baseName(labels_path), image::readInfo(ct_path).frame, core::baseName(ct_path));
  reconstruct::SurfaceOptions options;
  options.labels = reconstruct::boneLabels(segmentation, ctx.texts("label"));
  const image::Box box = reconstruct::boneBox(segmentation.labels, options.labels);
  segmentation.labels = image::crop(segmentation.labels, box, std::uint16_t{0});
  image::CtVolume ct;
  if (!ct_path.empty()) ct = image::readVolume(ct_path, box);
  const reconstruct::Scan scan{segmentation.labels, ct_path.empty() ? nullptr : &ct};
  options.voxel_mm = ctx.maybe("voxel-mm").value_or(0.5 * frame.spacing_mm.minCoeff());
  options.dust_mm3 = ctx.number("dust-mm3");
  const bool reassembles = ctx.flag("reassemble");
  const auto completion = reassembles ? reconstruct::CompletionOptions() : completionOptions(ctx);
  const auto reassembly = reassembles ? reassembleOptions(ctx) : reconstruct::ReassembleOptions();
  if (ctx.dryRun(2e8 + 3.0 * static_cast<double>(frame.voxelCount()) +
                 60.0 * static_cast<double>(segmentation.labels.voxels.size())))
    return;
  if (reassembles) return reassemble(ctx, segmentation, scan.ct, options, reassembly);
  const Paths paths{ctx.output("output"), ctx.output("mesh"), ctx.output("defect"), ctx.output("defect-mesh"),
                    ctx.output("picture")};
  const reconstruct::CortexFiles cortex{ctx.output("inner"), ctx.output("inner-mesh"), ctx.output("thickness"),
                                        paths.picture};
  const std::string cloud_path = ctx.output("cloud"), voxels_path = ctx.output("voxels"),
                    tetra_path = ctx.output("tetra");
  reconstruct::SurfaceReport report;
  const levelset::LevelSet bone = reconstruct::boneSurface(scan.labels, scan.ct, options, report);
  levelset::writeVdb(bone, paths.bone, "bone");
  const mesh::TriangleMesh surface = levelset::toMesh(bone);
  ctx.results() = reconstruct::describe(surface, report, options.voxel_mm);
  if (!cloud_path.empty()) mesh::writePointCloud(reconstruct::surfaceCloud(surface, scan.labels, scan.ct), cloud_path);
  if (!voxels_path.empty()) {
    image::Segmentation voxels{image::LabelVolume(frame), segmentation.names};
    image::paste(reconstruct::surfaceVoxels(bone, segmentation.labels, options.labels), box, voxels.labels);
    image::writeSegmentation(voxels, voxels_path);
  }
  if (!tetra_path.empty())
    ctx.results().update(reconstruct::writeTetrahedra(bone, surface, ctx.maybe("tetra-mm").value_or(0), tetra_path));
  if (!paths.picture.empty()) picture::writePng(reconstruct::draw(surface, {}), paths.picture);
  if (cortex.any())
    ctx.results().update(reconstruct::writeCortex(bone, scan, options, ctx.maybe("cortical-hu").value_or(0), cortex));
  reconstruct::MeshOptions lighter = meshOptions(ctx);
  if (completes) lighter.kept = reconstruct::nearPiece(complete(ctx, bone, surface, frame, completion, paths));
  if (!paths.mesh.empty()) mesh::writeMesh(reconstruct::lighter(surface, lighter, ctx.results()), paths.mesh);
}

cli::Parameter folder(cli::Parameter row) {
  row.type = cli::Type::Folder;
  return row;
}

cli::Parameter labelList(std::string help) {
  cli::Parameter row = cli::text("label", "", std::move(help));
  row.count = 0;
  return row;
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
         "reconstruct labels.seg.nrrd --ct ct.nrrd -o host.vdb --complete mirror --defect defect.vdb --picture "
         "skull.png",
         "reconstruct fragments.seg.nrrd -o femur.vdb --reassemble --label 10,11,12 --template other_femur.stl"},
        {input("labels", {".seg.nrrd", ".nrrd", ".nii", ".nii.gz", ".ply"},
               "labels of segment, or of any other tool; or a point cloud of the bone's surface"),
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
         folder(inputOption("weights", {}, "folder of a network of train completion")),
         outputOption("defect", {".vdb"}, "the missing piece as a level set"),
         outputOption("defect-mesh", {".stl", ".ply", ".obj", ".3mf", ".amf"}, "the missing piece as closed triangles"),
         outputOption("whole", {".ply"},
                      "the shape model's most probable whole bone, with standard deviations at its vertices"),
         folder(outputOption("samples", {}, "folder of whole bones drawn from the shape model's posterior")),
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
         folder(outputOption("moves", {}, "reassemble: folder with each fragment's motion as ITK transform")),
         optionalNumber("voxel-mm", "mm", {0.02, 10}, "voxel of the level set; half the smallest spacing unless given"),
         labelList("names or values that count as bone; 1, 2 and 10 and above unless given"),
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
