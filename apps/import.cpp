#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "image/intake.h"
#include "image/io.h"
#include "picture/render.h"

namespace osteo {
namespace {

constexpr int kPictureSide = 480;
constexpr double kWindowLow = -250, kWindowHigh = 1250;  // HU that the picture shows from black to white

void writeIndex(cli::Context& context) {
  const std::string folder = context.input("input");
  if (context.dryRun(1e8)) return;
  const std::string table = image::indexTable(folder);
  core::writeFile(context.output("output"), table);
  context.results()["series"] = std::count(table.begin(), table.end(), '\n') - 1;
}

/// Name of the plane across an index axis, after the patient's axis that it is nearest to.
std::string planeName(const image::Frame& frame, int axis) {
  static const char* const kNames[] = {"sagittal", "coronal", "axial"};
  int nearest = 0;
  frame.direction.col(axis).cwiseAbs().maxCoeff(&nearest);
  return kNames[nearest];
}

/// Three slices at one scale: the longest side of the volume gets kPictureSide pixels.
void drawSlices(const image::CtVolume& ct, const std::string& path) {
  const Eigen::Vector3d extent_mm = ct.frame.size.cast<double>().cwiseProduct(ct.frame.spacing_mm);
  std::vector<picture::Canvas> views;
  std::vector<std::string> captions;
  for (const int axis : {2, 1, 0}) {
    const double share = extent_mm[axis == 2 ? 1 : 2] / extent_mm.maxCoeff();
    const int height = std::max(60, static_cast<int>(kPictureSide * share));
    views.push_back(picture::renderSlice(ct, nullptr, axis, ct.frame.size[axis] / 2, kWindowLow, kWindowHigh, height));
    captions.push_back(planeName(ct.frame, axis));
  }
  picture::writePng(picture::tile(views, captions, 3), path);
}

void run(cli::Context& context) {
  const bool index = context.flag("index");
  if ((core::extension(context.finalPath("output")) == ".tsv") != index)
    throw core::Error(core::Exit::Usage, {.what = "the output's ending doesn't fit the job",
                                          .file = context.finalPath("output"),
                                          .expected = index ? ".tsv with --index" : ".nrrd without --index"});
  if (index) return writeIndex(context);
  const std::string fix = context.text("fix");
  const auto repair = fix == "resample"         ? image::Repair::Resample
                      : fix == "orthonormalize" ? image::Repair::Orthonormalize
                                                : image::Repair::None;
  const image::Intake intake =
      image::planIntake(context.input("input"), context.text("series"), repair, context.results());
  if (context.dryRun(intake.peakBytes())) return;
  const std::string output = context.output("output"), picture = context.output("picture");
  const image::CtVolume volume = image::runIntake(intake, context.results());
  image::writeVolume(volume, output);
  if (!picture.empty()) drawSlices(volume, picture);
}

}  // namespace

namespace cli {

App describe() {
  Job job;
  job.summary = "Read a DICOM folder, NIfTI or NRRD file into one checked CT volume without the patient's identity";
  job.examples = {
      "phantom skull-cap -o ct.nrrd --labels labels.seg.nrrd --spacing-mm 2",
      "import ct.nrrd -o volume.nrrd",
      "import ct.nrrd -o again.nrrd --picture slices.png",
  };
  job.parameters = {
      inputFolder("input",
                  "DICOM folder (searched with its subfolders), or a .nii, .nii.gz, .nrrd or multi-frame DICOM file"),
      output({".nrrd", ".tsv"}, "Volume in HU, LPS, mm; with --index the table"),
      choice("fix", {"none", "orthonormalize", "resample"}, "none",
             "What may be repaired: axes off by rounding (below 0.1 degrees), or tilt, shear and uneven gaps by "
             "resampling"),
      text("series", "",
           "DICOM series to take: its number in the --index table or its SeriesInstanceUID; default: the largest CT"),
      flag("index", "List all DICOM series of a folder tree as a TSV table instead; its series numbers fit --series"),
      picture("Three orthogonal slices through the middle"),
  };
  job.run = run;
  return {"import", job.summary, {job}};
}

}  // namespace cli
}  // namespace osteo
