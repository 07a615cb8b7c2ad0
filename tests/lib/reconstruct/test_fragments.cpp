#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/statistics.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "reconstruct/fragments.h"

using namespace osteo;
using Eigen::Isometry3d;
using Eigen::Vector3d;

namespace {

/// A bone that is broken and knows its truth.
struct Broken {
  std::vector<reconstruct::Fragment> fragments;  ///< displaced, but for the largest
  std::vector<Isometry3d> back;                  ///< from where they lie to where they belong
};

Vector3d direction(const core::Random& random, std::uint64_t k) {
  return Vector3d(random.normal(k), random.normal(k + 1), random.normal(k + 2)).normalized();
}

/// A plane with waves of 5 to 14 mm on it, 0.6 mm RMS: signed roughly in mm.
std::function<double(const Vector3d&)> roughPlane(const Vector3d& at, const Vector3d& normal, std::uint64_t seed) {
  constexpr int kWaves = 12;
  const core::Random random(seed, 3);
  std::vector<Vector3d> waves;
  std::vector<double> phases;
  for (int k = 0; k < kWaves; ++k) {
    Vector3d along = direction(random, 10 * k);
    along = (along - along.dot(normal) * normal).normalized();
    waves.push_back(along * 2 * M_PI / (5 + 9 * random.uniform(10 * k + 7)));
    phases.push_back(2 * M_PI * random.uniform(10 * k + 8));
  }
  return [=](const Vector3d& p) {
    double height = normal.dot(p - at);
    for (int k = 0; k < kWaves; ++k) height += 0.6 * std::sqrt(2.0 / kWaves) * std::sin(waves[k].dot(p) + phases[k]);
    return height;
  };
}

levelset::LevelSet half(const levelset::LevelSet& bone, const std::function<double(const Vector3d&)>& plane, int side) {
  const auto box = mesh::bounds(levelset::toMesh(bone));
  return levelset::largestComponent(
      levelset::fromFunction([&](const Vector3d& p) { return std::max(levelset::sample(bone, p), side * plane(p)); },
                             box.min - Vector3d::Constant(3), box.max + Vector3d::Constant(3), bone.voxel_mm()));
}

/// Cuts the largest piece across or aslant until there are enough; then moves all but the largest.
Broken broken(const levelset::LevelSet& bone, int count, std::uint64_t seed, double tilt_deg = 35) {
  const core::Random random(seed);
  std::vector<levelset::LevelSet> pieces{bone};
  const auto largestFirst = [&] {
    std::stable_sort(pieces.begin(), pieces.end(),
                     [](const auto& a, const auto& b) { return levelset::volume_mm3(a) > levelset::volume_mm3(b); });
  };
  for (std::uint64_t k = 100; static_cast<int>(pieces.size()) < count; k += 100) {
    const mesh::TriangleMesh mesh = levelset::toMesh(pieces[0]);
    Vector3d centre = Vector3d::Zero();
    Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
    for (const auto& v : mesh.vertices) centre += v / static_cast<double>(mesh.vertices.size());
    for (const auto& v : mesh.vertices) spread += (v - centre) * (v - centre).transpose();
    const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver(spread / static_cast<double>(mesh.vertices.size()));
    const Vector3d axis = solver.eigenvectors().col(2), across = axis.cross(direction(random, k)).normalized();
    const double tilt = tilt_deg * M_PI / 180 * random.uniform(k + 10);
    const Vector3d at = centre + axis * std::sqrt(solver.eigenvalues()[2]) * (random.uniform(k + 11) - 0.5) * 1.2;
    const auto plane = roughPlane(at, Eigen::AngleAxisd(tilt, across) * axis, seed * 31 + k);
    const auto low = half(pieces[0], plane, 1), high = half(pieces[0], plane, -1);
    pieces[0] = low;
    pieces.push_back(high);
    largestFirst();
  }
  Broken out;
  for (std::size_t b = 0; b < pieces.size(); ++b) {
    mesh::TriangleMesh mesh = levelset::toMesh(pieces[b]);
    Vector3d centre = Vector3d::Zero();
    for (const auto& v : mesh.vertices) centre += v / static_cast<double>(mesh.vertices.size());
    Isometry3d away = Isometry3d::Identity();
    if (b > 0) {
      const std::uint64_t k = 5000 + 100 * b;
      away.linear() = Eigen::AngleAxisd(M_PI / 6 * random.uniform(k), direction(random, k + 2)).toRotationMatrix();
      away.translation() = centre - away.linear() * centre + 20 * random.uniform(k + 1) * direction(random, k + 20);
    }
    for (auto& v : mesh.vertices) v = away * v;
    out.fragments.push_back({"piece " + std::to_string(b + 1), levelset::fromMesh(mesh, bone.voxel_mm()), mesh});
    out.back.push_back(away.inverse());
  }
  return out;
}

/// Mean distance of a fragment's points from where they belong.
double missedBy(const Broken& b, const reconstruct::Reassembly& r, std::size_t k) {
  const auto& points = b.fragments[k].surface.vertices;
  double sum = 0;
  for (const auto& p : points) sum += (r.placements[k].transform * p - b.back[k] * p).norm();
  return sum / static_cast<double>(points.size());
}

/// A long bone: a bent shaft that is not round, a head on a neck and a trochanter, 150 mm; signed roughly in mm.
double longBone(const Vector3d& p) {
  const auto ball = [&](const Vector3d& c, double r) { return (p - c).norm() - r; };
  const double bend = 6 * std::sin(M_PI * p.z() / 150), wide = 11 + 4e-4 * std::pow(p.z() - 70, 2);
  const double shaft = std::hypot((p.x() - bend) / 1.0, p.y() / 0.8 - 0.1 * std::abs(p.x() - bend)) - wide;
  const double capped = std::max({shaft, -p.z(), p.z() - 140});
  const Vector3d neck_from(0, 0, 125), neck_to(30, 6, 150);
  const double t = std::clamp((p - neck_from).dot(neck_to - neck_from) / (neck_to - neck_from).squaredNorm(), 0.0, 1.0);
  const double neck = (p - neck_from - t * (neck_to - neck_from)).norm() - 9;
  const double parts[] = {
      capped, neck, ball(neck_to, 17), ball({-12, -3, 136}, 11), ball({9, 3, 6}, 14), ball({-10, 1, 6}, 12)};
  double sum = 0;
  for (const double d : parts) sum += std::exp(-d / 1.5);
  return -1.5 * std::log(sum);
}

const levelset::LevelSet& bone() {
  static const levelset::LevelSet whole =
      levelset::fromFunction(longBone, Vector3d(-35, -35, -15), Vector3d(55, 35, 175), 0.8);
  return whole;
}

/// The other side's bone: mirrored and elsewhere.
mesh::TriangleMesh otherSide() {
  mesh::TriangleMesh mesh = levelset::toMesh(bone());
  const Eigen::Matrix3d turn = Eigen::AngleAxisd(1.9, Vector3d(0.3, 1, -0.2).normalized()).toRotationMatrix();
  for (auto& v : mesh.vertices) v = turn * Vector3d(-v.x(), v.y(), v.z()) + Vector3d(200, -80, 60);
  for (auto& t : mesh.triangles) std::swap(t[1], t[2]);
  return mesh;
}

void report(const char* what, const Broken& b, const reconstruct::Reassembly& r) {
  std::string line;
  for (std::size_t k = 0; k < b.fragments.size(); ++k)
    line += " " + (r.placements[k].placed ? std::to_string(missedBy(b, r, k)) : std::string("unplaced"));
  WARN(what << ":" << line);
}

}  // namespace

TEST_CASE("two halves of a long bone meet at their fracture") {
  const Broken b = broken(bone(), 2, 1);
  const auto r = reconstruct::reassemble(b.fragments, {});
  report("fragments", b, r);
  CHECK(missedBy(b, r, 1) < 1);
}

TEST_CASE("fragments find their place on the other side's bone") {
  const Broken b = broken(bone(), 3, 2);
  const auto r = reconstruct::reassemble(b.fragments, {.whole = otherSide()});
  report("template", b, r);
  CHECK(r.mirrored);
  for (std::size_t k = 0; k < 3; ++k) CHECK(missedBy(b, r, k) < 1);
}

// One line for a case: DATA=folder [BONE=z001_Femur_L COUNT=3 SEED=2 MODE=none|other|same|shape PRIOR=x.shape
// PICTURE=p.png].
TEST_CASE("fragments of real bones", "[.][measure]") {
  const char* folder = std::getenv("DATA");
  REQUIRE(folder != nullptr);
  const std::string mode = std::getenv("MODE") ? std::getenv("MODE") : "none",
                    name = std::getenv("BONE") ? std::getenv("BONE") : "z001_Femur_L";
  const int first = std::getenv("SEED") ? std::atoi(std::getenv("SEED")) : 1;
  const int count = std::getenv("COUNT") ? std::atoi(std::getenv("COUNT")) : 2;
  std::string other = name;
  other.back() = other.back() == 'L' ? 'R' : 'L';
  const auto whole = levelset::fromMesh(mesh::readMesh(std::string(folder) + "/lower_limb/" + name + ".stl"), 1.0);
  const Broken b = broken(whole, count, first);
  reconstruct::ReassembleOptions options;
  if (mode == "other") options.whole = mesh::readMesh(std::string(folder) + "/lower_limb/" + other + ".stl");
  if (mode == "same") options.whole = levelset::toMesh(whole);
  if (mode == "shape") options.prior = reconstruct::readShapeModel(std::getenv("PRIOR"));
  const auto r = reconstruct::reassemble(b.fragments, options);
  std::string line = name + " " + mode + " " + std::to_string(count) + " seed " + std::to_string(first);
  for (std::size_t k = 0; k < b.fragments.size(); ++k) {
    const auto& p = r.placements[k];
    double before = 0;
    for (const auto& v : b.fragments[k].surface.vertices) before += (v - b.back[k] * v).norm();
    line += fmt::format(" | {} {:.2f} (was {:.1f}) res {:.2f} gap {:.2f} overlap {:.0f} contact {:.0f}",
                        p.placed ? "" : "UNPLACED", missedBy(b, r, k), before / b.fragments[k].surface.vertices.size(),
                        p.residual_mm, p.gap_mm, p.overlap_mm3, p.contact_mm2);
  }
  std::ofstream("/dev/stderr") << line << "\n";
  if (const char* png = std::getenv("PICTURE")) picture::writePng(reconstruct::draw(r, b.fragments), png);
}
