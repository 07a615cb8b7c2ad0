#pragma once
#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "image/volume.h"

namespace osteo::segment {

/// A rod of a calibration phantom: a cylinder of known density in the scan.
struct Rod {
  std::string name;
  Eigen::Vector3d from_mm = Eigen::Vector3d::Zero(), to_mm = Eigen::Vector3d::Zero();  ///< its axis, LPS
  double radius_mm = 5;
  double density_mg_cm3 = 0;
};

struct CalibrationPhantom {
  std::string equivalent;  ///< what the densities are of: "K2HPO4" or "HA"
  std::string frame_id;    ///< of the CT that the places are in; empty when unknown
  std::vector<Rod> rods;
};

/// Reads configs/schema/rods.json's document. Throws NoInput, Config.
CalibrationPhantom readPhantom(const std::string& path);

/// What is known at one density: a rod, or a tissue's peak.
struct Reference {
  std::string name;
  double hu = 0, density_mg_cm3 = 0;
  double std_hu = 0;
  std::int64_t voxels = 0;
};

/// Density in mg/cm³ = intercept + slope · HU, by least squares over the references.
struct DensityScale {
  double slope_mg_cm3_per_hu = 0, intercept_mg_cm3 = 0;
  double residual_mg_cm3 = 0;  ///< root mean square
  double r2 = 0;
  std::vector<Reference> references;
};

/// Least squares over at least two references. Throws DataError when fewer differ in HU or the density falls with it.
DensityScale fitDensity(std::vector<Reference> references);

/// Mean HU in each rod's inner 70 % (radius and length), then fitDensity(). Throws DataError for rods outside the scan,
/// with fewer than 30 voxels, or that are no uniform rods (standard deviation above 15 % of the range of all rods plus
/// 30 HU).
DensityScale calibrateByRods(const image::CtVolume& ct, const CalibrationPhantom& phantom);

/// Peaks of air, fat and muscle against their equivalent densities, which come from scans of the same scanner with a
/// phantom ("air-fat-muscle" calibration: Eggermont et al., PLoS ONE 14(7), e0220564, 2019). Throws DataError when one
/// of the three is not in the scan.
DensityScale calibrateByTissues(const image::CtVolume& ct, const std::array<double, 3>& air_fat_muscle_mg_cm3);

/// The block that `simulate --calibration` reads, g/cm³. From K2HPO4 to ash density after Keyak et al. 1994; the steps
/// from HA to ash and from ash to apparent density are those in use (configs/materials/library.json tells how sure).
nlohmann::json calibrationBlock(const DensityScale& scale, const std::string& equivalent, bool by_phantom);

}  // namespace osteo::segment
