#include "design_scaffold/cell_block.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <numbers>

#include "core/error.h"
#include "design_scaffold/lattice.h"
#include "picture/render.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using simulate::Matrix6d;

/// Young's modulus from one axis towards another and beyond, over half a turn.
picture::Series around(const std::string& name, const Matrix6d& stiffness, int from, int towards) {
  constexpr int kSteps = 90;
  picture::Series out{name, {}, {}};
  for (int step = 0; step <= kSteps; ++step) {
    const double angle = std::numbers::pi * step / kSteps;
    out.x.push_back(180.0 * step / kSteps);
    out.y.push_back(
        modulusAlong(stiffness, std::cos(angle) * Vector3d::Unit(from) + std::sin(angle) * Vector3d::Unit(towards)));
  }
  return out;
}

}  // namespace

levelset::LevelSet cellBlock(const StretchedCell& cell, double cell_mm, int cells, double voxel_mm) {
  const Vector3d sides = cell_mm * cell.stretch, box = cells * sides;
  const double shortest = sides.minCoeff(), voxel = voxel_mm > 0 ? voxel_mm : shortest / 48;
  if (voxel > shortest / 6)
    throw core::Error(core::Exit::Config, {.what = "the voxel is too coarse for the cell",
                                           .expected = fmt::format("--voxel-mm up to {:.3g}", shortest / 6),
                                           .got = fmt::format("{:.3g}", voxel)});
  LatticeSpec spec = cell.spec;
  spec.cell_mm = 1;
  spec.origin_mm.setZero();
  const Lattice lattice(spec);
  const auto f = [&](const Vector3d& p) {
    const double outside = (-p).cwiseMax(p - box).maxCoeff();
    return std::max(outside, lattice.distanceAt(p.cwiseQuotient(sides)) * shortest);
  };
  const Vector3d margin = Vector3d::Constant(4 * voxel);
  return levelset::fromFunction(f, -margin, box + margin, voxel);
}

double modulusAlong(const Matrix6d& stiffness, const Vector3d& n) {
  simulate::Vector6d pull;
  pull << n[0] * n[0], n[1] * n[1], n[2] * n[2], n[1] * n[2], n[0] * n[2], n[0] * n[1];
  return 1 / pull.dot(stiffness.ldlt().solve(pull));
}

void draw(const Inverted& inverted, const CellTarget& target, const levelset::LevelSet& block,
          const std::string& png_path) {
  constexpr int kWidth = 520, kHeight = 420;
  const mesh::TriangleMesh mesh = levelset::toMesh(block);
  std::vector<picture::Canvas> pictures;
  std::vector<std::string> captions;
  const picture::Actor cell{.mesh = &mesh, .color = {176, 186, 200}};
  pictures.push_back(picture::render({cell}, {.width_px = kWidth, .height_px = kHeight}));
  captions.push_back(
      fmt::format("{}, {:.1f} % off", latticeName(inverted.chosen().cell.spec), 100 * inverted.chosen().error));
  const double E = target.solid.modulus_mpa;
  const char* const names[] = {"x", "y", "z"};
  for (int plane = 0; plane < 3; ++plane) {
    const int from = plane, towards = (plane + 1) % 3;
    pictures.push_back(picture::plot({around("wanted", E * inverted.wanted, from, towards),
                                      around("delivered", E * inverted.chosen().delivered, from, towards),
                                      around("predicted", E * inverted.chosen().predicted, from, towards)},
                                     fmt::format("degrees from {} to {}", names[from], names[towards]),
                                     "Young's modulus, MPa", kWidth, kHeight));
    captions.push_back(fmt::format("in the plane of the cell's {} and {}", names[from], names[towards]));
  }
  picture::writePng(picture::tile(pictures, captions, 2), png_path);
}

}  // namespace osteo::design_scaffold
