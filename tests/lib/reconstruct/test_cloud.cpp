#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "mesh/closest.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "reconstruct/cloud.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

/// Points on a ball of 20 mm, evenly by Fibonacci's spiral, as far up as `top`, with noise along the normal.
mesh::PointCloud ballPoints(int n, double top, double noise, bool with_normals) {
  const core::Random random(11);
  mesh::PointCloud cloud;
  for (int i = 0; i < n; ++i) {
    const double z = 1 - (2 * i + 1.0) / n, turn = i * 2.399963229728653, r = std::sqrt(1 - z * z);
    if (z > top) continue;
    const Vector3d normal(r * std::cos(turn), r * std::sin(turn), z);
    cloud.points.push_back(normal * (20 + noise * random.normal(static_cast<std::uint64_t>(i))));
    if (with_normals) cloud.normals.push_back(normal);
  }
  return cloud;
}

double rmsToBall(const mesh::TriangleMesh& mesh) {
  double sum = 0;
  for (const auto& v : mesh.vertices) sum += std::pow(v.norm() - 20, 2);
  return std::sqrt(sum / static_cast<double>(mesh.vertices.size()));
}

}  // namespace

TEST_CASE("a ball of noisy points becomes a closed ball") {
  for (const bool with_normals : {true, false}) {
    for (const double noise : {0.0, 0.3}) {
      reconstruct::CloudReport report;
      const auto mesh = levelset::toMesh(
          reconstruct::cloudSurface(ballPoints(4000, 2, noise, with_normals), {.voxel_mm = 0.7}, report));
      CHECK(mesh::topology(mesh).closed());
      CHECK(mesh::topology(mesh).euler_characteristic == 2);
      CHECK(report.normals_estimated == !with_normals);
      CHECK(report.guessed_share == 0);
      const double rms = rmsToBall(mesh);
      WARN("noise " << noise << " mm: RMS " << rms << " mm, residual " << report.residual_rms_mm << " mm, spacing "
                    << report.spacing_mm << " mm");
      CHECK(rms < 0.02 + 0.5 * noise);
    }
  }
}

TEST_CASE("of a ball's half that nobody saw, the record says that it is guessed") {
  reconstruct::CloudReport report;
  const auto cloud = ballPoints(4000, 0, 0.1, true);
  const auto surface = reconstruct::cloudSurface(cloud, {.voxel_mm = 0.7}, report);
  const auto mesh = levelset::toMesh(surface);
  CHECK(mesh::topology(mesh).closed());
  CHECK(mesh::topology(mesh).components == 1);
  WARN("guessed " << 100 * report.guessed_share << " % of the area, volume " << mesh::volume_mm3(mesh) << " mm3");
  CHECK(report.guessed_share > 0.25);
  CHECK(report.guessed_share < 0.6);
  double share = 0;
  const auto seen =
      reconstruct::trimmed(mesh, reconstruct::distancesToCloud(mesh, cloud, 2 * report.gap_mm), report.gap_mm, share);
  CHECK(share == report.guessed_share);
  CHECK(mesh::topology(seen).boundary_edges > 20);
  CHECK(mesh::topology(seen).nonmanifold_edges == 0);
  for (const auto& v : seen.vertices) CHECK(v.z() < report.gap_mm + 1);
  CHECK(rmsToBall(seen) < 0.5);
}

TEST_CASE("a real talus comes back from noisy points") {
  const std::string path = OSTEO_SOURCE_DIR "/../shared/data/mesh/VHF_Left_Bone_Talus_smooth.stl";
  if (!std::filesystem::exists(path)) {
    WARN("data absent: " << path);
    return;
  }
  const mesh::TriangleMesh truth = mesh::readMesh(path);
  const core::Random random(5);
  mesh::PointCloud cloud;
  std::uint64_t draw = 0;
  const double area = mesh::area_mm2(truth);
  for (const auto& t : truth.triangles) {
    const Vector3d a = truth.vertices[t[0]], u = truth.vertices[t[1]] - a, v = truth.vertices[t[2]] - a;
    const double wanted = 20000 * 0.5 * u.cross(v).norm() / area;
    for (double left = wanted; left > 0; left -= 1) {
      if (left < 1 && random.uniform(draw++) > left) break;
      double s = random.uniform(draw++), w = random.uniform(draw++);
      if (s + w > 1) s = 1 - s, w = 1 - w;
      cloud.normals.push_back(u.cross(v).normalized());
      cloud.points.push_back(a + s * u + w * v + cloud.normals.back() * 0.2 * random.normal(draw++));
    }
  }
  reconstruct::CloudReport report;
  const auto mesh = levelset::toMesh(reconstruct::cloudSurface(cloud, {}, report));
  CHECK(mesh::topology(mesh).closed());
  CHECK(mesh::topology(mesh).components == 1);
  const mesh::ClosestPoint nearest(truth);
  double sum = 0;
  for (const auto& v : mesh.vertices) sum += std::pow(nearest(v).distance_mm, 2);
  const double rms = std::sqrt(sum / static_cast<double>(mesh.vertices.size()));
  WARN("points " << cloud.points.size() << ", RMS " << rms << " mm, volume "
                 << 100 * (mesh::volume_mm3(mesh) / mesh::volume_mm3(truth) - 1) << " %, spacing " << report.spacing_mm
                 << " mm, guessed " << 100 * report.guessed_share << " %");
  CHECK(rms < 0.2);
  CHECK(std::abs(mesh::volume_mm3(mesh) / mesh::volume_mm3(truth) - 1) < 0.01);
}

TEST_CASE("clouds that make no surface are refused") {
  reconstruct::CloudReport report;
  CHECK_THROWS_AS(reconstruct::cloudSurface(ballPoints(40, 2, 0, true), {}, report), core::Error);
  mesh::PointCloud spot;
  spot.points.assign(100, Vector3d(1, 2, 3));
  CHECK_THROWS_AS(reconstruct::cloudSurface(spot, {}, report), core::Error);
  const core::Random random(3);
  mesh::PointCloud dust;  // fills a box: no side is out
  for (std::uint64_t i = 0; i < 900; i += 3)
    dust.points.emplace_back(random.uniform(i), random.uniform(i + 1), random.uniform(i + 2));
  CHECK_THROWS_AS(reconstruct::cloudSurface(dust, {}, report), core::Error);
}

TEST_CASE("a cloud's surface is the same for any thread count") {
  const auto build = [] {
    reconstruct::CloudReport report;
    return levelset::toMesh(reconstruct::cloudSurface(ballPoints(1500, 0.3, 0.2, false), {.voxel_mm = 1.5}, report));
  };
  core::setThreads(1);
  const auto one = build();
  core::setThreads(2);
  const auto two = build();
  CHECK(one.vertices == two.vertices);
  CHECK(one.triangles == two.triangles);
}
