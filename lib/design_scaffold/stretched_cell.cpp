#include "design_scaffold/stretched_cell.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/random.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using nlohmann::json;
using simulate::Matrix6d;

json headOf(const CellTableRecipe& recipe) {
  return {{"format", "osteoforge stretched cells 2"},
          {"lattices", recipe.lattices},
          {"elements", recipe.elements},
          {"poisson", recipe.poisson},
          {"seed", recipe.seed}};
}

json rowOf(std::size_t number, const Matrix6d& stiffness) {
  return {{"cell", number}, {"stiffness", std::vector<double>(stiffness.data(), stiffness.data() + stiffness.size())}};
}

/// The stiffnesses that a file holds, in order.
std::vector<Matrix6d> readTable(const CellTableRecipe& recipe, const std::string& path) {
  std::vector<Matrix6d> out;
  for (const json& row : tableRows(path, headOf(recipe))) {
    const auto numbers = row.value("stiffness", std::vector<double>());
    if (numbers.size() != 36) break;
    out.emplace_back(Eigen::Map<const Matrix6d>(numbers.data()));
  }
  return out;
}

}  // namespace

ShapeNumbers shapeOf(const StretchedCell& cell) {
  return {std::log(cell.stretch[0]), std::log(cell.stretch[1]), hasStruts(cell.spec.type) ? cell.spec.fillet : 0};
}

StretchedCell cellOfShape(const LatticeSpec& spec, const ShapeNumbers& shape) {
  StretchedCell out{spec, Vector3d(shape[0], shape[1], -shape[0] - shape[1]).array().exp()};
  out.spec.fillet = hasStruts(spec.type) ? shape[2] : 0;
  return out;
}

ShapeNumbers boundedShape(const LatticeSpec& spec, ShapeNumbers shape) {
  const double third = -shape[0] - shape[1];
  const double range = std::max({shape[0], shape[1], third}) - std::min({shape[0], shape[1], third});
  const double most = std::log(kMostStretch);
  if (range > most) shape.head<2>() *= most / range;
  shape[2] = hasStruts(spec.type) ? std::clamp(shape[2], 0.0, kMostFillet) : 0;
  return shape;
}

StretchedCell drawnStretchedCell(const CellTableRecipe& recipe, int number) {
  const core::Random random(recipe.seed, 7000000 + static_cast<std::uint64_t>(number));
  Vector3d sides;
  for (int axis = 0; axis < 3; ++axis)
    sides[axis] = std::log(kMostStretch) * random.uniform(static_cast<std::uint64_t>(axis));
  return {drawnCell(recipe, number), (sides.array() - sides.mean()).exp()};
}

void requireCubic(const std::vector<std::string>& lattices) {
  for (const std::string& name : lattices) {
    const LatticeType type = latticeSpecNamed(name).type;
    if (type == LatticeType::Voronoi || type == LatticeType::Spinodoid)
      throw core::Error(core::Exit::Usage, {.what = "the generator learns lattices whose axes are alike",
                                            .expected = "a surface or a unit cell of struts",
                                            .got = name});
  }
}

std::vector<SolvedCell> stretchedTable(const CellTableRecipe& recipe, const std::string& path) {
  constexpr int kBatch = 8;
  const auto count = static_cast<std::size_t>(recipe.cells);
  std::vector<Matrix6d> done = readTable(recipe, path);
  if (!done.empty()) core::info(fmt::format("goes on behind {} cells", done.size()));
  std::ofstream file;
  if (!path.empty()) {  // written again, so that nothing half stays at its end
    std::string text = headOf(recipe).dump() + "\n";
    for (std::size_t n = 0; n < done.size(); ++n) text += rowOf(n, done[n]).dump() + "\n";
    core::writeFileAtomic(path, text, true);
    file.open(path, std::ios::app);
  }
  core::Progress progress("stretched cells solved", recipe.cells);
  progress.set(static_cast<std::int64_t>(std::min(count, done.size())));
  while (done.size() < count) {
    const std::size_t first = done.size();
    std::vector<Matrix6d> batch(std::min<std::size_t>(kBatch, count - first));
    core::parallelFor(static_cast<std::int64_t>(batch.size()), [&](std::int64_t n) {
      const StretchedCell cell = drawnStretchedCell(recipe, static_cast<int>(first) + static_cast<int>(n));
      batch[static_cast<std::size_t>(n)] = meshFreeStiffness(cell.spec, cell.stretch, recipe.elements, recipe.poisson);
      progress.advance();
    });
    for (const Matrix6d& stiffness : batch) {
      if (file.is_open()) file << rowOf(done.size(), stiffness).dump() << "\n";
      done.push_back(stiffness);
    }
    if (file.is_open() && !file.flush())
      throw core::Error(core::Exit::IoError, {.what = "the checkpoint can't be written", .file = core::baseName(path)});
  }
  std::vector<SolvedCell> out;
  for (std::size_t n = 0; n < count; ++n) out.push_back({drawnStretchedCell(recipe, static_cast<int>(n)), done[n]});
  return out;
}

SolvedCell turned(const SolvedCell& cell) {
  Eigen::Matrix3d turn = Eigen::Matrix3d::Zero();  // its rows are the new axes
  for (int axis = 0; axis < 3; ++axis) turn(axis, (axis + 1) % 3) = 1;
  return {{cell.cell.spec, turn * cell.cell.stretch}, simulate::rotated(cell.stiffness, turn)};
}

}  // namespace osteo::design_scaffold
