#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "simulate/fillings.h"

namespace osteo::simulate {

/// An implant that is laid over a model of bone.
struct Overlay {
  std::string level_set;    ///< VDB
  double interface_mm = 0;  ///< thickness of a bonded layer of the material assign.interface between both; 0: none
};

/// Lays an implant over the bone on the bone's own grid: an element that the surface cuts bears by shares of volume and
/// counts as what fills most of it. A lattice whose walls the grid doesn't resolve takes its homogenised law. The layer
/// lies in a row with the bone next to the implant. Throws DataError, Config.
void layImplant(Body& body, const Overlay& overlay, const std::string& model_path, const Materials& materials,
                nlohmann::json& report);

/// End caps as for a test between plates.
struct Caps {
  int axis = 2;         ///< of LPS
  double thickness_mm;  ///< beyond the outermost bone
  double embed_mm;      ///< how deep the cap flows around the bone, as far as it is open to the outside
};

/// Adds caps of the material assign.cap at both ends. Throws DataError for a grid that is oblique to LPS, Config.
void addCaps(Body& body, const Caps& caps, const Materials& materials, nlohmann::json& report);

/// Label values that composed models give to what they add.
constexpr std::uint16_t kImplantLabel = 5, kCapLabel = 9;

}  // namespace osteo::simulate
