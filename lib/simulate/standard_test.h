#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "simulate/conditions.h"
#include "simulate/results.h"

namespace osteo::simulate {

/// A mechanical test between two opposite sides of the model's box.
///   uniaxial  ends slide on smooth plates; strain or displacement along the axis
///   axial     ends stick to the plates
///   confined  ends and sides slide on walls
///   shear     ends stick, one is moved along `shear_axis`; the strain is the engineering shear
///   bending   ends stay plane and tilt by ∓angle/2 in the plane of both axes, without moving sideways
///   torsion   ends stick, one turns by the angle about the axis through the middle of the box
struct StandardTest {
  std::string kind;
  int axis = 2, shear_axis = 0;  ///< of LPS
  std::optional<double> strain = {}, displacement_mm = {}, angle_deg = {};
};

/// The elements' results and what the elements are made of.
struct SolidResults {
  const ElementResults& elements;
  const std::vector<Filler>& fillers;
};

/// The names of the kinds.
const std::vector<std::string>& standardTests();

/// The test as a load case; constraints "fixed" and "moved" are its ends. Throws Usage when what it needs is missing
/// or what it doesn't know is given.
LoadCase loadCaseOf(const StandardTest& test, const ModelBox& box);

/// What a test is asked for: signed reaction of the moved end along the axis, stiffness, Pistoia's estimate (Pistoia et
/// al., Bone 30 (2002) 842-848) over what is bone, and peaks. `record` is the case's own.
nlohmann::json summariseTest(const StandardTest& test, const Conditions& conditions, const VoxelModel& model,
                             const SolidResults& solid, const nlohmann::json& record);

}  // namespace osteo::simulate
