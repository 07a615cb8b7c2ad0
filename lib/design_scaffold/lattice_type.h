#pragma once
#include <string>
#include <vector>

#include "design_scaffold/tpms.h"

namespace osteo::design_scaffold {

/// What fills a cell: the surfaces of tpms.h, struts of struts.h (unit cells and the edges of a Voronoi foam), or the
/// random field of spinodoid.h.
enum class LatticeType {
  Gyroid,
  Diamond,
  Primitive,
  Iwp,
  Neovius,
  FischerKochS,
  Lidinoid,
  Frd,
  Bcc,
  Fcc,
  Octet,
  Kelvin,
  Cubic,
  Voronoi,
  Spinodoid
};

/// Names as on the command line, in the order of LatticeType.
const std::vector<std::string>& latticeNames();
LatticeType latticeNamed(const std::string& name);
const std::string& nameOf(LatticeType type);

inline bool isTpms(LatticeType type) { return type <= LatticeType::Frd; }
inline bool hasStruts(LatticeType type) { return type >= LatticeType::Bcc && type <= LatticeType::Voronoi; }
/// Only for isTpms.
inline Tpms tpmsOf(LatticeType type) { return static_cast<Tpms>(type); }

}  // namespace osteo::design_scaffold
