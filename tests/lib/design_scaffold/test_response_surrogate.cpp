#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "design_scaffold/response_training.h"
#include "simulate/element_energy.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using nlohmann::json;

TEST_CASE("debug kinds", "[.][kinds]") {
  for (const auto* kinds : {&teachingBodies(), &calibratingBodies(), &judgingBodies()})
    for (const std::string& kind : *kinds)
      for (std::uint64_t n = 0; n < 6; ++n) {
        const ResponseCase c = drawnResponseCase(kind, 1000 + n);
        std::string line = kind + " " + std::to_string(c.model->elements);
        const FullAnswer full = solveFully(*c.model, c.conditions);
        for (const int factor : {4, 3, 2, 1}) {
          CoarseBody body(*c.model, factor);
          const auto answer = solveCoarsely(body, c.conditions);
          if (!answer) {
            line += " none";
            continue;
          }
          double sum = 0, off = 0;
          const double by = answer->is_moved ? full.work_n_mm / answer->work_n_mm : 1;
          for (std::size_t e = 0; e < full.energy_n_mm.size(); ++e)
            sum += answer->energy_n_mm[e], off += std::pow(by * std::sqrt(answer->energy_n_mm[e]) - std::sqrt(full.energy_n_mm[e]), 2);
          line += " | " + std::to_string(answer->work_n_mm / full.work_n_mm) + " " + std::to_string(sum / full.work_n_mm) + " " +
                  std::to_string(std::sqrt(off / full.work_n_mm)) + (answer->is_moved ? "m" : "");
        }
        printf("%s\n", line.c_str());
      }
}
