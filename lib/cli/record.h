#pragma once
#include <nlohmann/json_fwd.hpp>

#include "cli/app.h"

namespace osteo::cli {

struct Call {
  const App& app;
  const Job& job;
  const nlohmann::json& parameters;
};

/// The run record, shaped like RO-Crate's CreateAction: instrument, object (inputs), result (outputs), parameters,
/// seed, warnings, results and the execution block. Names of folders never enter: they can hold a patient's name.
nlohmann::json makeRecord(const Call& call, const nlohmann::json& result, const nlohmann::json& results);

}  // namespace osteo::cli
