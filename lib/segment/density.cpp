#include "segment/density.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/schema.h"
#include "segment/calibration.h"

namespace osteo::segment {

using core::Error;
using core::Exit;
using Eigen::Vector3d;
using nlohmann::json;

namespace {

constexpr double kInner = 0.7;  // of a rod: clear of partial volume and of the point spread

Vector3d vectorOf(const json& j) { return Vector3d::Map(j.get<std::vector<double>>().data()); }

/// Mean and spread of the HU in a rod's inner part.
Reference sampleRod(const image::CtVolume& ct, const Rod& rod) {
  const Vector3d axis = rod.to_mm - rod.from_mm;
  const double length = axis.norm(), radius = kInner * rod.radius_mm;
  const Vector3d unit = axis / length, middle = (rod.from_mm + rod.to_mm) / 2;
  const Vector3d reach =
      (ct.frame.direction.transpose() * unit).cwiseAbs() * (kInner * length / 2) + Vector3d::Constant(radius);
  const Vector3d centre = ct.frame.toIndex(middle), half = reach.cwiseQuotient(ct.frame.spacing_mm);
  const Eigen::Array3d low = (centre - half).array().floor(), high = (centre + half).array().ceil();
  if (!(low >= 0).all() || !(high < ct.frame.size.array().cast<double>()).all()) {
    throw Error(Exit::DataError, {.what = "rod " + rod.name + " lies outside the scan",
                                  .hint = "give its ends in LPS millimetres of this CT"});
  }
  const Eigen::Vector3i first = low.cast<int>(), last = high.cast<int>();
  double sum = 0, squares = 0;
  std::int64_t n = 0;
  Eigen::Vector3i v;
  for (v[2] = first[2]; v[2] <= last[2]; ++v[2]) {
    for (v[1] = first[1]; v[1] <= last[1]; ++v[1]) {
      for (v[0] = first[0]; v[0] <= last[0]; ++v[0]) {
        const Vector3d p = ct.frame.toWorld(v.cast<double>()) - middle;
        const double along = p.dot(unit);
        if (std::abs(along) > kInner * length / 2 || (p - along * unit).norm() > radius) continue;
        const double hu = ct.at(v[0], v[1], v[2]);
        sum += hu, squares += hu * hu, ++n;
      }
    }
  }
  if (n < 30) {
    throw Error(Exit::DataError, {.what = "rod " + rod.name + " holds too few voxels to be measured",
                                  .expected = "30 within 70 % of its radius and length",
                                  .got = fmt::format("{}", n)});
  }
  const double mean = sum / static_cast<double>(n);
  return {rod.name, mean, rod.density_mg_cm3, std::sqrt(std::max(0.0, squares / static_cast<double>(n) - mean * mean)),
          n};
}

}  // namespace

CalibrationPhantom readPhantom(const std::string& path) {
  const auto parsed = [](const std::string& file) {
    return core::parseJson(core::readFile(file, std::size_t{1} << 20), file, Exit::Config, true);
  };
  const json document = parsed(path);
  const auto schema = std::filesystem::path(core::configsFolder()) / "schema" / "rods.json";
  core::validateJson(parsed(schema.string()), document, path, Exit::Config);
  CalibrationPhantom out{document["equivalent"], document.value("frame_id", ""), {}};
  for (const json& j : document["rods"]) {
    const std::string name = j.value("name", fmt::format("{}", out.rods.size() + 1));
    out.rods.push_back({name, vectorOf(j["from_mm"]), vectorOf(j["to_mm"]), j["radius_mm"], j["density_mg_cm3"]});
    if ((out.rods.back().to_mm - out.rods.back().from_mm).norm() < 1) {
      throw Error(Exit::Config, {.what = "rod " + name + " is shorter than 1 mm", .file = path});
    }
  }
  return out;
}

DensityScale fitDensity(std::vector<Reference> references) {
  Eigen::MatrixXd a(static_cast<Eigen::Index>(references.size()), 2);
  Eigen::VectorXd b(a.rows());
  for (Eigen::Index r = 0; r < a.rows(); ++r) {
    const Reference& reference = references[static_cast<std::size_t>(r)];
    a.row(r) << reference.hu, 1;
    b[r] = reference.density_mg_cm3;
  }
  const auto [low, high] = std::minmax_element(references.begin(), references.end(),
                                               [](const auto& x, const auto& y) { return x.hu < y.hu; });
  if (references.size() < 2 || high->hu - low->hu < 20) {
    throw Error(Exit::DataError, {.what = "the references don't differ in HU",
                                  .expected = "at least two, 20 HU apart",
                                  .got = references.size() < 2 ? "fewer" : fmt::format("{:.1f}", high->hu - low->hu)});
  }
  const Eigen::Vector2d x = a.colPivHouseholderQr().solve(b);
  const double mean = b.mean(), total = (b.array() - mean).square().sum(), rest = (b - a * x).squaredNorm();
  if (x[0] <= 0) {
    throw Error(Exit::DataError, {.what = "the density falls with HU: rods and densities are mixed up",
                                  .got = fmt::format("{:.4f} mg/cm³ per HU", x[0])});
  }
  DensityScale out{x[0], x[1], std::sqrt(rest / static_cast<double>(a.rows())), total > 0 ? 1 - rest / total : 1, {}};
  out.references = std::move(references);
  return out;
}

DensityScale calibrateByRods(const image::CtVolume& ct, const CalibrationPhantom& phantom) {
  image::requireSameFrame(ct.frame.frame_id, "the CT", phantom.frame_id, "the rods");
  std::vector<Reference> references;
  for (const Rod& rod : phantom.rods) references.push_back(sampleRod(ct, rod));
  double low = references.front().hu, high = low;
  for (const Reference& r : references) low = std::min(low, r.hu), high = std::max(high, r.hu);
  for (const Reference& r : references) {
    if (r.std_hu <= 0.15 * (high - low) + 30) continue;
    throw Error(Exit::DataError,
                {.what = "rod " + r.name + " is not uniform: something else lies in its place",
                 .expected = fmt::format("a standard deviation below {:.0f} HU", 0.15 * (high - low) + 30),
                 .got = fmt::format("{:.0f} HU around {:.0f}", r.std_hu, r.hu)});
  }
  return fitDensity(std::move(references));
}

DensityScale calibrateByTissues(const image::CtVolume& ct, const std::array<double, 3>& air_fat_muscle_mg_cm3) {
  const Calibration seen = calibrate(ct);
  const auto lacks = [](const std::string& tissue, const std::string& where) {
    return Error(Exit::DataError, {.what = "the scan shows no " + tissue + " to calibrate by", .expected = where});
  };
  if (!seen.has_air) throw lacks("air", "a peak between -1100 and -850 HU");
  if (!seen.has_fat) throw lacks("fat", "a peak between -150 and -40 HU");
  return fitDensity({{"air", seen.air_hu, air_fat_muscle_mg_cm3[0]},
                     {"fat", seen.fat_hu, air_fat_muscle_mg_cm3[1]},
                     {"muscle", seen.soft_hu, air_fat_muscle_mg_cm3[2]}});
}

json calibrationBlock(const DensityScale& scale, const std::string& equivalent, bool by_phantom) {
  const bool k2hpo4 = equivalent == "K2HPO4";
  return {{"calibrated", by_phantom},
          {"qct_slope_g_cm3_per_hu", scale.slope_mg_cm3_per_hu / 1000},
          {"qct_intercept_g_cm3", scale.intercept_mg_cm3 / 1000},
          {"ash_per_qct", k2hpo4 ? 1.06 : 0.877},
          {"ash_intercept_g_cm3", k2hpo4 ? 0.0389 : 0.0789},
          {"ash_per_apparent", 0.598},
          {"reference", fmt::format("{} {}, {} references, residual {:.1f} mg/cm3", equivalent,
                                    by_phantom ? "phantom in this scan" : "by air, fat and muscle",
                                    scale.references.size(), scale.residual_mg_cm3)}};
}

}  // namespace osteo::segment
