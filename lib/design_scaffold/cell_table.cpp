#include "design_scaffold/cell_table.h"

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
std::vector<nlohmann::json> tableRows(const std::string& path, const nlohmann::json& head) {
  std::vector<nlohmann::json> out;
  if (path.empty() || !std::filesystem::exists(path)) return out;
  std::istringstream lines(core::readFile(path));
  std::string line;
  std::getline(lines, line);
  if (nlohmann::json::parse(line, nullptr, false) != head)
    throw core::Error(core::Exit::DataError, {.what = "the checkpoint holds cells of another recipe",
                                              .file = core::baseName(path),
                                              .hint = "give the same options, or another --checkpoint"});
  while (std::getline(lines, line)) {
    nlohmann::json row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_discarded() || row.value("cell", -1) != static_cast<int>(out.size())) break;
    out.push_back(std::move(row));
  }
  return out;
}

namespace {

using nlohmann::json;

json headOf(const CellTableRecipe& recipe) {
  return {{"format", "osteoforge cells 1"},
          {"lattices", recipe.lattices},
          {"elements", recipe.elements},
          {"poisson", recipe.poisson},
          {"seed", recipe.seed}};
}

std::vector<double> flat(const simulate::Matrix6d& m) { return {m.data(), m.data() + m.size()}; }
std::vector<double> flat(const Eigen::Vector3d& v) { return {v.data(), v.data() + v.size()}; }

template <class M>
M matrixOf(const json& values) {
  const auto numbers = values.get<std::vector<double>>();
  M out;
  if (numbers.size() != static_cast<std::size_t>(out.size())) throw std::out_of_range("length");
  std::copy(numbers.begin(), numbers.end(), out.data());
  return out;
}

json toJson(int number, const CellProperties& p) {
  return {{"cell", number},
          {"stiffness", flat(p.stiffness)},
          {"coarse_stiffness", flat(p.coarse_stiffness)},
          {"permeability", flat(p.permeability)},
          {"area", p.area},
          {"strength", flat(p.strength)}};
}

CellProperties fromJson(const json& row) {
  return {matrixOf<simulate::Matrix6d>(row.at("stiffness")), matrixOf<simulate::Matrix6d>(row.at("coarse_stiffness")),
          matrixOf<Eigen::Vector3d>(row.at("permeability")), row.at("area").get<double>(),
          matrixOf<Eigen::Vector3d>(row.at("strength"))};
}

/// The cells that a file holds, in order.
std::vector<CellProperties> readTable(const CellTableRecipe& recipe, const std::string& path) {
  const std::vector<json> rows = tableRows(path, headOf(recipe));
  std::vector<CellProperties> out;
  try {
    for (const json& row : rows) out.push_back(fromJson(row));
  } catch (const std::exception&) {  // what is damaged ends them
  }
  return out;
}

}  // namespace

std::vector<std::string> usualCellLattices() {
  std::vector<std::string> out;
  for (std::size_t t = 0; t < latticeNames().size(); ++t) {
    const auto type = static_cast<LatticeType>(t);
    if (type == LatticeType::Voronoi || type == LatticeType::Spinodoid) continue;
    out.push_back(latticeName({.kind = Kind::Network, .type = type}));
    if (isTpms(type)) out.push_back(latticeName({.kind = Kind::Sheet, .type = type}));
  }
  return out;
}

LatticeSpec latticeSpecNamed(const std::string& name) {
  LatticeSpec spec;
  const std::size_t end = name.rfind('_');
  const std::string kind = end == std::string::npos ? "" : name.substr(end + 1);
  if (kind != "network" && kind != "sheet")
    throw core::Error(core::Exit::Usage, {.what = "a lattice is named by its type and kind",
                                          .expected = "such as gyroid_network or gyroid_sheet",
                                          .got = name});
  spec.type = latticeNamed(name.substr(0, end));
  if (kind == "sheet") spec.kind = Kind::Sheet;
  if (spec.kind == Kind::Sheet && hasStruts(spec.type))
    throw core::Error(core::Exit::Usage, {.what = nameOf(spec.type) + " has no sheet", .got = name});
  return spec;
}

LatticeSpec drawnCell(const CellTableRecipe& recipe, int number) {
  const auto kinds = static_cast<int>(recipe.lattices.size());
  LatticeSpec spec = latticeSpecNamed(recipe.lattices[static_cast<std::size_t>(number % kinds)]);
  const core::Random random(recipe.seed, 5000 + static_cast<std::uint64_t>(number));
  spec.cell_mm = 1;
  spec.volume_fraction = kLeastShare + (kMostShare - kLeastShare) * random.uniform(0);
  spec.fillet = hasStruts(spec.type) ? kMostFillet * random.uniform(1) : 0;
  if (spec.type == LatticeType::Spinodoid) {
    for (int axis = 0; axis < 3; ++axis) {
      const auto a = static_cast<std::uint64_t>(axis);
      spec.cone_deg[axis] = random.uniform(2 + a) < 0.25 ? 0 : 20 + 70 * random.uniform(5 + a);
    }
    if (spec.cone_deg.isZero()) spec.cone_deg.setConstant(90);
  }
  return spec;
}

std::vector<Cell> cellTable(const CellTableRecipe& recipe, const std::string& path) {
  constexpr int kBatch = 8;
  std::vector<CellProperties> done = readTable(recipe, path);
  if (!done.empty()) core::info(fmt::format("goes on behind {} cells", done.size()));
  std::ofstream file;
  if (!path.empty()) {  // written again, so that nothing half stays at its end
    std::string text = headOf(recipe).dump() + "\n";
    for (std::size_t n = 0; n < done.size(); ++n) text += toJson(static_cast<int>(n), done[n]).dump() + "\n";
    core::writeFileAtomic(path, text, true);
    file.open(path, std::ios::app);
  }
  core::Progress progress("cells resolved", recipe.cells);
  progress.set(std::min<std::int64_t>(recipe.cells, static_cast<std::int64_t>(done.size())));
  while (static_cast<int>(done.size()) < recipe.cells) {
    const auto first = static_cast<int>(done.size());
    std::vector<CellProperties> batch(static_cast<std::size_t>(std::min(kBatch, recipe.cells - first)));
    core::parallelFor(static_cast<std::int64_t>(batch.size()), [&](std::int64_t n) {
      batch[static_cast<std::size_t>(n)] =
          resolveCell(drawnCell(recipe, first + static_cast<int>(n)), recipe.elements, recipe.poisson);
      progress.advance();
    });
    for (CellProperties& cell : batch) {
      if (file.is_open()) file << toJson(static_cast<int>(done.size()), cell).dump() << "\n";
      done.push_back(cell);
    }
    if (file.is_open() && !file.flush())
      throw core::Error(core::Exit::IoError, {.what = "the checkpoint can't be written", .file = core::baseName(path)});
  }
  std::vector<Cell> out;
  for (int n = 0; n < recipe.cells; ++n) out.push_back({drawnCell(recipe, n), done[static_cast<std::size_t>(n)]});
  return out;
}

}  // namespace osteo::design_scaffold
