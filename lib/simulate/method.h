#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "simulate/study.h"

namespace osteo::simulate {

/// How a case is solved: in full, or by coarse grids as long as their expected error is at most `accuracy`.
struct Method {
  bool is_predicted = false;
  double accuracy = 0;
};

struct Job {
  Study& study;
  Study* intact;  ///< the bone before it was implanted, for stress shielding; may be null
  Method method;
  SolveOptions options;
};

/// Solves or predicts a case of the study. `results` takes its record as cases.<name>, that of the intact bone as
/// intact.<name>, and at the top what a standard test is asked for. Without a return value the record is the
/// prediction's; that of a full solve which a prediction did not spare keeps it as "prediction", with the true "error"
/// beside the expected one.
std::optional<Study::Solved> solveBy(const Job& job, const LoadCase& load_case, nlohmann::json& results);

}  // namespace osteo::simulate
