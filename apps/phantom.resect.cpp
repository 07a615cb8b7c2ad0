#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "image/io.h"
#include "phantom/report.h"
#include "phantom/resect.h"
#include "picture/comparison.h"

namespace osteo {

cli::Job resectJob();

namespace {

using cli::Context;

void runResect(Context& ctx) {
  const phantom::Resection r{Eigen::Vector3d::Map(ctx.numbers("centre-mm").data()), ctx.number("diameter-mm"),
                             ctx.number("threshold-hu"), ctx.number("closing-mm"), ctx.seed()};
  const std::string in = ctx.input("ct");
  const double voxels = static_cast<double>(image::readInfo(in).frame.voxelCount());
  if (ctx.dryRun(3e7 + 12 * voxels)) return;
  const image::CtVolume ct = image::readVolume(in);
  const std::string ct_path = ctx.output("output"), piece_path = ctx.output("piece"), picture = ctx.output("picture");
  const phantom::Resected out = phantom::resect(ct, r);
  ctx.results() = phantom::describe(out);
  image::writeVolume(out.ct, ct_path);
  if (!piece_path.empty()) image::writeSegmentation({out.piece, {}}, piece_path);
  if (!picture.empty()) picture::writePng(picture::slicesAt(out.ct, out.piece, r.centre_mm), picture);
}

}  // namespace

cli::Job resectJob() {
  using namespace cli;
  return {
      "resect",
      "cuts the bone inside a ball out of a CT and keeps it as truth",
      {"phantom resect ct.nrrd --centre-mm 58,21,56 --diameter-mm 60 -o cut.nrrd --piece piece.seg.nrrd"},
      {input("ct", {".nrrd", ".nii", ".nii.gz"}, "CT volume in HU"), output({".nrrd"}, "the CT without the piece"),
       outputOption("piece", {".seg.nrrd"}, "the piece, label Defect, on the CT's grid"),
       numbers("centre-mm", "mm", 3, {-5000, 5000}, "centre of the ball, LPS").must(),
       number("diameter-mm", "mm", 60, {2, 300}, "diameter of the ball"),
       number("threshold-hu", "HU", 250, {50, 1500}, "what is bone at all and is taken out").advanced(),
       number("closing-mm", "mm", 4, {0, 20}, "half the widest diploe or marrow space that counts as bone").advanced(),
       cli::picture("slices through the ball's centre")},
      runResect};
}

}  // namespace osteo
