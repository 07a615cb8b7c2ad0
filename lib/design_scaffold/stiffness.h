#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "design_scaffold/cube.h"
#include "design_scaffold/implant_library.h"
#include "simulate/voxel_model.h"

namespace osteo::design_scaffold {

/// The solid that a lattice is made of.
struct SolidPhase {
  std::string name;
  double modulus_mpa = 0, poisson = 0.3, yield_mpa = 0;
};

/// A material of the library as a solid. Throws Config for an unknown name, and for one without a modulus of its own.
SolidPhase solidPhase(const ImplantLibrary& library, const std::string& name);

/// The cube as at most `side` elements along its edge that repeat in all directions: the value of each is its solid
/// share.
simulate::Filling elementsOf(const Cube& cube, int side);

/// Stiffness tensor of the endless structure by periodic homogenisation (simulate/effective.h) on at most `side`
/// elements along the cube's edge, elements at the surface as stiff as their solid share.
nlohmann::json effectiveStiffness(const Cube& cube, const SolidPhase& solid, int side);

/// Young's moduli along x, y, z of such a tensor in mm-MPa units, and their mean.
double meanModulus_mpa(const nlohmann::json& stiffness);

}  // namespace osteo::design_scaffold
