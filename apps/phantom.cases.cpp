#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/parallel.h"
#include "phantom/cases.h"

namespace osteo {

cli::Job casesJob();
std::vector<cli::Parameter> sceneRows();
phantom::SceneWish sceneWish(const cli::Context& ctx);

namespace {

void run(cli::Context& ctx) {
  phantom::CasesWish wish;
  wish.scene = sceneWish(ctx);
  wish.count = static_cast<int>(ctx.integer("count"));
  wish.validation_share = ctx.number("validation-share"), wish.test_share = ctx.number("test-share");
  wish.instances = ctx.flag("instances");
  if (wish.validation_share + wish.test_share > 1)
    throw core::Error(core::Exit::Usage, {.what = "--validation-share and --test-share are more than all scenes"});
  if (ctx.dryRun(3e7 + 1.2e8 * core::threads())) return;
  const std::string folder = ctx.outputFolder("output");
  ctx.results() = phantom::writeCases(wish, folder);
}

}  // namespace

cli::Job casesJob() {
  using namespace cli;
  return {"cases",
          "a set of scenes for `train segment`: volumes, labels and cases.json; kinds and margins are dealt in turn",
          {"phantom cases --count 4 --test-share 0.3 --validation-share 0.3 --spacing-mm 4 -o cases"},
          joined({output({}, "folder of the set"), integer("count", "", 10, {1, 100000}, "scenes"),
                  number("validation-share", "", 0.15, {0, 1}, "share of scenes for validation"),
                  number("test-share", "", 0.15, {0, 1}, "share of scenes for the test"),
                  flag("instances", "writes the bones one by one too")},
                 sceneRows()),
          run};
}

}  // namespace osteo
