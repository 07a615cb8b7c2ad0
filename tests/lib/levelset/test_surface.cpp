#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "core/random.h"
#include "levelset/level_set.h"
#include "mesh/io.h"
#include "mesh/measures.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kPi = 3.14159265358979323846;

levelset::LevelSet sphere(double radius, double voxel, const Vector3d& centre = Vector3d::Zero()) {
  const Vector3d reach = Vector3d::Constant(radius + 2 * voxel);
  return levelset::fromFunction([=](const Vector3d& p) { return (p - centre).norm() - radius; }, centre - reach,
                                centre + reach, voxel);
}

/// Every directed edge once, with its opposite once: closed, oriented, manifold edges.
void requireManifold(const mesh::TriangleMesh& mesh) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> edges;
  for (const auto& t : mesh.triangles) {
    for (int k = 0; k < 3; ++k) ++edges[{t[k], t[(k + 1) % 3]}];
  }
  std::int64_t bad = 0;
  for (const auto& [edge, count] : edges) {
    const auto opposite = edges.find({edge.second, edge.first});
    bad += count != 1 || opposite == edges.end() || opposite->second != 1;
  }
  REQUIRE(bad == 0);
  std::int64_t flat = 0, merged = 0;
  for (const auto& t : mesh.triangles) {
    const Eigen::Vector3f a = mesh.vertices[t[0]].cast<float>(), b = mesh.vertices[t[1]].cast<float>(),
                          c = mesh.vertices[t[2]].cast<float>();
    flat += !((b - a).cast<double>().cross((c - a).cast<double>()).norm() > 0);
    merged += a == b || b == c || a == c;
  }
  REQUIRE(flat == 0);
  REQUIRE(merged == 0);
}

mesh::TriangleMesh box(const Vector3d& side) {
  mesh::TriangleMesh out;
  for (int c = 0; c < 8; ++c) out.vertices.emplace_back(c & 1 ? side[0] : 0, c & 2 ? side[1] : 0, c & 4 ? side[2] : 0);
  out.triangles = {{0, 2, 1}, {1, 2, 3}, {4, 5, 6}, {5, 7, 6}, {0, 1, 4}, {1, 5, 4},
                   {2, 6, 3}, {3, 6, 7}, {0, 4, 2}, {2, 4, 6}, {1, 3, 5}, {3, 7, 5}};
  return out;
}

/// Every triangle in four, cut at the middles of its edges.
mesh::TriangleMesh quartered(const mesh::TriangleMesh& mesh) {
  mesh::TriangleMesh out{mesh.vertices, {}};
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> middles;
  const auto middle = [&](std::uint32_t a, std::uint32_t b) {
    const auto [at, is_new] = middles.try_emplace(std::minmax(a, b), static_cast<std::uint32_t>(out.vertices.size()));
    if (is_new) out.vertices.push_back((mesh.vertices[a] + mesh.vertices[b]) / 2);
    return at->second;
  };
  for (const auto& [a, b, c] : mesh.triangles) {
    const std::uint32_t ab = middle(a, b), bc = middle(b, c), ca = middle(c, a);
    for (const mesh::Triangle& t : {mesh::Triangle{a, ab, ca}, {ab, b, bc}, {ca, bc, c}, {ab, bc, ca}})
      out.triangles.push_back(t);
  }
  return out;
}

/// Largest differences in voxels: beside the surface, and over all voxels of the body and around it.
struct Worst {
  double beside = 0, anywhere = 0;
};

/// Of the level set of a moved box, its triangles cut into so many quarters, to the box's distances.
Worst worstDistance(const Vector3d& side, const Eigen::Isometry3d& place, int quarters, double h) {
  mesh::TriangleMesh mesh = box(side);
  for (int q = 0; q < quarters; ++q) mesh = quartered(mesh);
  for (Vector3d& v : mesh.vertices) v = place * v;
  const auto ls = levelset::fromMesh(mesh, h);
  const mesh::Bounds around = mesh::bounds(mesh);
  const Eigen::Vector3i low = (around.min / h).array().floor().cast<int>() - 5,
                        high = (around.max / h).array().ceil().cast<int>() + 5;
  const Eigen::Isometry3d back = place.inverse();
  const double band = levelset::kHalfWidth_voxels * h;
  Worst worst;
  for (int z = low[2]; z <= high[2]; ++z) {
    for (int y = low[1]; y <= high[1]; ++y) {
      for (int x = low[0]; x <= high[0]; ++x) {
        const Vector3d p = Vector3d(x, y, z) * h, beyond = (back * p - side / 2).cwiseAbs() - side / 2;
        const double wanted = beyond.maxCoeff() < 0 ? beyond.maxCoeff() : beyond.cwiseMax(0).norm();
        const double error = std::abs(levelset::sample(ls, p) - std::clamp(wanted, -band, band)) / h;
        worst.anywhere = std::max(worst.anywhere, error);
        if (std::abs(wanted) < h) worst.beside = std::max(worst.beside, error);
      }
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("a sphere's surface, volume and area are those of the formula") {
  const double r = 20;
  const auto ls = sphere(r, 1.0, {0.3, -0.2, 0.4});
  const auto mesh = levelset::toMesh(ls);
  requireManifold(mesh);
  double sum = 0;
  for (const auto& v : mesh.vertices) sum += std::pow((v - Vector3d(0.3, -0.2, 0.4)).norm() - r, 2);
  CHECK(std::sqrt(sum / static_cast<double>(mesh.vertices.size())) < 0.01);
  CHECK(levelset::volume_mm3(ls) == Approx(4.0 / 3 * kPi * r * r * r).epsilon(5e-4));
  CHECK(levelset::area_mm2(ls) == Approx(4 * kPi * r * r).epsilon(5e-4));
}

TEST_CASE("random signs give closed, oriented, manifold triangles") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const core::Random random(seed);
    const Eigen::Vector3i size(26, 22, 24);
    std::vector<float> values(size.prod());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double u = random.uniform(i);
      values[i] = static_cast<float>(seed == 2 ? (u < 0.5 ? -1e-7 : 1.0) : u - 0.45);
    }
    const auto ls = levelset::fromSamples(values, Eigen::Vector3i(1000, -7, 5), size, 0.1);
    requireManifold(levelset::toMesh(ls));
  }
}

TEST_CASE("distances are true after booleans and offsets") {
  const double h = 0.5;
  const auto a = sphere(8, h), b = sphere(8, h, {6, 0, 0});
  const auto grown = levelset::offset(a, 1.3), shrunk = levelset::offset(a, -2.2);
  for (const Vector3d& direction : {Vector3d(1, 0, 0), Vector3d(0.6, 0.64, 0.48), Vector3d(-0.48, 0.6, -0.64)}) {
    CHECK(levelset::sample(grown, direction * 9.3) == Approx(0).margin(0.05 * h));
    CHECK(levelset::sample(grown, direction * 10.3) == Approx(1).margin(0.05 * h));
    CHECK(levelset::sample(shrunk, direction * 5.8) == Approx(0).margin(0.05 * h));
    CHECK(levelset::sample(shrunk, direction * 5.0) == Approx(-0.8).margin(0.05 * h));
  }
  const double lens = 2 * kPi * 25 * (3 * 8 - 5) / 3;  // two caps of height 5
  const double whole = 4.0 / 3 * kPi * 512;
  CHECK(levelset::volume_mm3(levelset::intersect(a, b)) == Approx(lens).epsilon(5e-3));
  CHECK(levelset::volume_mm3(levelset::unite(a, b)) == Approx(2 * whole - lens).epsilon(3e-3));
  CHECK(levelset::volume_mm3(levelset::subtract(a, b)) == Approx(whole - lens).epsilon(5e-3));
  const auto cut = levelset::subtract(a, b);
  CHECK(levelset::sample(cut, {-8.9, 0, 0}) == Approx(0.9).margin(0.05 * h));
  CHECK(levelset::sample(cut, {-3.0, 0, 0}) == Approx(-1.0).margin(0.05 * h));
  CHECK(levelset::intersect(cut, b).empty());
}

TEST_CASE("a mesh becomes a level set and comes back") {
  const auto ls = sphere(6, 0.5, {1, 2, 3});
  const auto chords = levelset::toMesh(ls);
  const auto again = levelset::fromMesh(chords, 0.25);
  CHECK(again.voxel_mm() == Approx(0.25));
  CHECK(levelset::volume_mm3(again) == Approx(mesh::volume_mm3(chords)).epsilon(1e-3));
  for (double x = 4.9; x < 8.2; x += 0.13)
    CHECK(levelset::sample(again, {1 + x, 2, 3}) == Approx(std::clamp(x - 6, -0.75, 0.75)).margin(0.03));
  mesh::TriangleMesh block = box({10, 7, 5});  // large triangles
  CHECK(levelset::volume_mm3(levelset::fromMesh(block, 0.2)) == Approx(350).epsilon(2e-3));
  block.triangles.pop_back();
  CHECK_THROWS(levelset::fromMesh(block, 0.2));
}

TEST_CASE("triangles as large as a block and larger leave no voxel without its distance or its side") {
  const core::Random random(7);
  std::uint64_t draw = 0;
  const auto vector = [&] {
    const double x = random.uniform(draw++), y = random.uniform(draw++);
    return Vector3d(x, y, random.uniform(draw++));
  };
  for (int body = 0; body < 4; ++body) {
    Eigen::Isometry3d place = Eigen::Isometry3d::Identity();
    if (body > 0) place.rotate(Eigen::AngleAxisd(1 + body, vector().normalized())).pretranslate(vector());
    // From triangles over many blocks of 8 voxels to some that lie in one.
    for (int quarters = 0; quarters < 5; ++quarters) {
      const Worst worst = worstDistance({35, 31, 24}, place, quarters, 0.5);
      INFO(body << " " << quarters);
      CHECK(worst.beside < 1e-4);
      CHECK(worst.anywhere < 0.5);  // handed on past a sharp edge; a lost side is 6
    }
  }
}

TEST_CASE("the surface is the same for any thread count") {
  const auto build = [] {
    return levelset::toMesh(levelset::offset(levelset::subtract(sphere(9, 0.4), sphere(7, 0.4, {3, 1, 0})), 0.5));
  };
  core::setThreads(1);
  const auto one = build();
  core::setThreads(2);
  const auto two = build();
  CHECK(one.vertices == two.vertices);
  CHECK(one.triangles == two.triangles);
}

TEST_CASE("what is measured without a mesh is what the mesh has") {
  const auto gyroid = [](const Vector3d& p) {
    const Vector3d q = p * kPi;
    const double wave =
        std::sin(q.x()) * std::cos(q.y()) + std::sin(q.y()) * std::cos(q.z()) + std::sin(q.z()) * std::cos(q.x());
    return std::max((wave + 0.3) / kPi, p.norm() - 2);
  };
  const core::Random random(7);
  std::vector<float> noise(20 * 20 * 20);
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<float>(random.uniform(i) - 0.5);
  const auto ball = levelset::fromFunction(gyroid, Vector3d::Constant(-2.5), Vector3d::Constant(2.5), 0.125);
  for (const levelset::LevelSet& ls : {ball, levelset::fromSamples(noise, {-9, -13, 5}, {20, 20, 20}, 0.3)}) {
    const auto mesh = levelset::toMesh(ls);
    const levelset::SurfaceSums sums = levelset::measureSurface(ls);
    CHECK(sums.vertices == static_cast<std::int64_t>(mesh.vertices.size()));
    CHECK(sums.triangles == static_cast<std::int64_t>(mesh.triangles.size()));
    CHECK(sums.volume_mm3 == Approx(mesh::volume_mm3(mesh)).epsilon(1e-9));
    CHECK(sums.area_mm2 == Approx(mesh::area_mm2(mesh)).epsilon(1e-9));
  }
  // By the six-point rule over the mesh's curved triangles, held whole.
  CHECK(levelset::volume_mm3(ball) == Approx(13.3784280136).epsilon(1e-8));
  CHECK(levelset::area_mm2(ball) == Approx(68.4417644739).epsilon(1e-8));
}

TEST_CASE("a sphere's volume does not depend on how its voxel is rounded") {
  const Vector3d centre(0.03, -0.21, 0.07);
  const auto error = [&](double voxel) {  // of radius 8 voxels
    const double scale = voxel / 0.25;
    return levelset::volume_mm3(sphere(2 * scale, voxel, scale * centre)) / (4.0 / 3 * kPi * std::pow(2 * scale, 3)) -
           1;
  };
  const double plain = error(0.25);  // a power of two: every product is exact
  for (const double voxel : {0.0719, 0.1, 0.3}) CHECK(error(voxel) == Approx(plain).epsilon(0.01));
}

TEST_CASE("an STL written from the level set has the bytes of its mesh in a file") {
  core::setThreads(2);
  // Two waves, whose saddles make the cases with centroids too.
  const auto level_set = levelset::fromFunction(
      [](const Vector3d& p) {
        return 0.8 * (std::sin(2 * p.x()) * std::sin(3 * p.y()) + std::sin(2.5 * p.z())) + 0.01;
      },
      Vector3d::Constant(-4), Vector3d::Constant(4), 0.11);
  const mesh::TriangleMesh mesh = levelset::toMesh(level_set);
  REQUIRE(mesh.triangles.size() > 10000);
  mesh::TriangleMesh named = mesh;
  named.frame_id = "ct";
  mesh::writeMesh(named, "held.stl");
  levelset::writeStl(level_set, "streamed.stl", "ct");
  CHECK(core::readFile("held.stl") == core::readFile("streamed.stl"));
  std::remove("held.stl");
  std::remove("streamed.stl");
  CHECK_THROWS_AS(levelset::writeStl(level_set, "missing/folder.stl", ""), core::Error);
}
