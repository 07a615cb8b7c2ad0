#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/context.h"
#include "learn/training.h"

/// What the trainings of apps/train share.
namespace osteo {

/// The loop's options; its checkpoint is --checkpoint, or this file in it.
learn::TrainingOptions loopOf(const cli::Context& ctx, const std::string& file = "");

/// --checkpoint as a folder that keeps `what` and the loop's state.
cli::Parameter checkpointFolder(const std::string& what);

/// A line of the curve's picture: its name, and the member of the curve's rows that it shows.
struct CurveLine {
  std::string name, member;
};

/// The learning curve as curve.jsonl and curve.png in the folder; nothing where it has no rows.
void writeCurve(const nlohmann::json& curve, const std::string& folder, const std::vector<CurveLine>& lines,
                const std::string& unit);

}  // namespace osteo
