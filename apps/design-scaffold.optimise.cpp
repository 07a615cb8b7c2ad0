#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/goal.h"
#include "simulate/loads.h"

namespace osteo {

// Of apps/design-scaffold.cpp: what --optimise goes by.
std::vector<cli::Parameter> optimiseRows();
std::optional<design_scaffold::Goal> goalOf(const cli::Context& ctx);
std::vector<simulate::LoadCase> loadsOf(const cli::Context& ctx);

std::vector<cli::Parameter> optimiseRows() {
  using namespace cli;
  return {
      inputOption("optimise", {".json"},
                  "goals that the implant has to reach under --loads (configs/schema/goal.json): its volume fraction "
                  "is changed over space until they hold"),
      inputOption("loads", {".json"}, "load cases, as of simulate, on the implant itself"),
      inputOption("landmarks", {".json"}, "positions that the loads call by name, as of simulate"),
      optionalNumber("body-weight-n", "N", {1, 1e5}, "body weight of the loads, instead of the file's own"),
      text("proposal-weights", "",
           "weights of train response for goals with search.proposals (default: data-samples/models/implant.response)")
          .advanced(),
      text("checkpoint", "", "file that keeps the designs of --optimise, and from which it goes on").advanced()};
}

/// The goals; none where nothing is to be optimised.
std::optional<design_scaffold::Goal> goalOf(const cli::Context& ctx) {
  if (!ctx.given("optimise")) {
    ctx.refuse({"loads", "landmarks", "body-weight-n", "checkpoint", "proposal-weights"}, "goes with --optimise");
    return std::nullopt;
  }
  ctx.refuse({"porosity", "volume-fraction", "wall-mm", "modulus-mpa", "permeability-m2", "grade", "conformal"},
             "is what --optimise decides, or goes without it");
  if (!ctx.given("loads")) ctx.refuse({"optimise"}, "needs --loads");
  return design_scaffold::readGoal(ctx.input("optimise"));
}

/// The loads that the goals are held against.
std::vector<simulate::LoadCase> loadsOf(const cli::Context& ctx) {
  if (!ctx.given("loads")) return {};
  return simulate::readLoads(ctx.input("loads"), {ctx.input("landmarks"), ctx.maybe("body-weight-n").value_or(0)});
}

}  // namespace osteo
