#include "design_scaffold/cell.h"

#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "design_scaffold/cell_table.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using simulate::Matrix6d;

namespace {

Matrix6d isotropic(double modulus, double poisson) {
  const simulate::Elastic e = simulate::isotropic(modulus, poisson);
  Matrix6d out = Matrix6d::Zero();
  out.topLeftCorner<3, 3>().setConstant(e.c12);
  out.diagonal() << e.c11, e.c11, e.c11, e.c44, e.c44, e.c44;
  return out;
}

}  // namespace

TEST_CASE("a stiffness comes back from its logarithm, and any numbers make a positive one") {
  const Matrix6d C = isotropic(1000, 0.3);
  REQUIRE(tensorError(stiffnessOfLog(logOfStiffness(C)), C) < 1e-12);
  // Mandel's eigenvalues of an isotropic tensor: 3K once and 2G five times.
  const Log21 log = logOfStiffness(C);
  REQUIRE(log[15] == Approx(std::log(1000 / 1.3)).epsilon(1e-12));
  const Matrix6d any = stiffnessOfLog(Log21::LinSpaced(-2, 1));
  REQUIRE(any.isApprox(any.transpose()));
  REQUIRE(Eigen::SelfAdjointEigenSolver<Matrix6d>(any).eigenvalues().minCoeff() > 0);
}

TEST_CASE("the error of a tensor doesn't depend on the frame") {
  Matrix6d A = isotropic(10, 0.2), B = isotropic(12, 0.35);
  A(0, 0) += 5, B(3, 3) += 1;
  const Eigen::Matrix3d R = Eigen::AngleAxisd(0.7, Eigen::Vector3d(1, 2, 3).normalized()).toRotationMatrix();
  REQUIRE(tensorError(simulate::rotated(A, R), simulate::rotated(B, R)) == Approx(tensorError(A, B)).epsilon(1e-12));
  REQUIRE(tensorError(A, A) == 0);
  REQUIRE(tensorError(2 * A, A) == Approx(1));
}

TEST_CASE("a cell has its solid share, and the stiffness that is known of it") {
  const LatticeSpec spec{.cell_mm = 1, .volume_fraction = 0.309082};
  REQUIRE(cellCube(spec, 32).porosity() == Approx(1 - 0.309082).margin(1e-3));
  // Known for elements that are whole or empty, N 32; elements cut by their solid share lie 4 to 6 % higher there.
  const CellProperties p = resolveCell(spec, 32, 0.3);
  REQUIRE(p.stiffness(0, 0) == Approx(0.1061898).epsilon(0.07));
  REQUIRE(p.stiffness(0, 1) == Approx(0.0519909).epsilon(0.07));
  REQUIRE(p.stiffness(3, 3) == Approx(0.0435024).epsilon(0.07));
  REQUIRE(tensorError(p.coarse_stiffness, p.stiffness) > 0.02);
  REQUIRE(p.strength[0] == Approx(p.strength[2]).epsilon(1e-2));
  REQUIRE(p.strength[0] < 0.309082);
}

TEST_CASE("a table of cells goes on behind a line that was cut off") {
  const std::string path = (std::filesystem::temp_directory_path() / "osteo_cells.jsonl").string();
  std::filesystem::remove(path);
  CellTableRecipe recipe{.lattices = {"gyroid_sheet", "bcc_network"}, .cells = 3, .elements = 8};
  cellTable(recipe, path);
  const std::string whole = core::readFile(path);
  core::writeFile(path, whole.substr(0, whole.size() - 100));
  const std::vector<Cell> cells = cellTable(recipe, path);
  REQUIRE(core::readFile(path) == whole);
  REQUIRE(cells[1].spec.type == LatticeType::Bcc);
  REQUIRE(cells[2].properties.stiffness == cellTable(recipe, "")[2].properties.stiffness);
  recipe.seed = 1;
  REQUIRE_THROWS_AS(cellTable(recipe, path), core::Error);
  std::filesystem::remove(path);
}
