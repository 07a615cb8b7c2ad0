#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "learn/plans.h"
#include "learn/regions.h"

using namespace osteo;
using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

std::vector<learn::CaseFacts> cases(const std::vector<double>& slices_mm) {
  std::vector<learn::CaseFacts> out;
  for (const double z : slices_mm) {
    learn::CaseFacts one{{200, 180, static_cast<int>(300 / z)}, {0.8, 0.8, z}, {}, {}};
    for (int hu = 0; hu <= 1000; ++hu) one.foreground_hu.push_back(static_cast<float>(hu));
    out.push_back(one);
  }
  return out;
}

core::Exit codeOf(const std::string& path) {
  try {
    learn::readPlans(path);
  } catch (const core::Error& e) {
    return e.code();
  }
  return core::Exit::Ok;
}

}  // namespace

TEST_CASE("a fingerprint holds percentiles of the foreground and the median spacing") {
  const learn::Fingerprint seen = learn::fingerprint(cases({1, 1, 1.5, 2, 1}));
  CHECK(seen.intensity.mean == Approx(500));
  CHECK(seen.intensity.sd == Approx(289).epsilon(0.01));
  CHECK(seen.intensity.low == Approx(5).margin(1));
  CHECK(seen.intensity.high == Approx(995).margin(1));
  CHECK(seen.spacing_mm.isApprox(Vector3d(0.8, 0.8, 1)));
  CHECK(seen.median_size == Vector3i(200, 180, 300));
  std::vector<learn::CaseFacts> metal = cases({1, 1});
  metal[1].metal_hu = {2800, 3071, 3071};  // metal stays apart from dense bone
  CHECK(learn::fingerprint(metal).intensity.high == 3071);
  // An axis more than three times as coarse as the others takes its finest tenth.
  std::vector<double> thick(10, 5.0);
  thick[3] = 2;
  CHECK(learn::fingerprint(cases(thick)).spacing_mm.isApprox(Vector3d(0.8, 0.8, 2)));
}

TEST_CASE("cubic voxels make a cube that is halved until it has 4 voxels") {
  learn::Fingerprint seen;
  seen.spacing_mm.setConstant(1);
  seen.median_size.setConstant(200);
  learn::PlanWishes wishes;
  const learn::Plans plans = learn::plan(seen, wishes);
  CHECK(plans.patch == Vector3i(64, 64, 64));
  CHECK(plans.pools == std::vector<int>{0, 7, 7, 7, 7});
  CHECK(plans.kernels == std::vector<int>{7, 7, 7, 7, 7});
  wishes.levels = 3;
  wishes.fold = 2;
  CHECK(learn::plan(seen, wishes).pools == std::vector<int>{0, 7, 7});
  seen.median_size = {200, 30, 200};  // the patch is no wider than a case
  CHECK(learn::plan(seen, wishes).patch == Vector3i(64, 32, 64));
}

TEST_CASE("a coarse axis is short in the patch, and pooled and convolved when the others are as coarse") {
  learn::Fingerprint seen;
  seen.spacing_mm = {0.8, 0.8, 4};
  seen.median_size = {400, 400, 80};
  const learn::Plans plans = learn::plan(seen, {});
  CHECK(plans.patch[0] > 3 * plans.patch[2]);
  CHECK(plans.patch[2] % 2 == 0);
  CHECK(plans.pools[1] == 3);
  CHECK(plans.pools[2] == 3);
  CHECK(plans.pools[3] == 7);
  CHECK(plans.kernels[0] == 3);
  CHECK(plans.kernels[1] == 3);
  CHECK(plans.kernels[2] == 7);
  for (int a = 0; a < 3; ++a) {
    int size = plans.patch[a];
    for (const int pool : plans.pools) {
      if ((pool >> a & 1) == 0) continue;
      CHECK(size % 2 == 0);
      size /= 2;
    }
    CHECK(size >= 4);
  }
}

TEST_CASE("plans come back, and hostile ones are refused") {
  const auto path = (std::filesystem::temp_directory_path() / ("osteo_plans_" + std::to_string(::getpid()))).string();
  learn::Fingerprint seen;
  seen.spacing_mm = {0.8, 0.8, 4};
  seen.median_size = {400, 300, 80};
  learn::PlanWishes wishes;
  wishes.residual = true;
  const learn::Plans plans = learn::plan(seen, wishes);
  const nlohmann::json good = learn::toJson(plans);
  core::writeFile(path, good.dump());
  const learn::Plans back = learn::readPlans(path);
  CHECK(learn::networkOf(back).settings == learn::networkOf(plans).settings);
  CHECK(back.spacing_mm == plans.spacing_mm);
  CHECK(back.patch == plans.patch);
  learn::requireSamePlans(back, learn::networkOf(plans), "x");
  learn::Network other = learn::networkOf(plans);
  other.settings["base"] = 7;
  CHECK_THROWS_AS(learn::requireSamePlans(back, other, "x"), core::Error);
  const auto refused = [&](const char* pointer, const nlohmann::json& value) {
    nlohmann::json bad = good;
    bad[nlohmann::json::json_pointer(pointer)] = value;
    core::writeFile(path, bad.dump());
    INFO(pointer << " = " << value.dump());
    CHECK(codeOf(path) == core::Exit::DataError);
  };
  const std::string at = "/configurations/3d_fullres/";
  refused((at + "patch_size").c_str(), {100000, 64, 64});
  refused((at + "patch_size").c_str(), {64, 64});
  refused((at + "spacing").c_str(), {0, 1, 1});
  refused((at + "spacing").c_str(), "fine");
  refused((at + "normalization_schemes").c_str(), nlohmann::json::array({"ZScoreNormalization"}));
  refused("/foreground_intensity_properties_per_channel/0/std", 0);
  refused("/configurations", nlohmann::json::object());
  core::writeFile(path, "{");
  CHECK(codeOf(path) == core::Exit::DataError);
  std::filesystem::remove(path);
}

TEST_CASE("regions nest and give the labels back") {
  for (std::uint8_t label : {0, 1, 2, 3, 4}) {
    const learn::Membership is = learn::membership(label);
    CHECK(learn::labelOf(is.inside.data()) == label);
    const auto shares = learn::labelShares(is.inside.data());
    CHECK(shares[label] == 1);
  }
  CHECK(learn::membership(learn::kUnknown).known[learn::Envelope] == 0);
  CHECK(learn::membership(learn::kSomeBone).known[learn::CorticalBone] == 0);
  CHECK(learn::membership(image::Metal).known[learn::Host] == 0);
  const float p[] = {0.4F, 0.9F, 0.2F, 0.1F};  // what doesn't nest is made to
  float sum = 0;
  for (const float share : learn::labelShares(p)) sum += share;
  CHECK(sum == Approx(1));
  CHECK(learn::labelShares(p)[image::Defect] == 0);
}
