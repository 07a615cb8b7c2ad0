#include "segment/sheetness.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "image/filters.h"
#include "image/resample.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

constexpr int kBlock = 48;  ///< edge of a block in voxels

/// Second derivatives in HU/mm² by central differences; the border counts as repeated.
Eigen::Matrix3d hessian(const CtVolume& ct, const Vector3i& at) {
  const auto value = [&](const Vector3i& step) {
    const Vector3i v = (at + step).cwiseMax(0).cwiseMin(ct.frame.size - Vector3i::Ones());
    return static_cast<double>(ct.at(v[0], v[1], v[2]));
  };
  Eigen::Matrix3d out;
  for (int a = 0; a < 3; ++a) {
    const Vector3i ea = Vector3i::Unit(a);
    const double ha = ct.frame.spacing_mm[a];
    out(a, a) = (value(ea) - 2 * value(Vector3i::Zero()) + value(-ea)) / (ha * ha);
    for (int b = 0; b < a; ++b) {
      const Vector3i eb = Vector3i::Unit(b);
      const double cross = value(ea + eb) - value(ea - eb) - value(eb - ea) + value(-ea - eb);
      out(a, b) = out(b, a) = cross / (4 * ha * ct.frame.spacing_mm[b]);
    }
  }
  return out;
}

double plate(const Eigen::Matrix3d& second, double sigma_mm, double contrast_hu) {
  Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver;
  solver.computeDirect(second, Eigen::EigenvaluesOnly);
  const Vector3d l = solver.eigenvalues();  // ascending: a bright plate has one that is far below nought
  const double strongest = -l[0], next = std::max(std::abs(l[1]), std::abs(l[2]));
  if (strongest <= 0 || next >= strongest) return 0;
  const double flat = next / strongest, strength = sigma_mm * sigma_mm * strongest / contrast_hu;
  return std::exp(-2 * flat * flat) * (1 - std::exp(-strength * strength / 2));
}

void blockSheetness(const CtVolume& ct, const LabelVolume& where, const Sheets& how, const image::Box& block,
                    image::Volume<std::uint8_t>& out) {
  for (const double sigma_mm : how.sigma_mm) {
    const Vector3i halo = (4 * sigma_mm * ct.frame.spacing_mm.cwiseInverse()).array().ceil().cast<int>() + 2;
    const image::Box box = block.grown(halo).within(ct.frame);
    const CtVolume smooth = image::gaussian(image::crop(ct, box, 0.0f), sigma_mm);
    const Vector3i last = block.low + block.size;
    Vector3i v;
    for (v[2] = block.low[2]; v[2] < last[2]; ++v[2]) {
      for (v[1] = block.low[1]; v[1] < last[1]; ++v[1]) {
        for (v[0] = block.low[0]; v[0] < last[0]; ++v[0]) {
          if (!where.at(v[0], v[1], v[2])) continue;
          const double p = plate(hessian(smooth, v - box.low), sigma_mm, how.contrast_hu);
          std::uint8_t& best = out.at(v[0], v[1], v[2]);
          best = std::max(best, static_cast<std::uint8_t>(std::lround(255 * p)));
        }
      }
    }
  }
}

bool anyIn(const LabelVolume& mask, const image::Box& box) {
  for (int k = box.low[2]; k < box.low[2] + box.size[2]; ++k) {
    for (int j = box.low[1]; j < box.low[1] + box.size[1]; ++j) {
      const std::uint16_t* row = &mask.at(box.low[0], j, k);
      if (std::any_of(row, row + box.size[0], [](std::uint16_t m) { return m != 0; })) return true;
    }
  }
  return false;
}

}  // namespace

image::Volume<std::uint8_t> sheetness(const CtVolume& ct, const LabelVolume& where, const Sheets& how) {
  image::Volume<std::uint8_t> out(ct.frame);
  const Vector3i blocks = (ct.frame.size.array() + kBlock - 1) / kBlock;
  core::parallelFor(std::int64_t{blocks[0]} * blocks[1] * blocks[2], [&](std::int64_t b) {
    const auto id = static_cast<int>(b);
    const Vector3i place(id % blocks[0], id / blocks[0] % blocks[1], id / (blocks[0] * blocks[1]));
    const image::Box block = image::Box{kBlock * place, Vector3i::Constant(kBlock)}.within(ct.frame);
    if (anyIn(where, block)) blockSheetness(ct, where, how, block, out);
  });
  return out;
}

}  // namespace osteo::segment
