#pragma once
#include <Eigen/Core>
#include <string>
#include <vector>

#include "design_scaffold/gyroid.h"

namespace osteo::design_scaffold {

/// Triply periodic minimal surfaces by their usual nodal approximations F(u) (von Schnering & Nesper, Z Phys B 83,
/// 1991; Fischer & Koch, Z Kristallogr 179, 1987; Lidin & Larsson, J Chem Soc Faraday Trans 86, 1990), u in radians, 2π
/// per cell. A network is solid where F < t, a sheet where |F| < t. With s = sin, c = cos:
enum class Tpms {
  Gyroid,        ///< sx cy + sy cz + sz cx;                                          F in ±1.5
  Diamond,       ///< sx sy sz + sx cy cz + cx sy cz + cx cy sz;                      F in ±√2
  Primitive,     ///< cx + cy + cz;                                                   F in ±3
  Iwp,           ///< 2 (cx cy + cy cz + cz cx) − (c2x + c2y + c2z);                  F in −5…3
  Neovius,       ///< 3 (cx + cy + cz) + 4 cx cy cz;                                  F in ±13
  FischerKochS,  ///< c2x sy cz + cx c2y sz + sx cy c2z;                           F in ±1.66
  Lidinoid,  ///< ½ (s2x cy sz + s2y cz sx + s2z cx sy − c2x c2y − c2y c2z − c2z c2x) + 0.15; F in −1.60…1.47
  Frd        ///< 4 cx cy cz − (c2x c2y + c2y c2z + c2z c2x);                      F in −7…3
};

/// Names as on the command line, in the order of Tpms.
const std::vector<std::string>& tpmsNames();
Tpms tpmsNamed(const std::string& name);
const std::string& nameOf(Tpms surface);

/// F and its gradient per radian.
double nodal(Tpms surface, const Eigen::Vector3d& u, Eigen::Vector3d& gradient);

/// The solid share of the periodic cell: the gyroid's as in gyroid.h, the others' to 1e-5 by cell averages on 96³
/// points.
double volumeFraction(Tpms surface, Kind kind, double t);

/// The iso value t whose volume fraction is the wanted one, to 1e-7 of what volumeFraction gives. Throws Usage unless
/// the fraction lies in kMinFraction…kMaxFraction.
double isoValue(Tpms surface, Kind kind, double volume_fraction);

}  // namespace osteo::design_scaffold
