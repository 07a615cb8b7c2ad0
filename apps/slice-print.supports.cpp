#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "mesh/io.h"
#include "slice_print/exposure.h"
#include "slice_print/inputs.h"
#include "slice_print/orientation.h"
#include "slice_print/summary.h"

namespace osteo {

// Of apps/slice-print.cpp: what holds overhangs, and the build direction that needs the least of it.
std::vector<cli::Parameter> supportRows();
slice_print::SupportSettings supportsOf(const cli::Context& ctx, const slice_print::Settings& settings);
std::optional<Eigen::Vector3d> givenDirection(const cli::Context& ctx);
Eigen::Vector3d bestDirection(cli::Context& ctx, double layer_mm, const std::vector<slice_print::Solid>& solids);

namespace sp = slice_print;

std::vector<cli::Parameter> supportRows() {
  using namespace cli;
  return {choice("supports", sp::supportKindNames(), "none",
                 "supports below overhangs and islands: thin walls in a lattice, branches that grow together, upright "
                 "bars"),
          number("support-spacing-mm", "mm", 1, {0.05, 100}, "between walls, and between contacts with the part"),
          number("support-width-mm", "mm", 0.8, {0.05, 50}, "of a bar, a twig or a block's posts").advanced(),
          optionalNumber(
              "support-wall-mm", "mm", {1e-3, 10},
              "thickness of a block's walls; default by process: pbf-lb twice the contour offset, mex the line width, "
              "others 0.2")
              .advanced(),
          number("support-tip-mm", "mm", 0.4, {0.01, 10}, "width of supports where they meet the part").advanced(),
          optionalNumber("support-gap-mm", "mm", {0, 10},
                         "from the tips to the part; default by process: mex one layer, others 0")
              .advanced(),
          number("support-clearance-mm", "mm", 0.3, {0, 10}, "sideways between supports and part").advanced(),
          number("support-perforation-percent", "%", 0, {0, 45}, "open share of a block's walls").advanced(),
          number("support-least-mm2", "mm²", 0, {0, 1e6}, "smaller overhangs hold themselves, unless they are islands")
              .advanced(),
          number("support-lean-deg", "°", 40, {0, 80}, "greatest tilt of a tree's branches to the vertical").advanced(),
          flag("support-from-plate", "none that would stand on the part").advanced(),
          optionalNumber("support-speed-mm-s", "mm/s", {1, 1e5}, "default --scan-speed-mm-s").advanced(),
          optionalNumber("support-power-w", "W", {1, 1e5}, "default --laser-power-w").advanced(),
          choice("orient", {"given", "auto"}, "given",
                 "auto: the build direction with the least support, height and stairs"),
          inputOption("keep-free", {".stl", ".ply", ".obj", ".amf", ".3mf"},
                      "surface (LPS) within 0.5 mm of which --orient auto avoids supports: where the implant bears")
              .advanced(),
          number("overhang-deg", "°", 45, {0, 90}, "down-facing surface flatter than this counts as overhang")};
}

sp::SupportSettings supportsOf(const cli::Context& ctx, const sp::Settings& settings) {
  const sp::SupportSettings standard = sp::supportDefaults(settings);
  return {.kind = sp::supportKindNamed(ctx.text("supports")),
          .rule = {ctx.number("overhang-deg"), ctx.number("support-spacing-mm"), ctx.number("support-least-mm2"),
                   ctx.flag("support-from-plate")},
          .width_mm = ctx.number("support-width-mm"),
          .wall_mm = ctx.maybe("support-wall-mm").value_or(standard.wall_mm),
          .tip_mm = ctx.number("support-tip-mm"),
          .gap_mm = ctx.maybe("support-gap-mm").value_or(standard.gap_mm),
          .clearance_mm = ctx.number("support-clearance-mm"),
          .lean_deg = ctx.number("support-lean-deg"),
          .perforation_percent = ctx.number("support-perforation-percent")};
}

// Nothing when it is to be searched for.
std::optional<Eigen::Vector3d> givenDirection(const cli::Context& ctx) {
  const bool search = ctx.text("orient") == "auto";
  if (!search && ctx.given("keep-free"))
    throw core::Error(core::Exit::Usage, {.what = "--keep-free counts with --orient auto alone"});
  if (search && ctx.given("build-direction"))
    throw core::Error(core::Exit::Usage, {.what = "--orient auto chooses the direction that --build-direction gives"});
  if (search) return std::nullopt;
  if (!ctx.given("build-direction")) return Eigen::Vector3d::UnitZ();
  const Eigen::Vector3d direction = Eigen::Vector3d::Map(ctx.numbers("build-direction").data());
  if (direction.norm() < 1e-9)
    throw core::Error(core::Exit::Usage, {.what = "--build-direction has no length", .expected = "such as 0,0,1"});
  return direction;
}

// The direction that needs least support, height and stairs, from the surface alone.
Eigen::Vector3d bestDirection(cli::Context& ctx, double layer_mm, const std::vector<sp::Solid>& solids) {
  const mesh::TriangleMesh mesh = sp::surfaceOf(solids);
  sp::OrientationRule rule;
  rule.overhang_deg = ctx.number("overhang-deg"), rule.layer_mm = layer_mm;
  if (ctx.given("keep-free")) {
    constexpr double kNear_mm = 0.5;
    rule.bearing_triangles = sp::trianglesNear(mesh, mesh::readMesh(ctx.input("keep-free")), kNear_mm);
  }
  constexpr int kListed = 5;
  const std::vector<sp::Orientation> best = sp::bestOrientations(mesh, rule, kListed);
  ctx.results()["orientations"] = sp::orientationRecord(best);
  ctx.results()["orientation_given"] = sp::orientationRecord({sp::assess(mesh, Eigen::Vector3d::UnitZ(), rule)})[0];
  return best[0].direction;
}

}  // namespace osteo
