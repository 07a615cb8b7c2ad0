#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "mesh/measures.h"
#include "mesh/simplify.h"
#include "reconstruct/tetra.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kPi = 3.14159265358979323846;
const Vector3d kCentre(0.31, -0.47, 0.83);

levelset::LevelSet solid(const std::function<double(const Vector3d&)>& f, const Vector3d& half_mm, double voxel_mm) {
  return levelset::fromFunction([&](const Vector3d& p) { return f(p - kCentre); }, kCentre - half_mm - Vector3d::Ones(),
                                kCentre + half_mm + Vector3d::Ones(), voxel_mm);
}

double smallestVolume(const reconstruct::TetraMesh& mesh) {
  double smallest = 1e300;
  for (const auto& t : mesh.tetrahedra) {
    const Vector3d a = mesh.vertices[t[0]];
    smallest =
        std::min(smallest, (mesh.vertices[t[1]] - a).cross(mesh.vertices[t[2]] - a).dot(mesh.vertices[t[3]] - a) / 6);
  }
  return smallest;
}

/// What holds for any solid: volumes positive, angles within bounds, nothing overlaps.
reconstruct::TetraMeasures requireSound(const reconstruct::TetraMesh& mesh, double least_deg, double most_deg) {
  const reconstruct::TetraMeasures m = reconstruct::measure(mesh);
  CHECK(smallestVolume(mesh) > 0);
  CHECK(m.min_dihedral_deg > least_deg);
  CHECK(m.max_dihedral_deg < most_deg);
  CHECK(mesh::volume_mm3(reconstruct::boundary(mesh)) == Approx(m.volume_mm3));
  return m;
}

struct Body {
  std::function<double(const Vector3d&)> f;
  Vector3d half_mm;
  double volume_mm3;
  int euler;
};

const Body kBall = {[](const Vector3d& p) { return p.norm() - 20; }, {20, 20, 20}, 4.0 / 3 * kPi * 8000, 2};
const Body kTorus = {[](const Vector3d& p) { return std::hypot(std::hypot(p.x(), p.y()) - 20, p.z()) - 6; },
                     {26, 26, 6},
                     2 * kPi* kPi * 20 * 36,
                     0};

}  // namespace

TEST_CASE("a ball and a torus become sound tetrahedra with their volume and topology") {
  for (const Body& body : {kBall, kTorus}) {
    const levelset::LevelSet surface = solid(body.f, body.half_mm, 0.5);
    for (const double edge_mm : {2.5, 2.0, 1.3}) {
      const reconstruct::TetraMesh mesh = reconstruct::fillWithTetrahedra(surface, edge_mm);
      const reconstruct::TetraMeasures m = requireSound(mesh, 10.7, 164.8);
      const mesh::TriangleMesh skin = reconstruct::boundary(mesh);
      const mesh::Topology topology = mesh::topology(skin);
      CHECK(topology.closed());
      CHECK(topology.components == 1);
      CHECK(topology.euler_characteristic == body.euler);
      const double error = 100 * (m.volume_mm3 / body.volume_mm3 - 1);
      WARN(edge_mm << " mm: " << mesh.tetrahedra.size() << " tetrahedra, volume " << error << " %, angles "
                   << m.min_dihedral_deg << " to " << m.max_dihedral_deg << " deg, boundary off by "
                   << mesh::maxDeviation_mm(skin, levelset::toMesh(surface)) << " mm");
      CHECK(std::abs(error) < (edge_mm < 2.3 ? 1 : 2));
    }
  }
}

TEST_CASE("angles stay within bounds whatever the surface") {
  const core::Random random(5);
  for (int trial = 0; trial < 6; ++trial) {
    // Values without any order, on voxels as coarse as the lattice down to a third of it.
    const double voxel_mm = trial < 3 ? 1 : 0.6;
    const auto noise = [&](const Vector3d& p) {
      const Eigen::Vector3i at = (p / voxel_mm).array().round().cast<int>();
      const auto n = static_cast<std::uint64_t>((at[0] + 50) + 101 * ((at[1] + 50) + 101 * (at[2] + 50)));
      return random.normal(n + 2000000U * static_cast<std::uint64_t>(trial));
    };
    const auto surface = levelset::fromFunction(noise, Vector3d::Constant(-12), Vector3d::Constant(12), voxel_mm);
    const auto mesh = reconstruct::fillWithTetrahedra(surface, 1.8);
    const auto m = requireSound(mesh, 9.3, 161.7);
    WARN(mesh.tetrahedra.size() << " tetrahedra: " << m.min_dihedral_deg << " to " << m.max_dihedral_deg << " deg");
  }
}

TEST_CASE("tetrahedra are the same for any thread count, and what is too thin for them is refused") {
  const levelset::LevelSet surface = solid(kTorus.f, kTorus.half_mm, 0.5);
  const int threads = core::threads();
  core::setThreads(1);
  const auto one = reconstruct::fillWithTetrahedra(surface, 2);
  core::setThreads(3);
  const auto three = reconstruct::fillWithTetrahedra(surface, 2);
  core::setThreads(threads);
  CHECK(one.vertices == three.vertices);
  CHECK(one.tetrahedra == three.tetrahedra);
  CHECK_THROWS_AS(reconstruct::fillWithTetrahedra(surface, 1e-3), core::Error);
  const auto grain = solid([](const Vector3d& p) { return p.norm() - 0.6; }, {1, 1, 1}, 0.2);
  CHECK_THROWS_AS(reconstruct::fillWithTetrahedra(grain, 20), core::Error);
}
