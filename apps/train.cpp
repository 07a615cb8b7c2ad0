#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "learn/completion_training.h"
#include "learn/implicit_training.h"
#include "reconstruct/shape_fit.h"
#include "reconstruct/shape_training.h"
#include "train.loop.h"

namespace osteo {

cli::Job trainGeneratorJob();
cli::Job trainResponseJob();
cli::Job trainSegmentJob();
cli::Job trainSurrogateJob();

namespace {

using cli::Context;

/// Weights as a folder, their training record as the results; the folder is opened before the long work.
template <class Train>
void write(Context& ctx, const Train& train) {
  const std::string folder = ctx.outputFolder("output");
  const learn::Weights weights = train();
  ctx.results() = weights.training;
  learn::writeWeights(weights, folder);
}

void runCompletion(Context& ctx) {
  learn::CompletionTraining options;
  options.loop = loopOf(ctx);
  options.bones = static_cast<int>(ctx.integer("bones"));
  options.unseen = static_cast<int>(ctx.integer("unseen"));
  options.base = static_cast<int>(ctx.integer("base"));
  options.levels = static_cast<int>(ctx.integer("levels"));
  if (options.base % 8 != 0) throw core::Error(core::Exit::Usage, {.what = "--base takes multiples of 8"});
  const double examples = 2e7 * static_cast<double>(options.loop.batch * options.base);
  if (ctx.dryRun(6e8 + examples + 4e6 * options.bones)) return;
  write(ctx, [&] { return learn::trainCompletion(options); });
}

/// The group of a bone: its file's name up to the first underscore, as in person_Femur_L.
std::string groupOf(const std::string& name) { return name.substr(0, name.find('_')); }

/// Where all names start alike, as femur_01 and femur_02 do, each bone is a person of its own.
std::vector<reconstruct::TrainingShape> grouped(const std::vector<learn::NamedMesh>& meshes) {
  std::vector<reconstruct::TrainingShape> shapes;
  std::set<std::string> groups;
  for (const learn::NamedMesh& bone : meshes) {
    shapes.push_back({bone.name, groupOf(bone.name), bone.mesh});
    groups.insert(shapes.back().group);
  }
  if (groups.size() == 1) {
    for (auto& shape : shapes) shape.group = shape.name;
  }
  return shapes;
}

/// The linear model of the same bones, with the defaults of `train shape`.
learn::Completer linearModel(const std::vector<learn::NamedMesh>& meshes) {
  const auto shapes = grouped(meshes);
  const reconstruct::Correspondence all = reconstruct::correspond(shapes, {});
  std::vector<std::size_t> everyone(shapes.size());
  std::iota(everyone.begin(), everyone.end(), 0);
  return [model = reconstruct::modelOf(all, everyone, {})](const auto& points, const auto&) {
    return reconstruct::fitShape(model, points).surface;
  };
}

void runImplicit(Context& ctx) {
  learn::ImplicitTraining options;
  options.loop = loopOf(ctx);
  options.latent = static_cast<int>(ctx.integer("latent"));
  options.width = static_cast<int>(ctx.integer("width"));
  options.layers = static_cast<int>(ctx.integer("layers"));
  options.frequencies = static_cast<int>(ctx.integer("frequencies"));
  options.variants = static_cast<int>(ctx.integer("variants"));
  options.clamp_mm = ctx.number("clamp-mm");
  options.mirror = ctx.flag("mirror");
  options.linear_model = linearModel;
  const std::vector<learn::NamedMesh> meshes = learn::readMeshes(ctx.input("meshes"));
  const double shapes = static_cast<double>(meshes.size()) * (options.variants + 1);
  if (ctx.dryRun(6e8 + 6e5 * shapes + 50.0 * options.width * options.layers * static_cast<double>(options.loop.batch)))
    return;
  write(ctx, [&] { return learn::trainImplicit(meshes, ctx.texts("hold-out"), options); });
}

void runShape(Context& ctx) {
  const auto shapes = grouped(learn::readMeshes(ctx.input("meshes")));
  reconstruct::ShapeTrainingOptions options;
  options.free_size = ctx.text("alignment") == "similarity";
  options.components = static_cast<int>(ctx.integer("components"));
  options.smooth_mm = ctx.number("smooth-mm");
  options.smooth_reach = ctx.number("smooth-reach");
  options.noise_mm = ctx.number("noise-mm");
  options.seed = ctx.seed();
  const double vertices = shapes.empty() ? 0 : static_cast<double>(shapes.front().mesh.vertices.size());
  if (ctx.dryRun(2e8 + vertices * 24.0 * (500.0 + 4.0 * static_cast<double>(shapes.size() + options.components))))
    return;
  const std::string path = ctx.output("output");
  const reconstruct::ShapeModel model = reconstruct::trainShape(shapes, options, ctx.results());
  reconstruct::writeShapeModel(model, path);
}

std::vector<cli::Parameter> loopRows(long long steps, long long batch, double rate) {
  using cli::integer, cli::number;
  cli::Parameter checkpoint =
      cli::text("checkpoint", "", "folder that keeps the state; a run that finds it goes on from there");
  checkpoint.type = cli::Type::Folder;
  return {cli::output({}, "folder of the weights: index.json and weights.bin"),
          integer("steps", "", steps, {1, 10000000}, "steps of the optimiser"),
          integer("batch", "", batch, {1, 1000000}, "examples a step"),
          number("rate", "", rate, {1e-7, 1}, "rate of the optimiser at the start; it falls to 2 % of that"),
          checkpoint,
          integer("checkpoint-every", "", 200, {1, 10000000}, "steps between two checkpoints").advanced()};
}

}  // namespace

cli::App cli::describe() {
  const Parameter hold_out = texts(
      "hold-out", "bones whose names start with one of these are not learnt: the record's measures come from them");
  return {
      "train",
      "trains the shape models and networks that other tools take as --prior and --weights",
      {{"completion",
        "a network that fills defects, trained on bones made of nothing",
        {"train completion -o tiny.completion --steps 5 --bones 2 --unseen 1 --base 8"},
        joined(loopRows(1500, 2, 1.5e-3),
               {integer("bones", "", 80, {1, 10000}, "procedural bones that examples are cut from"),
                integer("unseen", "", 40, {0, 10000}, "examples of other bones that it is judged by"),
                integer("base", "", 16, {8, 64}, "features of the first level, a multiple of 8"),
                integer("levels", "", 3, {2, 5}, "levels, each half as fine as the one before")}),
        runCompletion},
       trainGeneratorJob(),
       {"implicit",
        "a signed distance with a code a shape, trained on bones of one kind",
        {"train implicit meshes -o tiny.implicit --steps 50 --batch 500 --variants 0"},
        joined(
            {inputFolder("meshes", "folder of closed meshes: .stl, .ply, .obj")},
            joined(
                loopRows(6000, 6000, 2e-3),
                {hold_out, flag("mirror", "left and right bones are one kind: each is mirrored where that fits better"),
                 integer("variants", "", 3, {0, 100}, "bent copies of each bone that are learnt besides it"),
                 integer("latent", "", 24, {1, 512}, "numbers in a shape's code"),
                 integer("width", "", 128, {8, 2048}, "features of a layer"),
                 integer("layers", "", 5, {2, 32}, "hidden layers"),
                 integer("frequencies", "", 4, {0, 16}, "Fourier features of a point, each twice as fine").advanced(),
                 number("clamp-mm", "mm", 10, {0.1, 1000}, "distances count up to this").advanced()})),
        runImplicit},
       trainResponseJob(),
       trainSegmentJob(),
       {"shape",
        "a statistical shape model of one kind of bone: mean, components, calibrated uncertainty",
        {"train shape meshes -o tiny.shape --components 10"},
        {inputFolder("meshes",
                     "folder of closed meshes: .stl, .ply, .obj; names up to the first _ tell the person where "
                     "they differ"),
         cli::output({".shape", ".h5"}, "the model in statismo's HDF5 layout"),
         cli::choice("alignment", {"similarity", "rigid"}, "similarity",
                     "similarity leaves the size free, rigid makes it a part of the model"),
         integer("components", "", 120, {1, 500}, "components at most"),
         number("smooth-mm", "mm", 1, {0, 20}, "amplitude of the smooth kernel that widens the samples' covariance"),
         number("smooth-reach", "", 0.1, {0.01, 1}, "its length as a share of the bone's diagonal"),
         number("noise-mm", "mm", 1, {0.01, 10}, "standard deviation of a seen point about the model's surface")
             .advanced()},
        runShape},
       trainSurrogateJob()}};
}

}  // namespace osteo
