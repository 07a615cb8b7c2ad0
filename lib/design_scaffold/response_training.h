#pragma once
#include "design_scaffold/response_examples.h"
#include "learn/training.h"

namespace osteo::design_scaffold {

struct ResponseTraining {
  learn::TrainingOptions loop;
  ResponseRecipe recipe;
  int calibrating = 150, judging = 150;  ///< cases of bodies that nothing was learnt of
  int width = 40, blocks = 2;
  std::int64_t judge_every = 250;
  std::string folder = {};  ///< keeps the cases; may be empty
};

struct ResponseTrained {
  learn::Weights weights;
  nlohmann::json curve = nlohmann::json::array();
};

/// One case by the network and by larger elements alone, against the solver. Errors are logarithms.
struct JudgedResponse {
  std::string kind;
  double work = 0, peak = 0, field = 0;                       ///< of the network
  double coarse_work = 0, coarse_peak = 0, coarse_field = 0;  ///< of larger elements
  double work_factor = 1, peak_factor = 1;                    ///< that hold 90 %, by the network
  std::vector<double> element;                                ///< |logarithm of energy| over that of the factor
};
/// `peak` is the 98th percentile over the elements of von Mises stress, `field` the root mean square error of the root
/// of energy density over its root mean square. Nothing where larger elements can't be held.
std::optional<JudgedResponse> judgeResponse(const ResponseSurrogate& surrogate, const ResponseCase& given);

/// Medians, 90th percentiles and held shares over cases.
nlohmann::json summary(const std::vector<JudgedResponse>& judged);

/// Learns from procedural implants (response_cases.h), sets the 90 % intervals on kinds of bodies that it hasn't learnt
/// (split conformal: Lei et al., J Am Stat Assoc 113 (2018) 1094-1111), and judges on others again.
ResponseTrained trainResponse(const ResponseTraining& training);

}  // namespace osteo::design_scaffold
