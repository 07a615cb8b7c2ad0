#include "design_scaffold/cell_target.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/schema.h"
#include "design_scaffold/cell.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;
using simulate::Matrix6d;

[[noreturn]] void refuse(const std::string& file, const std::string& what, const std::string& expected,
                         const std::string& got) {
  throw core::Error(core::Exit::Config, {.what = what, .file = core::baseName(file), .expected = expected, .got = got});
}

Matrix6d tensorOf(const json& rows, const std::string& file) {
  constexpr double kAlike = 1e-6;
  Matrix6d out;
  for (int row = 0; row < 6; ++row)
    for (int column = 0; column < 6; ++column) out(row, column) = rows[row][column].get<double>();
  const double most = out.cwiseAbs().maxCoeff();
  for (int row = 0; row < 6; ++row)
    for (int column = 0; column < row; ++column)
      if (!(std::abs(out(row, column) - out(column, row)) <= kAlike * most))
        refuse(file, "stiffness_tensor_mpa is not symmetric", "the same number in both places",
               fmt::format("{:g} in row {}, column {} and {:g} in row {}, column {}", out(row, column), row + 1,
                           column + 1, out(column, row), column + 1, row + 1));
  out = (0.5 * (out + out.transpose())).eval();
  const double least = Eigen::SelfAdjointEigenSolver<Matrix6d>(mandel(out)).eigenvalues().minCoeff();
  if (!(least > kAlike * most))
    refuse(file, "stiffness_tensor_mpa is not positive definite", "a stiffness under every load",
           fmt::format("{:.4g} MPa under its softest", least));
  return out;
}

SolidPhase solidOf(const json& in, const ImplantLibrary& library, const std::string& file) {
  if (!in.contains("youngs_modulus_mpa") && !in.contains("poisson_ratio"))
    return solidPhase(library, in.value("material", "ti6al4v"));
  if (in.contains("material"))
    refuse(file, "the solid is named twice", "material, or youngs_modulus_mpa with poisson_ratio", "both");
  if (!in.contains("youngs_modulus_mpa") || !in.contains("poisson_ratio"))
    refuse(file, "half of the solid's constants are missing", "youngs_modulus_mpa and poisson_ratio", "one of them");
  return {"", in["youngs_modulus_mpa"].get<double>(), in["poisson_ratio"].get<double>(), 0};
}

Matrix6d isotropicTensor(const IsotropicModuli& m) {
  Matrix6d out = Matrix6d::Zero();
  out.topLeftCorner<3, 3>().setConstant(m.bulk_mpa - 2 * m.shear_mpa / 3);
  out.diagonal().head<3>().array() += 2 * m.shear_mpa;
  out.diagonal().tail<3>().setConstant(m.shear_mpa);
  return out;
}

/// The isotropic tensor that is nearest in Mandel's norm.
IsotropicModuli nearestIsotropic(const Matrix6d& voigt) {
  const double dilation = voigt.topLeftCorner<3, 3>().sum() / 3, trace = mandel(voigt).trace();
  return {dilation / 3, (trace - dilation) / 10};
}

}  // namespace

double mostTimesStiffer(const Matrix6d& stiffness, const Matrix6d& bound) {
  return Eigen::GeneralizedSelfAdjointEigenSolver<Matrix6d>(mandel(stiffness), mandel(bound)).eigenvalues().maxCoeff();
}

IsotropicModuli hashinShtrikman(const IsotropicModuli& solid, double share) {
  const double K = solid.bulk_mpa, G = solid.shear_mpa, pores = 1 - share;
  return {K + pores / (-1 / K + 3 * share / (3 * K + 4 * G)),
          G + pores / (-1 / G + 6 * share * (K + 2 * G) / (5 * G * (3 * K + 4 * G)))};
}

void requireBelowBounds(const CellTarget& target, const std::string& file) {
  constexpr double kSlack = 1 + 1e-6, kIsotropic = 1e-3;
  const double E = target.solid.modulus_mpa, nu = target.solid.poisson, share = 1 - target.porosity;
  const IsotropicModuli solid{E / (3 - 6 * nu), E / (2 + 2 * nu)};
  const double times = mostTimesStiffer(target.stiffness_mpa, share * isotropicTensor(solid));
  if (times > kSlack)
    refuse(file, "no structure is that stiff at this porosity (Voigt's bound)",
           fmt::format("at most {:.3g} times the solid's stiffness under every load", share),
           fmt::format("{:.3g} times under one", times * share));
  const IsotropicModuli wanted = nearestIsotropic(target.stiffness_mpa);
  if (tensorError(isotropicTensor(wanted), target.stiffness_mpa) > kIsotropic) return;
  const IsotropicModuli most = hashinShtrikman(solid, share);
  if (wanted.bulk_mpa > kSlack * most.bulk_mpa || wanted.shear_mpa > kSlack * most.shear_mpa)
    refuse(file, "no isotropic structure is that stiff at this porosity (Hashin and Shtrikman's bounds)",
           fmt::format("a bulk modulus up to {:.4g} MPa and a shear modulus up to {:.4g} MPa", most.bulk_mpa,
                       most.shear_mpa),
           fmt::format("{:.4g} and {:.4g} MPa", wanted.bulk_mpa, wanted.shear_mpa));
}

CellTarget readCellTarget(const std::string& path, const ImplantLibrary& library) {
  constexpr std::size_t kLargest = std::size_t{1} << 20;
  const std::string schema_path = core::configsFolder() + "/schema/target.json";
  const json schema = core::parseJson(core::readFile(schema_path), schema_path, core::Exit::Config);
  const json in = core::parseJson(core::readFile(path, kLargest), path, core::Exit::Config, true);
  core::validateJson(schema, in, path, core::Exit::Config);
  CellTarget out;
  out.stiffness_mpa = tensorOf(in["stiffness_tensor_mpa"], path);
  out.porosity = in["porosity"].get<double>();
  out.solid = solidOf(in, library, path);
  out.cell_mm = in.value("cell_mm", out.cell_mm);
  out.tolerance = 0.01 * in.value("tolerance_percent", 100 * out.tolerance);
  requireBelowBounds(out, path);
  return out;
}

}  // namespace osteo::design_scaffold
