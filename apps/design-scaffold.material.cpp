#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/design.h"
#include "design_scaffold/recommend.h"

namespace osteo {

using namespace design_scaffold;

std::string materialOf(cli::Context& ctx, const ImplantLibrary& library, const levelset::LevelSet& defect,
                       const Infill& infill);

namespace {

/// What the implant is for, as far as the flags say; the defect and the lattice are filled in later.
ImplantCase caseOf(const cli::Context& ctx) {
  ImplantCase wanted{.site = ctx.text("site"),
                     .peak_load_n = ctx.maybe("peak-load-n"),
                     .body_mass_kg = ctx.number("body-mass-kg"),
                     .plated = ctx.flag("plated"),
                     .age_years = ctx.maybe("age-years"),
                     .resorption_months = ctx.number("resorption-months")};
  if (ctx.text("segmental") != "auto") wanted.segmental = ctx.text("segmental") == "yes";
  if (ctx.changed("sterilisation")) wanted.sterilisation = ctx.text("sterilisation");
  return wanted;
}

}  // namespace

/// The material to use, ranked or held against the site where one is named.
std::string materialOf(cli::Context& ctx, const ImplantLibrary& library, const levelset::LevelSet& defect,
                       const Infill& infill) {
  const std::string name = ctx.text("material");
  if (ctx.text("site").empty()) {
    ctx.refuse({"recommend-material", "plated", "segmental", "peak-load-n", "body-mass-kg", "resorption-months",
                "sterilisation", "age-years"},
               "goes with --site");
    return name;
  }
  const MaterialWish wish{name, ctx.changed("material"), ctx.flag("recommend-material")};
  return chosenMaterial(library, caseFor(caseOf(ctx), defect, infill), wish, ctx.results());
}

}  // namespace osteo
