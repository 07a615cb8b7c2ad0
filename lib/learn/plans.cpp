#include "learn/plans.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/statistics.h"
#include "learn/regions.h"

namespace osteo::learn {

using Eigen::Vector3d;
using Eigen::Vector3i;
using nlohmann::json;

namespace {

constexpr int kLeast = 4;           // voxels of a map a side
constexpr double kCoarse = 2;       // an axis this much coarser than the finest is not pooled yet
constexpr double kAnisotropic = 3;  // an axis this much coarser is not judged by its median
const char* const kConfiguration = "3d_fullres";

double meanOf(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double deviationOf(const std::vector<float>& values, double mean) {
  double sum = 0;
  for (const float v : values) sum += (v - mean) * (v - mean);
  return values.empty() ? 1 : std::sqrt(sum / static_cast<double>(values.size()));
}

/// Which axes are pooled after a map of this size and spacing, and which get kernels of 3 there.
struct Step {
  int pool = 0, kernel = 0;
};
Step stepAt(const Vector3i& size, const Vector3d& spacing_mm) {
  Step out;
  double finest = spacing_mm.maxCoeff();
  for (int a = 0; a < 3; ++a)
    if (size[a] >= 2 * kLeast) finest = std::min(finest, spacing_mm[a]);
  for (int a = 0; a < 3; ++a) {
    const bool fine = spacing_mm[a] / finest < kCoarse;
    if (fine) out.kernel |= 1 << a;
    if (fine && size[a] >= 2 * kLeast) out.pool |= 1 << a;
  }
  return out;
}

void addLevels(Plans& plans, int most) {
  plans.kernels.clear();
  plans.pools = {0};
  Vector3i size = plans.patch / plans.fold;
  Vector3d spacing = plans.spacing_mm * plans.fold;
  for (;;) {
    const Step step = stepAt(size, spacing);
    plans.kernels.push_back(step.kernel | (plans.kernels.empty() ? 0 : plans.kernels.back()));
    if (step.pool == 0 || (most > 0 && static_cast<int>(plans.kernels.size()) >= most)) return;
    plans.pools.push_back(step.pool);
    for (int a = 0; a < 3; ++a) {
      if ((step.pool >> a & 1) == 0) continue;
      size[a] = (size[a] + 1) / 2;
      spacing[a] *= 2;
    }
  }
}

/// What an axis of the patch must be a multiple of.
int multiple(const Plans& plans, int axis) {
  int out = plans.fold;
  for (const int pool : plans.pools)
    if (pool >> axis & 1) out *= 2;
  return out;
}

json reversed(const Vector3d& v) { return {v[2], v[1], v[0]}; }
json reversed(const Vector3i& v) { return {v[2], v[1], v[0]}; }
json axesOf(const std::vector<int>& bits, int yes) {
  json out = json::array();
  for (const int b : bits) out.push_back({b & 4 ? yes : 1, b & 2 ? yes : 1, b & 1 ? yes : 1});
  return out;
}
std::vector<int> bitsOf(const json& levels) {
  std::vector<int> out;
  for (const json& l : levels) out.push_back((l.at(0) > 1 ? 4 : 0) | (l.at(1) > 1 ? 2 : 0) | (l.at(2) > 1 ? 1 : 0));
  return out;
}

template <class T>
Eigen::Matrix<T, 3, 1> vectorOf(const json& zyx) {
  return {zyx.at(2).get<T>(), zyx.at(1).get<T>(), zyx.at(0).get<T>()};
}

Plans parse(const json& document) {
  const json& c = document.at("configurations").at(kConfiguration);
  const json& hu = document.at("foreground_intensity_properties_per_channel").at("0");
  Plans out;
  out.spacing_mm = vectorOf<double>(c.at("spacing"));
  out.patch = vectorOf<int>(c.at("patch_size"));
  out.intensity = {hu.at("mean"), hu.at("std"), hu.value("median", 0.0), hu.at("percentile_00_5"),
                   hu.at("percentile_99_5")};
  out.batch = c.value("batch_size", 2);
  if (c.contains("normalization_schemes") && c["normalization_schemes"].at(0) != "CTNormalization")
    throw core::Error(core::Exit::DataError, {.what = "the plans are not for CT",
                                              .expected = "CTNormalization",
                                              .got = c["normalization_schemes"].at(0).dump()});
  if (!c.contains("fold")) return out;  // nnU-Net's own
  out.base = c.at("UNet_base_num_features");
  out.most_features = c.at("unet_max_num_features");
  out.fold = c.at("fold");
  out.blocks = c.at("blocks");
  out.residual = c.at("residual");
  out.kernels = bitsOf(c.at("conv_kernel_sizes"));
  out.pools = bitsOf(c.at("pool_op_kernel_sizes"));
  return out;
}

void requireSane(const Plans& plans, const std::string& path) {
  const bool sizes = plans.patch.minCoeff() >= 8 && plans.patch.maxCoeff() <= 512;
  const bool spacing = plans.spacing_mm.minCoeff() >= 0.05 && plans.spacing_mm.maxCoeff() <= 20;
  const Intensity& i = plans.intensity;
  const bool values = std::isfinite(i.mean) && i.sd > 1e-3 && i.sd < 1e5 && i.low < i.high && std::abs(i.low) < 1e5 &&
                      std::abs(i.high) < 1e5;
  if (!sizes || !spacing || !values)
    throw core::Error(core::Exit::DataError,
                      {.what = "the plans hold a patch, spacing or intensity out of bounds",
                       .file = core::baseName(path),
                       .expected = "patches of 8 to 512 voxels of 0.05 to 20 mm a side, and a spread of HU"});
}

}  // namespace

Fingerprint fingerprint(const std::vector<CaseFacts>& cases) {
  Fingerprint out;
  out.cases = static_cast<int>(cases.size());
  std::vector<float> hu;
  std::vector<double> metal;
  for (const CaseFacts& c : cases) {
    hu.insert(hu.end(), c.foreground_hu.begin(), c.foreground_hu.end());
    metal.insert(metal.end(), c.metal_hu.begin(), c.metal_hu.end());
  }
  const auto share = [&](double s) {
    return hu.empty() ? 0.0 : core::quantile(std::vector<double>(hu.begin(), hu.end()), s);
  };
  out.intensity.mean = meanOf(hu);
  out.intensity.sd = std::max(1.0, deviationOf(hu, out.intensity.mean));
  out.intensity.median = share(0.5);
  out.intensity.low = share(0.005);
  out.intensity.high = std::max(out.intensity.low + 1, share(0.995));
  if (!metal.empty()) out.intensity.high = std::max(out.intensity.high, core::quantile(metal, 0.5));
  const auto axis = [&](int a, double s) {
    std::vector<double> values;
    for (const CaseFacts& c : cases) values.push_back(c.spacing_mm[a]);
    return core::quantile(values, s);
  };
  for (int a = 0; a < 3; ++a) out.spacing_mm[a] = axis(a, 0.5);
  int coarse = 0;
  out.spacing_mm.maxCoeff(&coarse);
  double other = 0;
  for (int a = 0; a < 3; ++a)
    if (a != coarse) other = std::max(other, out.spacing_mm[a]);
  if (out.spacing_mm[coarse] > kAnisotropic * other) out.spacing_mm[coarse] = std::max(other, axis(coarse, 0.1));
  for (int a = 0; a < 3; ++a) {
    std::vector<double> sizes;
    for (const CaseFacts& c : cases) sizes.push_back(c.size[a] * c.spacing_mm[a] / out.spacing_mm[a]);
    out.median_size[a] = std::max(1, static_cast<int>(std::lround(core::quantile(sizes, 0.5))));
  }
  return out;
}

Plans plan(const Fingerprint& fingerprint, const PlanWishes& wishes) {
  Plans out;
  out.batch = wishes.batch, out.base = wishes.base, out.most_features = wishes.most_features;
  out.blocks = wishes.blocks, out.fold = wishes.fold, out.residual = wishes.residual;
  out.intensity = fingerprint.intensity;
  out.spacing_mm = wishes.spacing_mm > 0 ? Vector3d::Constant(wishes.spacing_mm) : fingerprint.spacing_mm;
  out.median_size =
      (fingerprint.median_size.cast<double>().array() * fingerprint.spacing_mm.array() / out.spacing_mm.array())
          .round()
          .cast<int>()
          .max(1);
  const double scale = std::cbrt(wishes.patch_voxels * out.spacing_mm.prod());
  for (int a = 0; a < 3; ++a) {
    const int wide = static_cast<int>(std::lround(scale / out.spacing_mm[a]));
    out.patch[a] = std::max(std::min(wide, out.median_size[a]), 2 * kLeast * out.fold);
  }
  for (int pass = 0; pass < 2; ++pass) {  // rounding may take a level away
    addLevels(out, wishes.levels);
    for (int a = 0; a < 3; ++a) {
      const int step = multiple(out, a);
      out.patch[a] = std::max(step, (out.patch[a] + step / 2) / step * step);
    }
  }
  return out;
}

Network networkOf(const Plans& plans) {
  Network out;
  out.architecture = "segmentation-unet";
  out.settings = {{"channels", 1},
                  {"regions", kRegions},
                  {"nested", 1},
                  {"base", plans.base},
                  {"most_features", plans.most_features},
                  {"levels", static_cast<double>(plans.pools.size())},
                  {"blocks", plans.blocks},
                  {"residual", plans.residual ? 1 : 0},
                  {"fold", plans.fold},
                  {"patch_x", plans.patch[0]},
                  {"patch_y", plans.patch[1]},
                  {"patch_z", plans.patch[2]}};
  for (std::size_t l = 0; l < plans.pools.size(); ++l) {
    out.settings["kernel" + std::to_string(l)] = plans.kernels[l];
    out.settings["pool" + std::to_string(l)] = plans.pools[l];
  }
  return out;
}

json toJson(const Plans& plans) {
  const Intensity& i = plans.intensity;
  const json configuration = {{"spacing", reversed(plans.spacing_mm)},
                              {"patch_size", reversed(plans.patch)},
                              {"median_image_size_in_voxels", reversed(plans.median_size)},
                              {"batch_size", plans.batch},
                              {"normalization_schemes", {"CTNormalization"}},
                              {"UNet_base_num_features", plans.base},
                              {"unet_max_num_features", plans.most_features},
                              {"pool_op_kernel_sizes", axesOf(plans.pools, 2)},
                              {"conv_kernel_sizes", axesOf(plans.kernels, 3)},
                              {"blocks", plans.blocks},
                              {"residual", plans.residual},
                              {"fold", plans.fold},
                              {"batch_dice", true}};
  return {{"plans_name", "osteoforge"},
          {"axes", "z, y, x"},
          {"configurations", {{kConfiguration, configuration}}},
          {"foreground_intensity_properties_per_channel",
           {{"0",
             {{"mean", i.mean},
              {"std", i.sd},
              {"median", i.median},
              {"percentile_00_5", i.low},
              {"percentile_99_5", i.high}}}}}};
}

Plans readPlans(const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 24;
  const json document = core::parseJson(core::readFile(path, kMaxBytes), core::baseName(path), core::Exit::DataError);
  try {
    const Plans out = parse(document);
    requireSane(out, path);
    return out;
  } catch (const json::exception&) {
    throw core::Error(core::Exit::DataError,
                      {.what = "these are no plans of a 3-D network",
                       .file = core::baseName(path),
                       .expected = "configurations/3d_fullres with spacing and patch_size, and "
                                   "foreground_intensity_properties_per_channel, as nnU-Net writes them"});
  }
}

void requireSamePlans(const Plans& plans, const Network& network, const std::string& folder) {
  if (networkOf(plans).settings == network.settings) return;
  throw core::Error(core::Exit::DataError,
                    {.what = "plans.json and index.json describe different networks", .file = core::baseName(folder)});
}

}  // namespace osteo::learn
