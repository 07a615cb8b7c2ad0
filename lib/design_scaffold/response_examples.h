#pragma once
#include <string>
#include <vector>

#include "design_scaffold/response_cases.h"
#include "design_scaffold/response_surrogate.h"

namespace osteo::design_scaffold {

/// A case solved on its own elements.
struct FullAnswer {
  double work_n_mm = 0;
  std::vector<double> energy_n_mm;  ///< of the elements
};
FullAnswer solveFully(const simulate::VoxelModel& model, const simulate::Conditions& conditions);

/// The same on elements `factor` times as large; nothing where these can't be held.
std::optional<CoarseAnswer> solveCoarsely(CoarseBody& body, const simulate::Conditions& conditions);

constexpr int kMostCells = 8;  ///< larger elements along an axis of an example, at most

/// What the network learns from a case, as its input lies.
struct ResponseExample {
  Eigen::Vector3i cells;
  std::vector<float> input;   ///< kResponseChannels
  std::vector<float> target;  ///< kSubs: logarithm of the energy over that of the larger elements, under the same force
  std::vector<float> weight;  ///< 2 kSubs: how much a point counts, then its share of the energy of the larger elements
};

struct ResponseRecipe {
  int cases = 1200;  ///< that teach; of ten one chooses the best step
  std::uint64_t seed = 0;
};
/// Case `number` of a recipe, in turn of teachingBodies().
ResponseExample drawnExample(const ResponseRecipe& recipe, int number);
/// All of a recipe; `folder` keeps what is done, some cases a file, and is gone on from; "" without. Throws DataError
/// for a folder of another recipe.
std::vector<ResponseExample> drawnExamples(const ResponseRecipe& recipe, const std::string& folder);

/// The example with its axes in another order and turned about: new axis c is old axis order[c], mirrored where the bit
/// c is set; `negative` turns displacements around.
struct Turn {
  std::array<int, 3> order = {0, 1, 2};
  int mirrored = 0;
  bool negative = false;
};
ResponseExample turned(const ResponseExample& example, const Turn& turn);

}  // namespace osteo::design_scaffold
