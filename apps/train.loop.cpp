#include "train.loop.h"

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "picture/render.h"

namespace osteo {

learn::TrainingOptions loopOf(const cli::Context& ctx, const std::string& file) {
  learn::TrainingOptions out;
  out.steps = ctx.integer("steps");
  out.batch = ctx.integer("batch");
  out.rate = ctx.number("rate");
  out.seed = ctx.seed();
  if (ctx.given("checkpoint")) out.checkpoint = ctx.text("checkpoint") + (file.empty() ? "" : "/" + file);
  out.checkpoint_every = ctx.integer("checkpoint-every");
  return out;
}

cli::Parameter checkpointFolder(const std::string& what) {
  cli::Parameter out =
      cli::text("checkpoint", "", "folder that keeps " + what + " and state; a run that finds it goes on from there");
  out.type = cli::Type::Folder;
  return out;
}

void writeCurve(const nlohmann::json& curve, const std::string& folder, const std::vector<CurveLine>& lines,
                const std::string& unit) {
  std::string text;
  std::vector<picture::Series> series;
  for (const CurveLine& line : lines) series.push_back({line.name, {}, {}});
  for (const auto& row : curve) {
    text += row.dump() + "\n";
    for (std::size_t n = 0; n < lines.size(); ++n) {
      series[n].x.push_back(row.at("step").get<double>());
      series[n].y.push_back(row.at(lines[n].member).get<double>());
    }
  }
  if (text.empty()) return;
  core::writeFile(folder + "/curve.jsonl", text);
  picture::writePng(picture::plot(series, "step", unit), folder + "/curve.png");
}

}  // namespace osteo
