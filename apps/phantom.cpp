#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "phantom/kinds.h"
#include "phantom/report.h"
#include "phantom/scan.h"
#include "picture/comparison.h"

namespace osteo {

cli::Job resectJob();
cli::Job sceneJob();
cli::Job casesJob();

namespace {

using cli::Context;
using Eigen::Vector3d;
using phantom::Anatomy;

Vector3d vector3(const std::vector<double>& v) { return Vector3d::Map(v.data()); }

Vector3d spacing(const Context& ctx) {
  if (!ctx.given("spacing-mm")) return Vector3d::Ones();
  const std::vector<double> values = ctx.numbers("spacing-mm");
  if (values.size() == 1) return Vector3d::Constant(values[0]);
  if (values.size() == 3) return vector3(values);
  throw core::Error(core::Exit::Usage,
                    {.what = "--spacing-mm takes one value or three", .got = std::to_string(values.size())});
}

/// Tilt, defect and metal, in this order, as asked for.
void modify(Anatomy& anatomy, const Context& ctx) {
  if (ctx.given("tilt-deg")) phantom::tilt(anatomy, vector3(ctx.numbers("tilt-deg")));
  if (ctx.text("defect") != "none") {
    phantom::Hole hole{ctx.text("defect") == "cylinder", anatomy.defect_centre_mm, anatomy.defect_diameter_mm};
    if (ctx.given("defect-centre-mm")) hole.centre_mm = vector3(ctx.numbers("defect-centre-mm"));
    if (ctx.given("defect-diameter-mm")) hole.diameter_mm = ctx.number("defect-diameter-mm");
    phantom::addDefect(anatomy, hole);
  }
  phantom::addMetal(anatomy, static_cast<int>(ctx.integer("metal")), ctx.seed());
}

/// Scans the anatomy and writes everything; `shape` names it apart from the scanner, so that scans of one anatomy share
/// a frame.
void make(Context& ctx, Anatomy anatomy, const std::string& shape) {
  modify(anatomy, ctx);
  phantom::Scanner scanner{spacing(ctx), ctx.number("blur-mm"), ctx.number("noise-hu"), ctx.seed(), {}};
  const std::string tilt = ctx.given("tilt-deg") ? fmt::format("{}", fmt::join(ctx.numbers("tilt-deg"), ",")) : "";
  const std::string identity = fmt::format("{} seed {} tilt {}", shape, ctx.seed(), tilt);
  scanner.frame_id = "phantom-" + core::sha256(identity.data(), identity.size()).substr(0, 16);
  const double voxels = static_cast<double>(phantom::scanFrame(anatomy, scanner).voxelCount());
  if (ctx.dryRun(3e7 + 18 * voxels)) return;

  const std::string ct_path = ctx.output("output"), labels_path = ctx.output("labels"), picture = ctx.output("picture");
  const phantom::Scan scan = phantom::scan(anatomy, scanner);
  auto& results = ctx.results() = phantom::describe(anatomy, ctx.text("defect") != "none");
  results["frame_id"] = scanner.frame_id;
  results["size_voxels"] = {scan.ct.frame.size[0], scan.ct.frame.size[1], scan.ct.frame.size[2]};
  image::writeVolume(scan.ct, ct_path);
  if (!labels_path.empty()) image::writeSegmentation({scan.labels, {}}, labels_path);
  if (!picture.empty()) picture::writePng(picture::slicesAt(scan.ct, scan.labels, anatomy.defect_centre_mm), picture);
}

Anatomy inSoftTissue(Anatomy anatomy) {
  phantom::addSoftTissue(anatomy, 8, 4);
  return anatomy;
}

void runSphere(Context& ctx) {
  const double r = ctx.number("radius-mm");
  make(ctx, inSoftTissue(phantom::sphere(r, ctx.number("bone-hu"))), fmt::format("sphere {}", r));
}

void runEllipsoid(Context& ctx) {
  const Vector3d axes(ctx.number("semi-x-mm"), ctx.number("semi-y-mm"), ctx.number("semi-z-mm"));
  make(ctx, inSoftTissue(phantom::ellipsoid(axes, ctx.number("bone-hu"))),
       fmt::format("ellipsoid {} {} {}", axes[0], axes[1], axes[2]));
}

void runTorus(Context& ctx) {
  const double ring = ctx.number("ring-mm"), tube = ctx.number("tube-mm");
  if (tube >= 0.9 * ring) throw core::Error(core::Exit::Usage, {.what = "--tube-mm must stay below 0.9 --ring-mm"});
  make(ctx, inSoftTissue(phantom::torus(ring, tube, ctx.number("bone-hu"))), fmt::format("torus {} {}", ring, tube));
}

void runSkullCap(Context& ctx) {
  const phantom::SkullCap s{ctx.number("thickness-mm"), ctx.number("asymmetry-mm")};
  make(ctx, phantom::skullCap(s, ctx.seed()), fmt::format("skull-cap {} {}", s.thickness_mm, s.asymmetry_mm));
}

void runLongBone(Context& ctx) {
  const phantom::LongBone s{ctx.number("length-mm"), ctx.number("shaft-mm"), ctx.number("asymmetry-mm")};
  if (s.length_mm < 3.2 * s.shaft_mm)
    throw core::Error(core::Exit::Usage, {.what = "--length-mm must be at least 3.2 --shaft-mm"});
  make(ctx, inSoftTissue(phantom::longBone(s, ctx.seed())),
       fmt::format("long-bone {} {} {}", s.length_mm, s.shaft_mm, s.asymmetry_mm));
}

void runVertebra(Context& ctx) {
  const phantom::Vertebra s{ctx.number("width-mm"), ctx.number("asymmetry-mm")};
  make(ctx, inSoftTissue(phantom::vertebra(s, ctx.seed())), fmt::format("vertebra {} {}", s.width_mm, s.asymmetry_mm));
}

}  // namespace

cli::App cli::describe() {
  const Range mm{2, 300}, any_mm{-1000, 1000};
  // Rows that kinds share.
  const Parameter bone_hu = number("bone-hu", "HU", 1200, {100, 3000}, "HU of the solid");
  const Parameter asymmetry = number("asymmetry-mm", "mm", 1, {0, 4},
                                     "how far the seeded shape departs from symmetry, about one standard deviation");
  const std::vector<Parameter> scan = {
      output({".nrrd"}, "CT volume in HU"),
      outputOption("labels", {".seg.nrrd"}, "true labels on the same grid"),
      numbers("spacing-mm", "mm", 0, {0.1, 10}, "voxel size, one value or three; 1 unless given"),
      number("blur-mm", "mm", 0, {0, 10}, "standard deviation of the scanner's Gaussian point spread"),
      number("noise-hu", "HU", 0, {0, 500}, "standard deviation of the noise"),
      integer("metal", "", 0, {0, 6}, "titanium rods in the bone, with beam hardening and photon starvation"),
      choice("defect", {"none", "ball", "cylinder"}, "none", "what is missing from the bone, filled with soft tissue"),
      numbers("defect-centre-mm", "mm", 3, any_mm, "centre of the defect, LPS; off the midline unless given"),
      optionalNumber("defect-diameter-mm", "mm", {1, 200}, "its diameter (and a cylinder's length)"),
      numbers("tilt-deg", "°", 3, {-180, 180}, "turns the anatomy about x, then y, then z"),
      picture("slices through the defect's place, with and without labels")};
  return {
      "phantom",
      "makes CT volumes of procedural anatomy with exact ground truth, and cuts known pieces out of real ones",
      {{"sphere",
        "a ball",
        {"phantom sphere -o sphere.nrrd --labels sphere.seg.nrrd --spacing-mm 1"},
        joined({number("radius-mm", "mm", 20, mm, "radius"), bone_hu}, scan),
        runSphere},
       {"ellipsoid",
        "an ellipsoid",
        {"phantom ellipsoid -o ellipsoid.nrrd --labels ellipsoid.seg.nrrd --spacing-mm 1,1,2"},
        joined({number("semi-x-mm", "mm", 30, mm, "semi-axis along x"),
                number("semi-y-mm", "mm", 22, mm, "semi-axis along y"),
                number("semi-z-mm", "mm", 16, mm, "semi-axis along z"), bone_hu},
               scan),
        runEllipsoid},
       {"torus",
        "a torus about z",
        {"phantom torus -o torus.nrrd --labels torus.seg.nrrd --tilt-deg 20,-10,0"},
        joined({number("ring-mm", "mm", 24, mm, "radius of the ring"),
                number("tube-mm", "mm", 9, mm, "radius of the tube"), bone_hu},
               scan),
        runTorus},
       {"skull-cap",
        "a calvarium with outer table, diploe and inner table around a brain",
        {"phantom skull-cap -o ct.nrrd --labels labels.seg.nrrd",
         "phantom skull-cap -o cap.nrrd --labels cap.seg.nrrd --spacing-mm 2 --defect ball --noise-hu 15 --blur-mm 0.6 "
         "--seed 3"},
        joined({number("thickness-mm", "mm", 6, {4.5, 12}, "mean thickness of the bone"), asymmetry}, scan),
        runSkullCap},
       {"long-bone",
        "a long bone: cortical shell, graded trabecular interior, medullary canal",
        {"phantom long-bone -o bone.nrrd --labels bone.seg.nrrd --defect cylinder"},
        joined({number("length-mm", "mm", 120, {50, 500}, "length"),
                number("shaft-mm", "mm", 26, {12, 60}, "diameter of the shaft"), asymmetry},
               scan),
        runLongBone},
       {"vertebra",
        "a lumbar vertebra with all its processes",
        {"phantom vertebra -o vertebra.nrrd --labels vertebra.seg.nrrd --metal 2"},
        joined({number("width-mm", "mm", 46, {20, 80}, "width of the body"), asymmetry}, scan),
        runVertebra},
       resectJob(),
       sceneJob(),
       casesJob()}};
}

}  // namespace osteo
