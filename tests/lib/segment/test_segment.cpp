#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "image/io.h"
#include "segment/holes.h"
#include "segment/segment.h"
#include "segment/surface_points.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

image::Frame cube(int n, double spacing_mm) {
  image::Frame frame;
  frame.size = {n, n, n};
  frame.spacing_mm = Vector3d::Constant(spacing_mm);
  frame.origin_mm = Vector3d::Constant(-(n - 1) * spacing_mm / 2);
  return frame;
}

double ramp(double distance, double width) { return std::clamp(0.5 - distance / width, 0.0, 1.0); }

/// Bone shell (outer radius 16, wall 3 mm, 1300 HU) around marrow in a body of muscle, air outside; values are filled
/// through a linear edge of one voxel.
image::CtVolume shellScan(double marrow_hu, double spacing_mm = 1) {
  image::CtVolume ct(cube(static_cast<int>(60 / spacing_mm), spacing_mm));
  const core::Random random(5);
  for (int k = 0, v = 0; k < ct.frame.size[2]; ++k) {
    for (int j = 0; j < ct.frame.size[1]; ++j) {
      for (int i = 0; i < ct.frame.size[0]; ++i, ++v) {
        const Vector3d p = ct.frame.toWorld(Vector3d(i, j, k));
        const double r = p.norm();
        double hu = -1000 + 1045 * ramp(r - 26, spacing_mm);
        hu += (1300 - hu) * ramp(r - 16, spacing_mm);
        hu += (marrow_hu - hu) * ramp(r - 13, spacing_mm);
        ct.at(i, j, k) = static_cast<float>(hu + 8 * random.normal(static_cast<std::uint64_t>(v)));
      }
    }
  }
  return ct;
}

double labelled(const image::LabelVolume& labels) {
  double n = 0;
  for (const auto label : labels.voxels) n += label != 0;
  return n * labels.frame.voxelVolume_mm3();
}

constexpr double ball(double r) { return 4.0 / 3 * M_PI * r * r * r; }

}  // namespace

TEST_CASE("a bone is labelled whole, with its marrow, and split at its cortex") {
  for (const double marrow_hu : {-60.0, 45.0, 200.0}) {
    image::CtVolume ct = shellScan(marrow_hu);
    const segment::Result result = segment::segment(ct, {});
    CHECK(labelled(result.labels) == Approx(ball(16)).epsilon(0.03));
    CHECK(result.cortical_mm3 == Approx(ball(16) - ball(13)).epsilon(0.1));
    CHECK(result.metal_mm3 == 0);
    CHECK(result.calibration.soft_hu == Approx(45).margin(8));
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts.front().centre_mm.norm() < 0.3);
  }
}

TEST_CASE("a shifted, empty or grey-level volume is refused with the way out") {
  const auto refusal = [](image::CtVolume ct) {
    try {
      segment::segment(ct, {});
    } catch (const core::Error& error) {
      CHECK(error.code() == core::Exit::DataError);
      return error.complaint().hint;
    }
    return std::string("accepted");
  };
  image::CtVolume shifted = shellScan(100);
  for (float& hu : shifted.voxels) hu = std::max(0.0f, hu + 1024);
  CHECK(refusal(shifted).find("--shift-hu -1024") != std::string::npos);
  image::CtVolume repaired = shifted;
  segment::Options options;
  options.shift_hu = -1024;
  CHECK(labelled(segment::segment(repaired, options).labels) == Approx(ball(16)).epsilon(0.03));
  CHECK(refusal(image::CtVolume(cube(20, 1), -1000)) != "accepted");
  image::CtVolume grey = shellScan(100);
  for (float& hu : grey.voxels) hu = std::clamp((hu + 1000) / 10, 0.0f, 255.0f);
  CHECK(refusal(grey) != "accepted");
  CHECK(refusal(image::CtVolume(cube(20, 1), 40)) != "accepted");
  // T1-weighted MR: noise about nothing in air, muscle at a third and fat near the top of the range, cortex dark.
  image::CtVolume mr = shellScan(-60);
  for (float& v : mr.voxels) v = v < -500 ? std::abs(v + 1000) : v > 700 ? 30 : v < 0 ? 900 : 320;
  CHECK(refusal(mr).find("MR") != std::string::npos);
}

TEST_CASE("the scale of the grey values may be off by a tenth") {
  image::CtVolume ct = shellScan(100);
  for (float& hu : ct.voxels) hu = 1.08f * hu + 30;
  CHECK(labelled(segment::segment(ct, {}).labels) == Approx(ball(16)).epsilon(0.03));
}

TEST_CASE("muscle is found beside a lot of fat, in noise that makes one peak of both") {
  image::CtVolume ct(cube(40, 1));
  const core::Random random(11);
  for (std::size_t v = 0; v < ct.voxels.size(); ++v) {
    const double level = v % 10 == 0 ? -1000 : v % 10 < 8 ? -95 : 55;
    ct.voxels[v] = static_cast<float>(level + 60 * random.normal(v));
  }
  const auto seen = segment::calibrate(ct);
  CHECK(seen.soft_hu == Approx(55).margin(20));
  CHECK(seen.noise_hu == Approx(60).margin(15));
}

TEST_CASE("a headrest beside the patient is no bone") {
  image::CtVolume ct = shellScan(100);
  for (int k = 0; k < 60; ++k) {
    for (int i = 0; i < 60; ++i) ct.at(i, 58, k) = 600;
  }
  const segment::Result result = segment::segment(ct, {});
  CHECK(labelled(result.labels) == Approx(ball(16)).epsilon(0.03));
  CHECK(result.removed_table_mm3 > 1000);
}

TEST_CASE("metal is told from enamel by its size") {
  image::CtVolume ct = shellScan(100);
  for (int k = 26; k < 34; ++k) {
    for (int j = 26; j < 34; ++j) {
      for (int i = 26; i < 34; ++i) ct.at(i, j, k) = 3071;
    }
  }
  for (int i = 20; i < 40; ++i) ct.at(i, 45, 30) = 2800;  // a thin bright line
  const segment::Result result = segment::segment(ct, {});
  CHECK(result.metal_mm3 == Approx(512).epsilon(0.25));
}

TEST_CASE("marrow is filled; a tube that is open at its ends is not") {
  image::LabelVolume mask(cube(40, 1));
  const image::CtVolume ct(mask.frame, 30.0f);
  for (int k = 0; k < 40; ++k) {
    for (int j = 0; j < 40; ++j) {
      for (int i = 0; i < 40; ++i) {
        const double a = std::hypot(i - 10, j - 10), b = std::hypot(std::hypot(i - 28, j - 28), k - 20);
        const bool tube =
            a > 4 && a < 7 && k > 15 && k<21, shell = b> 5 && b < 8 && !(i > 28 && std::hypot(j - 28, k - 20) < 2);
        mask.at(i, j, k) = tube || shell;
      }
    }
  }
  segment::fillMarrow(mask, ct, 20);
  CHECK(mask.at(10, 10, 18) == 0);
  CHECK(mask.at(28, 28, 20) == 1);
}

TEST_CASE("surface points lie on the surface to a tenth of a voxel, with outward normals") {
  image::CtVolume ct = shellScan(1300);
  const segment::Result result = segment::segment(ct, {});
  const mesh::PointCloud cloud = segment::surfacePoints(ct, result.labels);
  REQUIRE(cloud.points.size() > 2000);
  double square = 0, worst_normal = 1;
  for (std::size_t i = 0; i < cloud.points.size(); ++i) {
    square += std::pow(cloud.points[i].norm() - 16, 2);
    worst_normal = std::min(worst_normal, cloud.normals[i].dot(cloud.points[i].normalized()));
  }
  CHECK(std::sqrt(square / static_cast<double>(cloud.points.size())) < 0.1);
  CHECK(worst_normal > 0.9);
}

TEST_CASE("the same labels for any thread count") {
  image::CtVolume a = shellScan(100), b = a;
  core::setThreads(1);
  const auto one = segment::segment(a, {}).labels.voxels;
  core::setThreads(2);
  CHECK(one == segment::segment(b, {}).labels.voxels);
}

namespace {

/// The network's name of one of our bones: "vertebra L5" is vertebrae_L5, "hip bone left" hip_left.
std::string networkName(const std::string& ours) {
  if (ours.rfind("vertebra ", 0) == 0) return "vertebrae_" + ours.substr(9);
  if (ours.rfind("hip bone ", 0) == 0) return "hip_" + ours.substr(9);
  std::string out = ours;
  std::replace(out.begin(), out.end(), ' ', '_');
  return out;
}

/// Mean over the reference bones of their best Dice with one of ours; and that most of every named bone lies in the
/// reference bone of its name.
double meanBestDice(const segment::Bones& bones, const image::LabelVolume& truth, const nlohmann::json& names) {
  std::map<int, double> ours, theirs;
  std::map<std::pair<int, int>, double> both;
  for (std::size_t v = 0; v < truth.voxels.size(); ++v) {
    const int a = truth.voxels[v], b = bones.labels.voxels[v];
    if (a) theirs[a] += 1;
    if (b) ours[b] += 1;
    if (a && b) both[{a, b}] += 1;
  }
  std::map<int, double> best;
  std::map<int, std::pair<double, int>> most;
  for (const auto& [pair, count] : both) {
    const auto [a, b] = pair;
    best[a] = std::max(best[a], 2 * count / (theirs[a] + ours[b]));
    most[b] = std::max(most[b], std::pair{count, a});
  }
  for (const auto& bone : bones.list) {
    if (bone.identity.name.empty()) continue;
    INFO(bone.identity.name);
    CHECK(names.at(std::to_string(most[bone.label].second)) == networkName(bone.identity.name));
  }
  double sum = 0;
  for (const auto& [a, dice] : best) sum += dice;
  return sum / static_cast<double>(theirs.size());
}

}  // namespace

TEST_CASE("on a real pelvis the bone agrees with a network's labels, one by one too, and has its names") {
  const std::string data = OSTEO_SOURCE_DIR "/../shared/data/";
  if (!std::filesystem::exists(data)) {
    WARN("no shared data: skipped");
    return;
  }
  image::CtVolume ct = image::readVolume(data + "ct/abdomen_pelvis_3mm.nii.gz");
  const image::LabelVolume truth = image::readSegmentation(data + "labels/abdomen_pelvis_3mm_bones.nii.gz").labels;
  const segment::Result result = segment::segment(ct, {.bones = true});
  double both = 0, sum = 0;
  for (std::size_t v = 0; v < truth.voxels.size(); ++v) {
    both += truth.voxels[v] && result.labels.voxels[v];
    sum += (truth.voxels[v] != 0) + (result.labels.voxels[v] != 0);
  }
  CHECK(2 * both / sum > 0.885);  // threshold with closing and filling: 0.874
  CHECK(result.metal_mm3 > 10000);
  std::ifstream names(data + "labels/abdomen_pelvis_3mm_bones.json");
  CHECK(meanBestDice(result.bones, truth, nlohmann::json::parse(names)) > 0.77);  // at joint spaces alone: 0.46
  CHECK(std::count_if(result.bones.list.begin(), result.bones.list.end(),
                      [](const segment::Bone& bone) { return !bone.identity.name.empty(); }) == 13);
}
