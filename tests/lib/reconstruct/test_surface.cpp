#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "mesh/measures.h"
#include "reconstruct/edge_field.h"
#include "reconstruct/surface.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kPi = 3.14159265358979323846;

struct Scene {
  image::CtVolume ct;
  image::LabelVolume labels;
};

/// Partial volume of a ball or shell by 4³ samples a voxel, blurred, with noise; labels where more than half is bone.
Scene ball(double radius, double hollow, double sigma, double noise, const Eigen::Matrix3d& direction,
           const Vector3d& spacing) {
  image::Frame frame;
  for (int axis = 0; axis < 3; ++axis) frame.size[axis] = static_cast<int>((2 * radius + 14) / spacing[axis]);
  frame.spacing_mm = spacing;
  frame.direction = direction;
  const Vector3d centre = 0.5 * (frame.size.cast<double>() + Vector3d(0.3, -0.4, 0.2)).cwiseProduct(spacing);
  frame.origin_mm = -direction * centre + Vector3d(3, 4, 5);
  Scene scene{image::CtVolume(frame), image::LabelVolume(frame)};
  for (int k = 0; k < frame.size[2]; ++k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        int inside = 0;
        for (int s = 0; s < 64; ++s) {
          const Vector3d sub(((s & 3) - 1.5) / 4, ((s >> 2 & 3) - 1.5) / 4, ((s >> 4) - 1.5) / 4);
          const double r = ((Vector3d(i, j, k) + sub).cwiseProduct(spacing) - centre).norm();
          inside += r < radius && r > hollow;
        }
        scene.ct.at(i, j, k) = static_cast<float>(40 + 1160 * inside / 64.0);
        scene.labels.at(i, j, k) = inside > 32 ? 1 : 0;
      }
    }
  }
  if (sigma > 0) reconstruct::blur(scene.ct, sigma);
  const core::Random random(7);
  for (std::size_t i = 0; i < scene.ct.voxels.size(); ++i)
    scene.ct.voxels[i] += static_cast<float>(noise * random.normal(i));
  return scene;
}

struct Errors {
  double volume, area, mean, max;
};

Errors measure(const Scene& scene, double radius, bool with_ct, double voxel_mm) {
  reconstruct::SurfaceOptions options;
  options.voxel_mm = voxel_mm;
  options.labels = {1};
  reconstruct::SurfaceReport report;
  const auto surface = reconstruct::boneSurface(scene.labels, with_ct ? &scene.ct : nullptr, options, report);
  const auto mesh = levelset::toMesh(surface);
  CHECK(mesh::topology(mesh).closed());
  Errors e{mesh::volume_mm3(mesh) / (4.0 / 3 * kPi * std::pow(radius, 3)) - 1,
           mesh::area_mm2(mesh) / (4 * kPi * radius * radius) - 1, 0, 0};
  for (const auto& v : mesh.vertices) {
    const double d = std::abs((v - Vector3d(3, 4, 5)).norm() - radius);
    e.mean += d / static_cast<double>(mesh.vertices.size());
    e.max = std::max(e.max, d);
  }
  WARN("volume " << 100 * e.volume << " %, area " << 100 * e.area << " %, mean " << e.mean << " mm, max " << e.max
                 << " mm, blur " << report.blur_sigma_mm << " mm");
  return e;
}

}  // namespace

TEST_CASE("the grey values give a sphere's surface between the voxels") {
  const Eigen::Matrix3d turned =
      (Eigen::AngleAxisd(0.4, Vector3d::UnitZ()) * Eigen::AngleAxisd(-0.3, Vector3d::UnitX())).toRotationMatrix();
  const struct {
    double radius, sigma, noise;
    Eigen::Matrix3d direction;
    Vector3d spacing;
  } cases[] = {{20, 0, 0, Eigen::Matrix3d::Identity(), {1, 1, 1}},
               {20, 0.7, 30, Eigen::Matrix3d::Identity(), {1, 1, 1}},
               {12, 0.7, 20, turned, {1, 1, 1}},
               {12, 1.0, 50, Eigen::Matrix3d::Identity(), {1, 1, 1}},
               {20, 1.0, 50, Eigen::Matrix3d::Identity(), {1, 1, 1}},
               {20, 0.5, 20, turned, {0.8, 0.8, 1.2}}};
  for (const auto& c : cases) {
    const Errors e = measure(ball(c.radius, 0, c.sigma, c.noise, c.direction, c.spacing), c.radius, true, 0.5);
    CHECK(std::abs(e.volume) < 0.005);
    CHECK(std::abs(e.area) < 0.01);
    CHECK(e.mean < 0.05);
    CHECK(e.max < 0.3);
  }
}

TEST_CASE("labels alone give a surface that stays within the boundary voxels and keeps the volume") {
  const Errors e = measure(ball(20, 0, 0, 0, Eigen::Matrix3d::Identity(), {1, 1, 1}), 20, false, 0.5);
  CHECK(std::abs(e.volume) < 0.01);
  CHECK(std::abs(e.area) < 0.03);
  CHECK(e.max < 0.6);
}

TEST_CASE("labels that name no bone are refused") {
  image::Segmentation segmentation;
  image::Frame frame;
  frame.size = {4, 4, 4};
  segmentation.labels = image::LabelVolume(frame, 3);
  segmentation.names[3] = "Metal";
  CHECK_THROWS_AS(reconstruct::boneLabels(segmentation, {}), core::Error);
  CHECK_THROWS_AS(reconstruct::boneLabels(segmentation, {"Femur"}), core::Error);
  CHECK(reconstruct::boneLabels(segmentation, {"Metal"}) == std::set<int>{3});
  CHECK(reconstruct::boneLabels(segmentation, {"3"}) == std::set<int>{3});
}
