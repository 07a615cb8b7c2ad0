#include "design_scaffold/response_examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/random.h"
#include "simulate/element_energy.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3i;

constexpr double kTolerance = 1e-4;     // of the energy's error
constexpr double kMostTarget = 4;       // of a logarithm
constexpr double kLeastEnergy = 1e-12;  // of the mean: what carries nothing teaches nothing
constexpr int kPerFile = 16;

std::string headOf(const ResponseRecipe& recipe) {
  return fmt::format("osteoforge response cases 1, seed {}\n", recipe.seed);
}

void append(std::string& bytes, const std::vector<float>& values) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

std::string bytesOf(const ResponseRecipe& recipe, const std::vector<ResponseExample>& examples) {
  std::string out = headOf(recipe);
  for (const ResponseExample& e : examples) {
    out.append(reinterpret_cast<const char*>(e.cells.data()), 3 * sizeof(int));
    append(out, e.input), append(out, e.target), append(out, e.weight);
  }
  return out;
}

/// The examples of a file; throws where they are not what was written.
std::vector<ResponseExample> examplesIn(const ResponseRecipe& recipe, const std::string& path, int count) {
  const std::string bytes = core::readFile(path, std::size_t{1} << 30), head = headOf(recipe);
  const auto damaged = [&] {
    throw core::Error(core::Exit::DataError, {.what = "the checkpoint holds cases of another recipe, or is damaged",
                                              .file = core::baseName(path),
                                              .hint = "give the same options, or another --checkpoint"});
  };
  if (!bytes.starts_with(head)) damaged();
  std::size_t at = head.size();
  const auto take = [&](void* to, std::size_t size) {
    if (bytes.size() - at < size) damaged();
    std::memcpy(to, bytes.data() + at, size);
    at += size;
  };
  std::vector<ResponseExample> out(static_cast<std::size_t>(count));
  for (ResponseExample& e : out) {
    take(e.cells.data(), 3 * sizeof(int));
    if ((e.cells.array() < 1).any() || (e.cells.array() > kMostCells).any()) damaged();
    const auto cells = static_cast<std::size_t>(e.cells.prod());
    for (const auto& [values, channels] :
         {std::pair{&e.input, kResponseChannels}, {&e.target, kSubs}, {&e.weight, 2 * kSubs}}) {
      values->resize(static_cast<std::size_t>(channels) * cells);
      take(values->data(), values->size() * sizeof(float));
    }
  }
  if (at != bytes.size()) damaged();
  return out;
}

}  // namespace

FullAnswer solveFully(const simulate::VoxelModel& model, const simulate::Conditions& conditions) {
  const simulate::Operator K(model);
  simulate::SolveOptions options;
  options.tolerance = kTolerance;
  options.stop = simulate::StopBy::Energy;
  simulate::Field u;
  simulate::solve(K, conditions.force, conditions.fixed, options, u);
  const auto entries = simulate::cubicEnergies(K, u);
  FullAnswer out;
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const simulate::Elastic c = model.stiffness.at(e);
    out.energy_n_mm.push_back(c.c11 * entries[e][0] + c.c12 * entries[e][1] + c.c44 * entries[e][2]);
    out.work_n_mm += out.energy_n_mm.back();
  }
  return out;
}

std::optional<CoarseAnswer> solveCoarsely(CoarseBody& body, const simulate::Conditions& conditions) {
  const simulate::Operator K(body.fine());
  const auto own = body.placedOf(K, conditions);
  if (!own) return std::nullopt;
  body.follow();
  return body.solve(*own);
}

ResponseExample drawnExample(const ResponseRecipe& recipe, int number) {
  const auto& kinds = teachingBodies();
  const ResponseCase drawn = drawnResponseCase(kinds[static_cast<std::size_t>(number) % kinds.size()],
                                               core::mix(recipe.seed) + static_cast<std::uint64_t>(number));
  CoarseBody body(*drawn.model);
  const CoarseAnswer answer = *solveCoarsely(body, drawn.conditions);  // the case is sound
  const FullAnswer full = solveFully(*drawn.model, drawn.conditions);
  ResponseExample out;
  out.cells = body.cells();
  out.input = responseInput(body, answer);
  const std::vector<std::int64_t> elements = elementsOfOutput(body);
  out.target.assign(elements.size(), 0.0F), out.weight.assign(2 * elements.size(), 0.0F);
  const double own = underEqualForce(answer, full.work_n_mm), coarse = underEqualForce(answer, answer.work_n_mm);
  double roots = 0, sum = 0;
  for (const double e : full.energy_n_mm) roots += std::sqrt(std::max(0.0, e));
  for (const double e : answer.energy_n_mm) sum += e;
  const double mean = roots / static_cast<double>(full.energy_n_mm.size());
  for (std::size_t v = 0; v < elements.size(); ++v) {
    if (elements[v] < 0) continue;
    const auto e = static_cast<std::size_t>(elements[v]);
    if (full.energy_n_mm[e] <= kLeastEnergy * mean * mean || answer.energy_n_mm[e] <= 0) continue;
    out.target[v] = static_cast<float>(std::clamp(
        std::log(full.energy_n_mm[e] * own) - std::log(answer.energy_n_mm[e] * coarse), -kMostTarget, kMostTarget));
    out.weight[v] = static_cast<float>(std::clamp(std::sqrt(full.energy_n_mm[e]) / mean, 0.1, 5.0));
    out.weight[elements.size() + v] = static_cast<float>(answer.energy_n_mm[e] / sum);
  }
  return out;
}

std::vector<ResponseExample> drawnExamples(const ResponseRecipe& recipe, const std::string& folder) {
  std::vector<ResponseExample> out;
  core::Progress progress("cases solved", recipe.cases);
  for (int first = 0; first < recipe.cases; first += kPerFile) {
    const int count = std::min(kPerFile, recipe.cases - first);
    const std::string path = fmt::format("{}/cases-{:06}-{:02}.bin", folder, first, count);
    std::vector<ResponseExample> batch(static_cast<std::size_t>(count));
    if (!folder.empty() && std::filesystem::exists(path)) {
      batch = examplesIn(recipe, path, count);
    } else {
      core::parallelFor(count, [&](std::int64_t n) {
        batch[static_cast<std::size_t>(n)] = drawnExample(recipe, first + static_cast<int>(n));
      });
      if (!folder.empty()) core::writeFileAtomic(path, bytesOf(recipe, batch), true);
    }
    for (ResponseExample& e : batch) out.push_back(std::move(e));
    progress.set(first + count);
  }
  return out;
}

ResponseExample turned(const ResponseExample& example, const Turn& turn) {
  ResponseExample out;
  for (std::size_t c = 0; c < 3; ++c) out.cells[static_cast<int>(c)] = example.cells[turn.order[c]];
  const auto count = static_cast<std::size_t>(example.cells.prod());
  const auto from = [&](const Vector3i& at, const Vector3i& size) {  // place on the old grid
    Vector3i old;
    for (int c = 0; c < 3; ++c)
      old[turn.order[static_cast<std::size_t>(c)]] = (turn.mirrored >> c & 1) != 0 ? size[c] - 1 - at[c] : at[c];
    return old;
  };
  const auto placeOf = [](const Vector3i& at, const Vector3i& size) {
    return static_cast<std::size_t>(at[0] + size[0] * (at[1] + size[1] * at[2]));
  };
  const auto grid = [](std::size_t n, const Vector3i& size) {
    const auto v = static_cast<int>(n);
    return Vector3i(v % size[0], v / size[0] % size[1], v / size[0] / size[1]);
  };
  std::vector<std::size_t> cell(count), sub(kSubs);
  for (std::size_t n = 0; n < count; ++n) cell[n] = placeOf(from(grid(n, out.cells), out.cells), example.cells);
  const Vector3i four = Vector3i::Constant(kSub);
  for (std::size_t n = 0; n < kSubs; ++n) sub[n] = placeOf(from(grid(n, four), four), four);
  const auto move = [&](const std::vector<float>& old, std::vector<float>& to, std::size_t channel, std::size_t source,
                        float sign) {
    for (std::size_t n = 0; n < count; ++n) to[channel * count + n] = sign * old[source * count + cell[n]];
  };
  out.input.resize(example.input.size()), out.target.resize(example.target.size());
  out.weight.resize(example.weight.size());
  for (std::size_t n = 0; n < kSubs; ++n) {
    move(example.input, out.input, n, sub[n], 1);
    move(example.target, out.target, n, sub[n], 1);
    move(example.weight, out.weight, n, sub[n], 1);
    move(example.weight, out.weight, kSubs + n, kSubs + sub[n], 1);
  }
  const float all = turn.negative ? -1.0F : 1.0F;
  for (std::size_t c = 0; c < 3; ++c) {
    move(example.input, out.input, kSubs + c, kSubs + static_cast<std::size_t>(turn.order[c]), all);
    // A shear is named by the axis that it leaves out; it changes sign with one of its own two.
    const bool flips = ((turn.mirrored >> ((c + 1) % 3) & 1) != 0) != ((turn.mirrored >> ((c + 2) % 3) & 1) != 0);
    move(example.input, out.input, kSubs + 3 + c, kSubs + 3 + static_cast<std::size_t>(turn.order[c]),
         flips ? -all : all);
  }
  for (std::size_t n = kSubs + 6; n < kResponseChannels; ++n) move(example.input, out.input, n, n, 1);
  return out;
}

}  // namespace osteo::design_scaffold
