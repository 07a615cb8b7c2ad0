#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "picture/canvas.h"
#include "reconstruct/fragments.h"

// Bones cut by rough surfaces, their pieces displaced by known motions.
using namespace osteo;
using Eigen::Isometry3d;
using Eigen::Vector3d;

namespace {

/// A plane with smooth noise of 1.1 mm RMS: negative on one side.
struct Cut {
  Vector3d at, normal;
  std::vector<Eigen::Vector4d> waves = {};
  Cut(const Vector3d& place, const Vector3d& across, std::uint64_t seed) : at(place), normal(across) {
    const core::Random random(seed);
    for (std::uint64_t k = 0; k < 12; ++k) {
      waves.emplace_back(0.35 * random.normal(4 * k), 0.35 * random.normal(4 * k + 1), 0.35 * random.normal(4 * k + 2),
                         2 * M_PI * random.uniform(103 + 4 * k));
    }
  }
  double operator()(const Vector3d& p) const {
    const double plane = normal.dot(p - at);
    if (std::abs(plane) > 8) return plane;
    double noise = 0;
    for (const auto& wave : waves) noise += 0.45 * std::sin(wave.head<3>().dot(p) + wave[3]);
    return plane + noise;
  }
};

levelset::LevelSet part(const levelset::LevelSet& bone, const std::function<double(const Vector3d&)>& side) {
  Eigen::Vector3i low, high;
  bone.activeBox(low, high);
  return levelset::fromFunction(
      [&](const Vector3d& p) {
        const double f = side(p);
        return f > 8 ? f : std::max(levelset::sample(bone, p), f);
      },
      low.cast<double>() * bone.voxel_mm(), high.cast<double>() * bone.voxel_mm(), bone.voxel_mm());
}

struct Broken {
  std::vector<reconstruct::Fragment> fragments;
  std::vector<Isometry3d> truth;              ///< from the displaced place back
  std::vector<std::vector<Vector3d>> points;  ///< displaced
};

Isometry3d displacement(std::uint64_t seed, const Vector3d& centre, double most_mm, double most_deg) {
  const core::Random random(seed, 5);
  const Vector3d axis = Vector3d(random.normal(0), random.normal(1), random.normal(2)).normalized(),
                 way = Vector3d(random.normal(3), random.normal(4), random.normal(5)).normalized();
  Isometry3d out = Isometry3d::Identity();
  out.linear() = Eigen::AngleAxisd((0.3 + 0.7 * random.uniform(20)) * most_deg * M_PI / 180, axis).toRotationMatrix();
  out.translation() = centre + (0.3 + 0.7 * random.uniform(21)) * most_mm * way - out.linear() * centre;
  return out;
}

/// The pieces between the cuts, all but the largest displaced.
Broken breakBone(const levelset::LevelSet& bone, const std::vector<Cut>& cuts, std::uint64_t seed, double most_mm = 20,
                 double most_deg = 30) {
  Broken out;
  std::vector<levelset::LevelSet> parts;
  for (std::size_t k = 0; k <= cuts.size(); ++k) {
    parts.push_back(part(bone, [&](const Vector3d& p) {
      double f = -1e3;
      if (k < cuts.size()) f = std::max(f, cuts[k](p));
      if (k > 0) f = std::max(f, -cuts[k - 1](p));
      return f;
    }));
  }
  std::size_t largest = 0;
  for (std::size_t k = 0; k < parts.size(); ++k)
    if (levelset::volume_mm3(parts[k]) > levelset::volume_mm3(parts[largest])) largest = k;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    mesh::TriangleMesh mesh = levelset::toMesh(parts[k]);
    const mesh::Bounds box = mesh::bounds(mesh);
    Isometry3d by = Isometry3d::Identity();
    if (k != largest) by = displacement(seed + k, 0.5 * (box.min + box.max), most_mm, most_deg);
    for (auto& v : mesh.vertices) v = by * v;
    out.fragments.push_back({fmt::format("part {}", k), levelset::fromMesh(mesh, bone.voxel_mm())});
    out.truth.push_back(by.inverse());
    out.points.push_back(mesh.vertices);
  }
  return out;
}

/// Mean distance of a fragment's points from where they belong.
double targetError(const Broken& broken, const reconstruct::Reassembly& found, std::size_t i) {
  double sum = 0;
  for (const auto& p : broken.points[i]) sum += (found.places[i].motion * p - broken.truth[i] * p).norm();
  return sum / static_cast<double>(broken.points[i].size());
}

/// A long bone of 125 mm with two condyles, a head and a trochanter: no mirror image of itself.
double longBone(const Vector3d& p) {
  const auto ball = [&](const Vector3d& c, double r) { return (p - c).norm() - r; };
  double f = std::max(std::hypot((p.x() - 0.004 * p.z() * p.z()) / 1.2, p.y()) - 8.5, std::abs(p.z()) - 50);
  f = std::min(f, std::hypot(p.x() - 9, p.y() - 5 + 0.05 * p.z(), 0.25 * p.z()) - 5);
  for (const auto& [c, r] :
       {std::pair(Vector3d(12, 9, -46), 13.0), std::pair(Vector3d(9, -10, -48), 11.0),
        std::pair(Vector3d(24, 7, 50), 12.0), std::pair(Vector3d(15, 3, 45), 9.0), std::pair(Vector3d(3, -6, 46), 9.0)})
    f = std::min(f, ball(c, r));
  return f;
}

const levelset::LevelSet& wholeBone() {
  static const levelset::LevelSet bone = levelset::fromFunction(longBone, {-20, -30, -66}, {45, 32, 68}, 1);
  return bone;
}

const std::vector<Cut>& twoCuts() {
  static const std::vector<Cut> cuts{Cut({3, 0, -18}, Vector3d(0.3, 0.1, 1).normalized(), 3),
                                     Cut({3, 0, 20}, Vector3d(-0.2, 0.4, 1).normalized(), 4)};
  return cuts;
}

/// The bone's mirror image somewhere else.
mesh::TriangleMesh mirroredTemplate() {
  mesh::TriangleMesh mesh = levelset::toMesh(wholeBone());
  const Isometry3d far = displacement(8, Vector3d::Zero(), 200, 150);
  for (auto& v : mesh.vertices) v = far * Vector3d(-v.x(), v.y(), v.z());
  for (auto& t : mesh.triangles) std::swap(t[1], t[2]);
  return mesh;
}

std::string env(const char* name, const char* standard) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : standard;
}

}  // namespace

TEST_CASE("three fragments come back onto a template of the other side") {
  const Broken broken = breakBone(wholeBone(), twoCuts(), 40);
  const mesh::TriangleMesh reference = mirroredTemplate();
  const auto found = reconstruct::reassemble(broken.fragments, &reference);
  CHECK(found.mirrored);
  CHECK(found.template_residual_mm < 0.2);
  for (std::size_t i = 0; i < broken.fragments.size(); ++i) {
    CAPTURE(i, found.places[i].fitting_share, found.places[i].overlap_mm3);
    CHECK(found.places[i].placed);
    CHECK(targetError(broken, found, i) < 0.3);
    CHECK(found.places[i].residual_mm < 0.2);
  }
  const levelset::LevelSet whole = reconstruct::assembled(broken.fragments, found);
  CHECK(levelset::volume_mm3(whole) == Approx(levelset::volume_mm3(wholeBone())).epsilon(0.01));
}

TEST_CASE("without a template breaks find one another, and what is of another bone stays") {
  Broken broken = breakBone(wholeBone(), twoCuts(), 50);
  const Vector3d away(20, 40, 0);
  broken.fragments.push_back(
      {"stranger", levelset::fromFunction([&](const Vector3d& p) { return (p - away).norm() - 9; }, away.array() - 12,
                                          away.array() + 12, 0.8)});
  const auto found = reconstruct::reassemble(broken.fragments, nullptr);
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i, found.places[i].fitting_share, found.places[i].contact_mm2, found.places[i].overlap_mm3);
    CHECK(found.places[i].placed);
    CHECK(targetError(broken, found, i) < 1);
  }
  CHECK_FALSE(found.places[3].placed);
  CHECK(found.places[3].motion.isApprox(Isometry3d::Identity()));
}

TEST_CASE("a reassembly is the same for any number of threads") {
  const Broken broken = breakBone(wholeBone(), {twoCuts()[1]}, 70);
  const int threads = core::threads();
  core::setThreads(1);
  const auto found = reconstruct::reassemble(broken.fragments, nullptr);
  core::setThreads(2);
  const auto again = reconstruct::reassemble(broken.fragments, nullptr);
  core::setThreads(threads);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(targetError(broken, found, i) < 1);
    CHECK(found.places[i].motion.matrix() == again.places[i].motion.matrix());
  }
}

TEST_CASE("a template of another bone and fragments without a match are refused") {
  const Broken broken = breakBone(wholeBone(), {twoCuts()[0]}, 60);
  mesh::TriangleMesh ball = levelset::toMesh(levelset::fromFunction(
      [](const Vector3d& p) { return p.norm() - 25; }, Vector3d::Constant(-30), Vector3d::Constant(30), 2));
  CHECK_THROWS_AS(reconstruct::reassemble(broken.fragments, &ball), core::Error);
  std::vector<reconstruct::Fragment> apart{{"bone", wholeBone()}, {"ball", levelset::fromMesh(ball, 0.8)}};
  CHECK_THROWS_AS(reconstruct::reassemble(apart, nullptr), core::Error);
}

// BONE=file, TEMPLATE=file or empty, SEEDS=n, CUTS=1 or 2: errors of the pieces of one bone.
TEST_CASE("real bones come back together", "[.measure]") {
  const double voxel = std::stod(env("VOXEL", "0.7"));
  const mesh::TriangleMesh mesh = mesh::readMesh(env("BONE", ""));
  const levelset::LevelSet bone = levelset::fromMesh(mesh, voxel);
  mesh::TriangleMesh reference;
  if (!env("TEMPLATE", "").empty()) {
    reference = mesh::readMesh(env("TEMPLATE", ""));
    Isometry3d far = displacement(99, Vector3d::Zero(), 100, 60);
    for (auto& v : reference.vertices) v = far * v;
  }
  const mesh::Bounds box = mesh::bounds(mesh);
  const std::size_t cuts = std::stoul(env("CUTS", "1"));
  for (std::uint64_t seed = std::stoul(env("FIRST", "1"));
       seed < std::stoul(env("FIRST", "1")) + std::stoul(env("SEEDS", "3")); ++seed) {
    const core::Random random(seed, 77);
    Vector3d along;
    (box.max - box.min).maxCoeff();
    Eigen::Index axis = 0;
    (box.max - box.min).maxCoeff(&axis);
    std::vector<Cut> made;
    for (std::size_t k = 0; k < cuts; ++k) {
      const double share =
          cuts == 1 ? 0.25 + 0.5 * random.uniform(k) : 0.2 + 0.35 * static_cast<double>(k) + 0.2 * random.uniform(k);
      Vector3d normal = Vector3d::Unit(axis);
      for (int c = 0; c < 3; ++c) normal[c] += 0.35 * random.normal(10 + 3 * k + c);
      Vector3d at = 0.5 * (box.min + box.max);
      at[axis] = box.min[axis] + share * (box.max - box.min)[axis];
      made.push_back({at, normal.normalized(), seed * 10 + k});
    }
    const Broken broken = breakBone(bone, made, seed * 1000);
    const auto t0 = std::chrono::steady_clock::now();
    const auto found = reconstruct::reassemble(broken.fragments, reference.vertices.empty() ? nullptr : &reference);
    fmt::print("RESULT {:.1f} s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count());
    for (std::size_t i = 0; i < broken.fragments.size(); ++i) {
      if (i == found.anchor) continue;
      const auto& place = found.places[i];
      fmt::print(
          "RESULT seed {} part {} placed {} tre {:.2f} before {:.1f} residual {:.2f} gap {:.2f} contact {:.0f} overlap "
          "{:.0f} share {:.2f} mirrored {}\n",
          seed, i, place.placed, targetError(broken, found, i),
          [&] {
            reconstruct::Reassembly none = found;
            none.places[i].motion = Isometry3d::Identity();
            return targetError(broken, none, i);
          }(),
          place.residual_mm, place.gap_mm, place.contact_mm2, place.overlap_mm3, place.fitting_share, found.mirrored);
    }
    if (!env("PICTURE", "").empty())
      picture::writePng(reconstruct::draw(broken.fragments, found), env("PICTURE", "") + fmt::format("{}.png", seed));
  }
}
