#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "image/resample.h"
#include "mesh/measures.h"
#include "reconstruct/edge_field.h"
#include "reconstruct/surface.h"

// The targets on bodies with known surfaces, at 1 mm voxels.
using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kPi = 3.14159265358979323846;
const Vector3d kCentre(0.13, -0.21, 0.37);

struct Scene {
  image::CtVolume ct;
  image::LabelVolume labels;
};

/// Partial volume of what lies inside f < 0 by 6³ samples a voxel, blurred by half a voxel; labels where the grey value
/// is above half.
Scene scan(const std::function<double(const Vector3d&)>& f, const Vector3d& half_mm, double sigma = 0.5) {
  constexpr int kSub = 6;
  image::Frame frame;
  frame.size = (2 * (half_mm.array().ceil() + 8) + 1).cast<int>();
  frame.origin_mm = -(half_mm.array().ceil() + 8);
  Scene scene{image::CtVolume(frame), image::LabelVolume(frame)};
  for (int k = 0; k < frame.size[2]; ++k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        const Vector3d centre = frame.toWorld(Vector3d(i, j, k)) - kCentre;
        int inside = 0;
        for (int s = 0; s < kSub * kSub * kSub; ++s) {
          const Vector3d sub(s % kSub, s / kSub % kSub, s / (kSub * kSub));
          inside += f(centre + (sub.array() - 0.5 * (kSub - 1)).matrix() / kSub) < 0 ? 1 : 0;
        }
        scene.ct.at(i, j, k) = 1200.0F * static_cast<float>(inside) / (kSub * kSub * kSub);
        scene.labels.at(i, j, k) = 2 * inside > kSub * kSub * kSub ? 1 : 0;
      }
    }
  }
  if (sigma > 0) reconstruct::blur(scene.ct, sigma);
  return scene;
}

mesh::TriangleMesh reconstructed(const Scene& scene, bool with_ct) {
  reconstruct::SurfaceOptions options;
  options.voxel_mm = 0.5;
  options.labels = {1};
  reconstruct::SurfaceReport report;
  auto mesh = levelset::toMesh(reconstruct::boneSurface(scene.labels, with_ct ? &scene.ct : nullptr, options, report));
  for (auto& v : mesh.vertices) v -= kCentre;
  return mesh;
}

double ball(const Vector3d& p) { return p.norm() - 20; }

struct SphereErrors {
  double rms_mm, volume_percent, normal_deg;
};

/// Over the vertices; normals of the triangles, weighted by area.
SphereErrors sphereErrors(const mesh::TriangleMesh& mesh) {
  double squares = 0, turn = 0, area = 0;
  for (const auto& v : mesh.vertices) squares += std::pow(v.norm() - 20, 2);
  for (const auto& t : mesh.triangles) {
    const Vector3d a = mesh.vertices[t[0]], b = mesh.vertices[t[1]], c = mesh.vertices[t[2]];
    const Vector3d n = (b - a).cross(c - a);
    turn += n.norm() * std::acos(std::clamp(n.normalized().dot((a + b + c).normalized()), -1.0, 1.0));
    area += n.norm();
  }
  return {std::sqrt(squares / static_cast<double>(mesh.vertices.size())),
          100 * (mesh::volume_mm3(mesh) / (4.0 / 3 * kPi * 8000) - 1), turn / area * 180 / kPi};
}

}  // namespace

TEST_CASE("a sphere of 20 mm at 1 mm from blurred grey values") {
  const SphereErrors e = sphereErrors(reconstructed(scan(ball, Vector3d::Constant(20)), true));
  WARN("RMS " << e.rms_mm << " mm, volume " << e.volume_percent << " %, normals " << e.normal_deg << " deg");
  CHECK(e.rms_mm < 0.035);
  CHECK(std::abs(e.volume_percent) < 0.2);
  CHECK(e.normal_deg < 3);
}

TEST_CASE("a sphere of 20 mm at 1 mm from its mask alone") {
  const SphereErrors e = sphereErrors(reconstructed(scan(ball, Vector3d::Constant(20), 0), false));
  WARN("RMS " << e.rms_mm << " mm, volume " << e.volume_percent << " %, normals " << e.normal_deg << " deg");
  CHECK(e.rms_mm < 0.08);
  CHECK(std::abs(e.volume_percent) < 0.3);
}

TEST_CASE("an ellipsoid keeps its volume, with grey values and without") {
  const Vector3d axes(40, 25, 15);
  const auto f = [&](const Vector3d& p) { return p.cwiseQuotient(axes).norm() - 1; };
  const Scene scene = scan(f, axes);
  for (const bool with_ct : {true, false}) {
    const auto mesh = reconstructed(scene, with_ct);
    const double error = 100 * (mesh::volume_mm3(mesh) / (4.0 / 3 * kPi * axes.prod()) - 1);
    WARN("volume " << error << " %");
    CHECK(std::abs(error) < 0.3);
  }
}

TEST_CASE("a torus has Euler characteristic 0 and its volume") {
  const auto f = [](const Vector3d& p) { return std::hypot(std::hypot(p.x(), p.y()) - 20, p.z()) - 6; };
  const Scene scene = scan(f, {26, 26, 6});
  for (const bool with_ct : {true, false}) {
    const auto mesh = reconstructed(scene, with_ct);
    const mesh::Topology topology = mesh::topology(mesh);
    CHECK(topology.closed());
    CHECK(topology.euler_characteristic == 0);
    const double error = 100 * (mesh::volume_mm3(mesh) / (2 * kPi * kPi * 20 * 36) - 1);
    WARN("volume " << error << " %");
    CHECK(std::abs(error) < (with_ct ? 0.5 : 1));
  }
}

TEST_CASE("bones that touch, bone at the edge of the volume and bone one voxel thick") {
  const auto two = [](const Vector3d& p) {
    return std::min((p - Vector3d(-10, 0, 0)).norm() - 10, (p - Vector3d(10, 0, 0)).norm() - 10);
  };
  Scene scene = scan(two, {20, 10, 10});
  CHECK(mesh::topology(reconstructed(scene, true)).closed());

  // A ball cut by the volume's face is closed there.
  image::Box half{Eigen::Vector3i::Zero(), scene.labels.frame.size};
  half.size[0] = scene.labels.frame.size[0] / 4 + 4;
  const Scene cut{image::crop(scene.ct, half, 0.0F), image::crop(scene.labels, half, std::uint16_t{0})};
  const auto closed = reconstructed(cut, true);
  CHECK(mesh::topology(closed).closed());
  CHECK(mesh::topology(closed).components == 1);

  // A plate of one voxel stays one piece.
  image::Frame frame;
  frame.size = {40, 40, 20};
  Scene plate{image::CtVolume(frame), image::LabelVolume(frame)};
  for (int j = 8; j < 32; ++j) {
    for (int i = 8; i < 32; ++i) {
      plate.ct.at(i, j, 10) = 1000;
      plate.labels.at(i, j, 10) = 1;
    }
  }
  for (const bool with_ct : {true, false}) {
    const auto mesh = reconstructed(plate, with_ct);
    CHECK(mesh::topology(mesh).closed());
    CHECK(mesh::topology(mesh).components == 1);
    CHECK(mesh::volume_mm3(mesh) > 150);
    CHECK(mesh::volume_mm3(mesh) < 2 * 576);
  }
}
