#include "cli/context.h"
#include "learn/completion.h"
#include "reconstruct/job.h"

/// What the flags that labels, solids and points share ask for.
namespace osteo {

reconstruct::CompletionOptions completionOptions(const cli::Context& ctx);
reconstruct::MeshOptions meshOptions(const cli::Context& ctx);
reconstruct::Files openFiles(cli::Context& ctx);
reconstruct::SurfaceJob surfaceJob(cli::Context& ctx, const reconstruct::CompletionOptions& completion);

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

reconstruct::MeshOptions meshOptions(const cli::Context& ctx) {
  return {.remesh_mm = ctx.maybe("remesh-mm").value_or(0), .simplify_mm = ctx.maybe("simplify-mm").value_or(0)};
}

/// Opens the outputs that are wanted, the bone first.
reconstruct::Files openFiles(cli::Context& ctx) {
  return {ctx.output("output"),
          ctx.output("mesh"),
          ctx.output("tetra"),
          ctx.output("picture"),
          ctx.output("defect"),
          ctx.output("defect-mesh"),
          {ctx.output("whole"), ctx.outputFolder("samples")},
          ctx.outputFolder("moves")};
}

reconstruct::SurfaceJob surfaceJob(cli::Context& ctx, const reconstruct::CompletionOptions& completion) {
  reconstruct::SurfaceJob job;
  job.mesh = meshOptions(ctx);
  if (ctx.changed("complete")) job.completion = completion;
  job.draws = {static_cast<int>(ctx.integer("sample-count")), ctx.seed()};
  job.tetra_mm = ctx.maybe("tetra-mm").value_or(0);
  job.files = openFiles(ctx);
  return job;
}

}  // namespace osteo
