#pragma once
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "simulate/brick.h"
#include "simulate/solver.h"

/// Full boxes of one isotropic material with the lower corner at the origin, and little helpers on them.
namespace osteo::simulate::test {

inline Filling box(Eigen::Vector3i size, Eigen::Vector3d spacing = Eigen::Vector3d::Ones()) {
  Filling filling;
  filling.frame.size = size;
  filling.frame.spacing_mm = spacing;
  filling.frame.origin_mm = spacing / 2;
  filling.material.assign(static_cast<std::size_t>(filling.frame.voxelCount()), 1);
  return filling;
}

inline ElasticLaw law(double modulus, double poisson = 0.3) {
  return [=](std::uint16_t, float value, float) { return value * isotropic(modulus, poisson); };
}

/// Fixes a component of all nodes for which value(p) is not NaN.
template <class Value>
void fix(const Operator& K, int component, std::vector<FixedDof>& fixed, const Value& value) {
  forEachNode(K.model(), [&](std::int64_t n, int i, int j, int k) {
    const double v = value(K.model().nodePoint(i, j, k));
    if (!std::isnan(v)) fixed.push_back({component * K.stride() + n, v});
  });
}

/// K u, the nodal forces that hold a solution.
inline Field reactions(const Operator& K, const Field& u) {
  Field f = K.zeros();
  K.apply(u, f);
  return f;
}

inline double sumOver(const Field& f, const std::vector<FixedDof>& dofs) {
  double sum = 0;
  for (const auto& d : dofs) sum += f[d.dof];
  return sum;
}

}  // namespace osteo::simulate::test
