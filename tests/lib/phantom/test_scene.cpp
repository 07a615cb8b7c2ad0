#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <numbers>
#include <set>

#include "core/error.h"
#include "core/parallel.h"
#include "image/morphology.h"
#include "phantom/anatomy.h"
#include "phantom/scene_draw.h"

using namespace osteo;
using Eigen::Vector3d;
using Eigen::Vector3i;
using phantom::Scene;

namespace {

image::Frame cube(int size, double spacing_mm) {
  image::Frame frame;
  frame.size = Vector3i::Constant(size);
  frame.spacing_mm = Vector3d::Constant(spacing_mm);
  frame.origin_mm = Vector3d::Constant(-spacing_mm * (size - 1) / 2.0);
  return frame;
}

phantom::Shape ball(const Vector3d& centre, double radius) {
  return {[=](const Vector3d& p) { return (p - centre).norm() - radius; }, centre, radius};
}

phantom::Bone boneBall(const Vector3d& centre, double radius, double cortex) {
  return {"ball", ball(centre, radius), [=](const Vector3d&) { return cortex; },
          [](const Vector3d&, double) { return 200.0; }, 1200};
}

double ballVolume(double r) { return 4.0 / 3 * std::numbers::pi * r * r * r; }

Scene withLesion(phantom::Margin margin, double radius) {
  Scene scene;
  scene.bones = {boneBall({0, 0, 0}, 12, 2)};
  scene.lesions.push_back({0, ball({0, 0, 0}, radius), margin});
  scene.lesions.back().zone_mm = 6;
  return scene;
}

double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

TEST_CASE("a scene's labels have the volumes of its bodies") {
  Scene scene;
  scene.bones = {boneBall({0.3, -0.2, 0.1}, 10, 2)};
  for (const double spacing : {0.9, 2.5}) {
    const auto out = phantom::render(scene, cube(static_cast<int>(28 / spacing), spacing), spacing);
    CHECK(out.volume_mm3[image::Cortical] == Approx(ballVolume(10) - ballVolume(8)).epsilon(0.012));
    CHECK(out.volume_mm3[image::Cancellous] == Approx(ballVolume(8)).epsilon(0.012));
    double grey = 0;
    for (const float hu : out.ct.voxels) grey += (hu + 1000) / 1000 * out.ct.frame.voxelVolume_mm3();
    CHECK(grey == Approx(2.2 * (ballVolume(10) - ballVolume(8)) + 1.2 * ballVolume(8)).epsilon(0.01));
  }
}

TEST_CASE("margins have the volumes that their sizes say") {
  const image::Frame frame = cube(42, 0.7);
  const double whole = ballVolume(12) - ballVolume(10);
  const auto sharp = phantom::render(withLesion(phantom::Margin::Sharp, 5), frame, 0.7);
  CHECK(sharp.volume_mm3[image::Defect] == Approx(ballVolume(5)).epsilon(0.01));
  CHECK(sharp.volume_mm3[image::Cortical] == Approx(whole).epsilon(0.01));

  Scene scene = withLesion(phantom::Margin::Sclerotic, 5);
  scene.lesions.back().rim_mm = 2;
  const auto sclerotic = phantom::render(scene, frame, 0.7);
  CHECK(sclerotic.volume_mm3[image::Cortical] == Approx(whole + ballVolume(7) - ballVolume(5)).epsilon(0.01));
  CHECK(sclerotic.volume_mm3[image::Defect] == Approx(ballVolume(5)).epsilon(0.01));

  // At the lesion's edge, 3 mm below the surface, the cortex is thinned by ramp(3 / 6) = half of what it may lose.
  scene = withLesion(phantom::Margin::Lytic, 8);
  scene.lesions.back().thinned_to = 0.4;
  const auto lytic = phantom::render(scene, frame, 0.7);
  CHECK(lytic.volume_mm3[image::Defect] == Approx(ballVolume(8)).epsilon(0.01));
  const double thickness = [&] {  // where depth = 2 (1 - 0.6 (1 - ramp(12 - depth - 8, 0, 6)))
    double depth = 1;
    for (int i = 0; i < 60; ++i) depth = 2 * (1 - 0.6 * (1 - phantom::ramp(4 - depth, 0, 6)));
    return depth;
  }();
  CHECK(thickness < 1.6);
  CHECK(lytic.volume_mm3[image::Cortical] == Approx(ballVolume(12) - ballVolume(12 - thickness)).epsilon(0.02));
}

TEST_CASE("a closed cavity never reaches the cortex") {
  Scene scene = withLesion(phantom::Margin::Sharp, 11);
  scene.lesions.back().closed = true;
  const auto out = phantom::render(scene, cube(42, 0.7), 0.7);
  CHECK(out.volume_mm3[image::Defect] == Approx(ballVolume(9)).epsilon(0.01));
  CHECK(out.volume_mm3[image::Cortical] == Approx(ballVolume(12) - ballVolume(10)).epsilon(0.01));
}

TEST_CASE("moth-eaten holes can be counted") {
  Scene scene = withLesion(phantom::Margin::MothEaten, 3);
  for (int i = 0; i < 6; ++i) {
    const double angle = i * std::numbers::pi / 3;
    scene.lesions.back().holes.push_back({6 * Vector3d(std::cos(angle), std::sin(angle), 0), 1.3});
  }
  const auto out = phantom::render(scene, cube(52, 0.5), 0.5);
  image::LabelVolume defect(out.labels.frame);
  for (std::size_t v = 0; v < defect.voxels.size(); ++v) defect.voxels[v] = out.labels.voxels[v] == image::Defect;
  CHECK(image::components(defect, image::Connectivity::Corners).voxels.size() == 7);
  CHECK(out.volume_mm3[image::Defect] == Approx(ballVolume(3) + 6 * ballVolume(1.3)).epsilon(0.04));
}

TEST_CASE("a fragment is bone in the defect") {
  Scene scene = withLesion(phantom::Margin::Sharp, 7);
  const auto without = phantom::render(scene, cube(42, 0.7), 0.7);
  scene.lesions.back().fragments = {ball({1, 0, 0}, 3)};
  const auto with = phantom::render(scene, cube(42, 0.7), 0.7);
  CHECK(without.volume_mm3[image::Defect] - with.volume_mm3[image::Defect] == Approx(ballVolume(3)).epsilon(0.02));
  const auto bone = [](const auto& r) { return r.volume_mm3[image::Cortical] + r.volume_mm3[image::Cancellous]; };
  CHECK(bone(with) - bone(without) == Approx(ballVolume(3)).epsilon(0.02));
}

TEST_CASE("a joint leaves its gap between two bones") {
  Scene scene;
  scene.bones = {boneBall({-7, 0, 0}, 9, 1), boneBall({7, 0, 0}, 9, 1)};
  scene.bones[1].joints = {{0, 2.0}};
  const auto out = phantom::render(scene, cube(72, 0.5), 0.5);
  std::set<int> found;
  double nearest = 1e9;  // voxels along the row through both centres
  int last_of_first = 0;
  for (int i = 0; i < 72; ++i) {
    const int label = out.instances.at(i, 36, 36);
    if (label) found.insert(label);
    if (label == 10) last_of_first = i;
    if (label == 11) nearest = std::min(nearest, 0.5 * (i - last_of_first - 1));
  }
  CHECK(found == std::set<int>{10, 11});
  CHECK(nearest == Approx(2).margin(0.5));
  const double hu = out.ct.at(72 / 2 + 6, 36, 36);  // at x = 3.25, in the middle of the gap from 2 to 4
  CHECK(hu == Approx(scene.joint_hu).margin(1));
}

TEST_CASE("a slice averages over its thickness") {
  // A cell's share is linear over its mean width, here up to 0.2 mm off its height: 4 % of the thinnest slice.
  Scene scene;
  scene.tissue.push_back({{[](const Vector3d& p) { return p[2] - 0.3; }}, [](const Vector3d&) { return 0.0; }});
  image::Frame frame = cube(9, 1);
  for (const double thickness : {0.5, 1.0, 4.0}) {
    const auto out = phantom::render(scene, frame, thickness);
    for (int k = 0; k < 9; ++k) {
      const double inside = std::clamp(0.5 - (k - 4 - 0.3) / thickness, 0.0, 1.0);
      CHECK(out.ct.at(4, 4, k) == Approx(-1000 + 1000 * inside).margin(45));
    }
  }
}

TEST_CASE("a kernel's edge response is that of its two Gaussians") {
  image::Frame frame = cube(81, 0.2);
  image::CtVolume ct(frame);
  for (int k = 0; k < 81; ++k)
    for (int j = 0; j < 81; ++j)
      for (int i = 41; i < 81; ++i) ct.at(i, j, k) = 1000;
  const phantom::Kernel kernel{0.6, 1.5, 0.5};
  phantom::applyKernel(ct, kernel);
  double highest = 0;
  for (int i = 0; i < 81; ++i) {
    const double x = 0.2 * (i - 40.5);
    CHECK(ct.at(i, 40, 40) == Approx(1000 * (1.5 * phi(x / 0.6) - 0.5 * phi(x / 1.5))).margin(3));
    highest = std::max<double>(highest, ct.at(i, 40, 40));
  }
  CHECK(highest > 1070);
}

TEST_CASE("noise has its strength and its correlation up to the border") {
  image::Frame frame = cube(64, 0.8);
  frame.spacing_mm[2] = 2;
  image::CtVolume ct(frame);
  phantom::addNoise(ct, 20, 2.0, 5);
  double square = 0, border = 0, lagged[6] = {}, n = 0, edge = 0;
  for (int k = 0; k < 64; ++k) {
    for (int j = 0; j < 64; ++j) {
      for (int i = 0; i < 64; ++i) {
        const double v = ct.at(i, j, k);
        if (i == 0 || i == 63) border += v * v, ++edge;
        if (i >= 58) continue;
        square += v * v, ++n;
        for (int lag = 1; lag < 6; ++lag) lagged[lag] += v * ct.at(i + lag, j, k);
      }
    }
  }
  CHECK(std::sqrt(square / n) == Approx(20).epsilon(0.02));
  CHECK(std::sqrt(border / edge) == Approx(20).epsilon(0.06));
  for (int lag = 1; lag < 6; ++lag) {
    const double x = 0.8 * lag;
    CHECK(lagged[lag] / square == Approx(std::exp(-x * x / 4)).margin(0.03));
  }
}

TEST_CASE("errors of the scale, clipping and the reconstruction circle") {
  const image::Frame frame = cube(20, 1);
  image::CtVolume ct(frame, 100.0f);
  ct.at(10, 10, 10) = 5000;
  phantom::ScanModel model;
  model.kernel.narrow_mm = 0;
  model.hu_scale = 1.02, model.hu_shift = -30, model.circle_mm = 8, model.outside_hu = -3024;
  phantom::expose(ct, {}, model);
  CHECK(ct.at(9, 9, 5) == 92);  // 1.02 (100 + 1000) - 1000 - 30
  CHECK(ct.at(10, 10, 10) == 3071);
  CHECK(ct.at(0, 0, 5) == -3024);
  CHECK(ct.at(9, 1, 5) == -3024);
  image::LabelVolume labels(frame, image::Cortical);
  phantom::cutCircle(labels, 8);
  CHECK(labels.at(0, 0, 5) == image::Background);
  CHECK(labels.at(9, 9, 5) == image::Cortical);
}

TEST_CASE("every kind of scene shows bones, and what was asked for") {
  for (const std::string& kind : phantom::sceneKinds()) {
    phantom::SceneWish wish;
    wish.kind = kind, wish.defect = kind == "head" ? "hole" : "bite", wish.margin = "sharp", wish.seed = 3;
    wish.spacing_mm = Vector3d::Constant(3), wish.size_voxels = 40, wish.circle = false;
    const phantom::SceneScan scan = phantom::makeScene(wish);
    INFO(kind);
    CHECK(scan.ct.frame.size.maxCoeff() <= 40);
    const auto voxels = [&](int label) {
      return static_cast<double>(std::count(scan.labels.voxels.begin(), scan.labels.voxels.end(), label)) * 27;
    };
    CHECK(scan.margin == phantom::Margin::Sharp);
    CHECK(scan.volume_mm3[image::Defect] > 20);
    const double bone = voxels(image::Cortical) + voxels(image::Cancellous);
    CHECK(bone == Approx(scan.volume_mm3[image::Cortical] + scan.volume_mm3[image::Cancellous]).epsilon(0.12));
    CHECK(std::set<int>(scan.instances.voxels.begin(), scan.instances.voxels.end()).size() > 1);
    for (std::size_t v = 0; v < scan.labels.voxels.size(); ++v) {
      const int label = scan.labels.voxels[v];
      REQUIRE((scan.instances.voxels[v] >= 10) == (label == image::Cortical || label == image::Cancellous));
    }
  }
}

TEST_CASE("a scene gives the same bytes for any thread count, and another for another seed") {
  phantom::SceneWish wish;
  wish.spacing_mm = Vector3d(3, 3, 4), wish.size_voxels = 32, wish.metal = true, wish.kind = "knee", wish.seed = 8;
  core::setThreads(1);
  const phantom::SceneScan one = phantom::makeScene(wish);
  core::setThreads(2);
  const phantom::SceneScan two = phantom::makeScene(wish);
  CHECK(one.ct.voxels == two.ct.voxels);
  CHECK(one.labels.voxels == two.labels.voxels);
  CHECK(one.instances.voxels == two.instances.voxels);
  CHECK(phantom::describe(one) == phantom::describe(two));
  CHECK(one.volume_mm3[image::Metal] > 50);
  wish.seed = 9;
  CHECK(phantom::makeScene(wish).ct.voxels != one.ct.voxels);
}

TEST_CASE("a scene that does not exist is refused") {
  phantom::SceneWish wish;
  wish.kind = "knees";
  CHECK_THROWS_AS(phantom::makeScene(wish), core::Error);
}
