#include <unistd.h>

#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/parallel.h"
#include "learn/bones.h"
#include "learn/completion.h"
#include "learn/implicit.h"
#include "learn/training.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

/// Distances to balls of 20 and 24 mm: shape 0 and shape 1.
learn::Network sphereNetwork() {
  return {"implicit-mlp",
          {{"shapes", 2},
           {"latent", 4},
           {"width", 48},
           {"layers", 4},
           {"frequencies", 1},
           {"clamp_mm", 10},
           {"prior", 1e-4},
           {"half_x_mm", 40},
           {"half_y_mm", 40},
           {"half_z_mm", 40}},
          {}};
}

void sphereExamples(std::int64_t step, learn::Batch& batch) {
  learn::Draw draw(5, static_cast<std::uint64_t>(step));
  batch.count = 500;
  for (int i = 0; i < 500; ++i) {
    const double radius = i % 2 == 0 ? 20 : 24;
    const Vector3d p = draw.direction() * (radius + draw.between(-8, 12));
    for (int a = 0; a < 3; ++a) batch.input.push_back(static_cast<float>(p[a]));
    batch.target.push_back(static_cast<float>(p.norm() - radius));
    batch.ids.push_back(i % 2);
  }
}

learn::Weights sphereWeights() {
  learn::Weights out{sphereNetwork()};
  learn::TrainingOptions options;
  options.steps = 700;
  options.rate = 3e-3;
  learn::runTraining(out.network, options, sphereExamples);
  return out;
}

std::vector<registration::OrientedPoint> ballPoints(double radius, const Vector3d& centre, double lowest) {
  learn::Draw draw(9, 1);
  std::vector<registration::OrientedPoint> out;
  while (out.size() < 400) {
    const Vector3d u = draw.direction();
    if (u[2] > lowest) out.push_back({centre + radius * u, u});
  }
  return out;
}

image::Frame cube(int size, double spacing) {
  image::Frame frame;
  frame.size.setConstant(size);
  frame.spacing_mm.setConstant(spacing);
  frame.origin_mm.setConstant(-0.5 * spacing * (size - 1));
  return frame;
}

}  // namespace

TEST_CASE("an implicit network learns balls, and finds one between them from a part of its surface") {
  const learn::Weights weights = sphereWeights();
  // Both balls at once, codes from their surfaces.
  for (const double radius : {20.0, 24.0}) {
    learn::ImplicitFitting how;
    how.move = false;
    how.prior = 1e-4;
    const learn::ImplicitShape shape = learn::fitImplicit(weights, ballPoints(radius, Vector3d::Zero(), -1), how);
    const image::CtVolume distance = learn::distanceOf(weights, shape, cube(17, 3.5));
    double worst = 0;
    for (int k = 0; k < 17; ++k)
      for (int j = 0; j < 17; ++j)
        for (int i = 0; i < 17; ++i) {
          const double truth = distance.frame.toWorld(Vector3d(i, j, k)).norm() - radius;
          if (std::abs(truth) < 6) worst = std::max(worst, std::abs(distance.at(i, j, k) - truth));
        }
    CHECK(worst < 1.5);
    CHECK(shape.residual_mm < 0.4);
  }
  // The upper two thirds of a ball of 22 mm that lies elsewhere: the lower pole follows.
  learn::ImplicitFitting how;
  const Vector3d centre(100, -50, 3);
  how.start = Eigen::Translation3d(-centre + Vector3d(3, -2, 2));
  const learn::ImplicitShape shape = learn::fitImplicit(weights, ballPoints(22, centre, -0.3), how);
  image::Frame below = cube(3, 0.5);
  below.origin_mm += centre - Vector3d(0, 0, 22);
  CHECK(std::abs(learn::distanceOf(weights, shape, below).at(1, 1, 1)) < 1.5);
}

TEST_CASE("equal threads give equal bytes, and a run that was stopped goes on to them") {
  const auto folder = std::filesystem::temp_directory_path() / ("osteo_check_" + std::to_string(::getpid()));
  learn::TrainingOptions options;
  options.steps = 20;
  learn::Network whole = sphereNetwork(), again = sphereNetwork(), resumed = sphereNetwork();
  learn::runTraining(whole, options, sphereExamples);
  learn::runTraining(again, options, sphereExamples);
  options.checkpoint = folder.string();
  options.checkpoint_every = 8;
  const auto stopped = [](std::int64_t step, learn::Batch& batch) {
    if (step == 19) throw core::Error(core::Exit::TryAgain, {.what = "stopped"});
    sphereExamples(step, batch);
  };
  learn::Network lost = sphereNetwork();
  CHECK_THROWS_AS(learn::runTraining(lost, options, stopped), core::Error);
  REQUIRE(std::filesystem::exists(folder));
  learn::runTraining(resumed, options, sphereExamples);
  learn::TrainingOptions other = options;
  other.rate = 1;
  CHECK_THROWS_AS(learn::runTraining(lost, other, sphereExamples), core::Error);
  std::filesystem::remove_all(folder);
  REQUIRE(whole.tensors.size() == again.tensors.size());
  for (std::size_t t = 0; t < whole.tensors.size(); ++t) {
    CHECK(whole.tensors[t].values == again.tensors[t].values);
    CHECK(whole.tensors[t].values == resumed.tensors[t].values);
  }
}

TEST_CASE("weights that don't fit their settings are unfit data") {
  learn::Network network = sphereNetwork();
  learn::TrainingOptions options;
  options.steps = 1;
  learn::runTraining(network, options, sphereExamples);
  learn::Batch batch;
  batch.count = 1;
  batch.input = {0, 0, 0};
  const std::vector<float> code(4);
  CHECK(learn::apply(network, batch, code).size() == 1);
  batch.input.pop_back();
  CHECK_THROWS_AS(learn::apply(network, batch, code), core::Error);
  batch.input.push_back(0);
  CHECK_THROWS_AS(learn::apply(network, batch, {}), core::Error);
  std::swap(network.tensors.front().shape[0], network.tensors.front().shape[1]);
  CHECK_THROWS_AS(learn::apply(network, batch, code), core::Error);
  network.architecture = "oracle";
  CHECK_THROWS_AS(learn::apply(network, batch, code), core::Error);
}

TEST_CASE("examples: what is cut is missing, and nothing else changes") {
  const image::CtVolume bone = learn::proceduralBone(3);
  const learn::Example made = learn::example(bone, 1, 2), same = learn::example(bone, 1, 2);
  CHECK(made.damaged == same.damaged);
  CHECK(made.mirrored == same.mirrored);
  REQUIRE(made.hole);
  int missing = 0, added = 0;
  for (std::size_t v = 0; v < made.whole.size(); ++v) {
    missing += made.whole[v] < 0 && made.damaged[v] > 0.1F;
    added += made.whole[v] > 0.1F && made.damaged[v] < 0;
  }
  CHECK(missing > 100);
  CHECK(added == 0);
}

TEST_CASE("the completion network overfits one defect") {
  const learn::Example made = learn::example(learn::proceduralBone(3), 1, 2);
  learn::Network network{"residual-unet", {{"channels", 2}, {"size", learn::kPatch}, {"base", 8}, {"levels", 3}}, {}};
  learn::TrainingOptions options;
  options.steps = 90;
  options.rate = 1e-3;
  learn::runTraining(network, options, [&](std::int64_t, learn::Batch& batch) {
    batch.count = 1;
    batch.input = made.damaged;
    batch.input.insert(batch.input.end(), made.mirrored.begin(), made.mirrored.end());
    batch.target = made.whole;
    batch.weight = made.weight;
  });
  const std::vector<float> found = learn::completePatch(network, made.damaged, made.mirrored);
  int truth = 0, both = 0, all = 0;
  for (std::size_t v = 0; v < found.size(); ++v) {
    const bool is = made.whole[v] < 0 && made.damaged[v] > 0, seen = found[v] < 0 && made.damaged[v] > 0;
    truth += is;
    both += is && seen;
    all += seen;
  }
  CHECK(2.0 * both / (truth + all) > 0.75);

  // In a volume, with the defect's place: what is far from it stays as it was.
  learn::Weights weights{network};
  const image::CtVolume bone = learn::proceduralBone(3);
  learn::CompletionOptions where;
  where.defect_at_mm = Vector3d(0, 0, 500);
  const image::CtVolume same = learn::completeBone(weights, bone, nullptr, where);
  REQUIRE(same.frame.sameGrid(bone.frame));
  double worst = 0;
  for (std::size_t v = 0; v < bone.voxels.size(); ++v)
    worst = std::max<double>(worst, std::abs(same.voxels[v] - bone.voxels[v]));
  CHECK(worst < 0.7);
  image::CtVolume turned = bone;
  turned.frame.direction = Eigen::AngleAxisd(0.3, Vector3d::UnitZ()).toRotationMatrix();
  CHECK_THROWS_AS(learn::completeBone(weights, turned, nullptr, {}), core::Error);
}
