#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "image/io.h"
#include "segment/density.h"

namespace osteo {
namespace {

using namespace segment;

void run(cli::Context& ctx) {
  const bool by_rods = ctx.given("rods");
  if (by_rods == ctx.given("tissues-mg-cm3"))
    throw core::Error(core::Exit::Usage, {.what = "give either --rods or --tissues-mg-cm3"});
  if (by_rods) ctx.refuse({"equivalent"}, "goes with --tissues-mg-cm3; rods name their own");
  const std::string in = ctx.input("ct"), rods = ctx.input("rods");
  const CalibrationPhantom phantom = by_rods ? readPhantom(rods) : CalibrationPhantom{ctx.text("equivalent"), "", {}};
  if (ctx.dryRun(3e7 + 4.0 * static_cast<double>(image::readInfo(in).frame.voxelCount()))) return;
  const image::CtVolume ct = image::readVolume(in);
  ctx.output("output");
  std::array<double, 3> tissues{};
  if (!by_rods) std::copy_n(ctx.numbers("tissues-mg-cm3").begin(), 3, tissues.begin());
  const DensityScale scale = by_rods ? calibrateByRods(ct, phantom) : calibrateByTissues(ct, tissues);
  auto& r = ctx.results();
  r["calibration"] = calibrationBlock(scale, phantom.equivalent, by_rods);
  r["equivalent"] = phantom.equivalent;
  r["slope_mg_cm3_per_hu"] = scale.slope_mg_cm3_per_hu;
  r["intercept_mg_cm3"] = scale.intercept_mg_cm3;
  r["residual_mg_cm3"] = scale.residual_mg_cm3;
  r["r2"] = scale.r2;
  for (const Reference& reference : scale.references) {
    r["references"].push_back({{"name", reference.name},
                               {"mean_hu", reference.hu},
                               {"std_hu", reference.std_hu},
                               {"voxels", reference.voxels},
                               {"density_mg_cm3", reference.density_mg_cm3}});
  }
}

}  // namespace

cli::Job calibrateJob() {
  using namespace cli;
  return {"calibrate",
          "density of bone mineral from HU, by the rods of a phantom in the scan or by air, fat and muscle",
          {"segment calibrate ct.nrrd --tissues-mg-cm3 -840,-80,30 -o density.json"},
          {input("ct", {".nrrd", ".nii", ".nii.gz"}, "CT volume in HU"),
           output({".json"}, "record with the block that simulate takes as --calibration"),
           inputOption("rods", {".json"}, "places and densities of the phantom's rods (configs/schema/rods.json)"),
           numbers("tissues-mg-cm3", "mg/cm3", 3, {-2000, 2000},
                   "equivalent density of air, fat and muscle, from your scanner's scans with a phantom"),
           choice("equivalent", {"K2HPO4", "HA"}, "K2HPO4", "what these densities are equivalent to")},
          run};
}

}  // namespace osteo
