#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/statistics.h"
#include "mesh/measures.h"
#include "reconstruct/cortex.h"
#include "reconstruct/edge_field.h"
#include "reconstruct/erf_profile.h"

// The cortex of balls whose inner surface is a ball as well, in the middle (the same thickness everywhere) or beside it
// (from thin to thick).
using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kRadius = 20, kOutside = 40, kCortex = 1300, kCore = 150;
const Vector3d kCentre(0.13, -0.21, 0.37);

struct Shell {
  double inner_radius = 17, beside = 0;  ///< the inner ball's centre lies so far along an oblique axis
  double spacing = 1, sigma = 0.6, noise = 0;
  Vector3d innerCentre() const { return kCentre + beside * Vector3d(2, -1, 2) / 3; }
  /// Thickness along the radius through a point.
  double thickness(const Vector3d& at) const {
    const Vector3d along = (kCentre - at).normalized(), start = kCentre - kRadius * along, to = innerCentre() - start;
    const double middle = to.dot(along);
    return middle - std::sqrt(inner_radius * inner_radius - (to.squaredNorm() - middle * middle));
  }
};

struct Scene {
  image::CtVolume ct;
  image::LabelVolume labels;
};

Scene scan(const Shell& shell) {
  constexpr int kSub = 5;
  image::Frame frame;
  frame.size = Eigen::Vector3i::Constant(static_cast<int>(54 / shell.spacing));
  frame.spacing_mm = Vector3d::Constant(shell.spacing);
  frame.origin_mm = Vector3d::Constant(-27 + 0.5 * shell.spacing);
  Scene scene{image::CtVolume(frame), image::LabelVolume(frame)};
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        const Vector3d at = frame.toWorld(Vector3d(i, j, static_cast<double>(k)));
        const double outer = (at - kCentre).norm() - kRadius,
                     inner = (at - shell.innerCentre()).norm() - shell.inner_radius;
        const bool mixed = std::min(std::abs(outer), std::abs(inner)) < shell.spacing;
        double sum = 0;
        int n = 0;
        for (int s = 0; s < (mixed ? kSub * kSub * kSub : 1); ++s, ++n) {
          const Vector3d sub = Vector3d(s % kSub, s / kSub % kSub, s / (kSub * kSub)).array() - 0.5 * (kSub - 1);
          const Vector3d p = mixed ? Vector3d(at + sub * shell.spacing / kSub) : at;
          sum += (p - kCentre).norm() > kRadius                          ? kOutside
                 : (p - shell.innerCentre()).norm() > shell.inner_radius ? kCortex
                                                                         : kCore;
        }
        scene.ct.at(i, j, static_cast<int>(k)) = static_cast<float>(sum / n);
        scene.labels.at(i, j, static_cast<int>(k)) = outer < 0 ? (inner < 0 ? image::Cancellous : image::Cortical) : 0;
      }
    }
  });
  reconstruct::blur(scene.ct, shell.sigma / shell.spacing);
  const core::Random random(11);
  for (std::size_t i = 0; i < scene.ct.voxels.size(); ++i)
    scene.ct.voxels[i] += static_cast<float>(shell.noise * random.normal(i));
  return scene;
}

struct Result {
  levelset::LevelSet bone;
  mesh::TriangleMesh surface;
  reconstruct::Cortex cortex;
  reconstruct::CortexReport report;
};

Result measured(const Scene& scene, double cortical_hu, double voxel_mm = 1.2) {
  Result r;
  reconstruct::SurfaceReport surface;
  r.bone = reconstruct::boneSurface(scene.labels, &scene.ct, {.voxel_mm = voxel_mm, .labels = {1, 2}}, surface);
  r.surface = levelset::toMesh(r.bone);
  r.cortex =
      reconstruct::measureCortex({r.bone, r.surface, scene.labels, scene.ct}, {.cortical_hu = cortical_hu}, r.report);
  return r;
}

/// Width at half of the rise on either side of the peak, on the same profile.
double halfWidth(const Scene& scene, const Vector3d& at) {
  constexpr double kStep = 0.02;
  const Vector3d inward = (kCentre - at).normalized();
  std::vector<double> hu;
  for (double d = -3; d < 7; d += kStep)
    hu.push_back(reconstruct::sampleSpline(scene.ct, scene.ct.frame.toIndex(at + d * inward)));
  const auto peak = std::max_element(hu.begin(), hu.end());
  const double out = 0.5 * (*peak + kOutside), in = 0.5 * (*peak + kCore);
  const auto first = std::find_if(hu.begin(), peak, [&](double v) { return v > out; }),
             last = std::find_if(peak, hu.end(), [&](double v) { return v < in; });
  return kStep * static_cast<double>(last - first);
}

struct Errors {
  double bias, median, p95, half_bias, resolved, z;
};

/// Over the vertices whose true thickness lies in the range.
Errors errors(const Shell& shell, const Scene& scene, const Result& r, double from, double to) {
  std::vector<double> signed_error, error, half, z;
  double all = 0;
  for (std::size_t v = 0; v < r.surface.vertices.size(); ++v) {
    const double truth = shell.thickness(r.surface.vertices[v]);
    if (truth < from || truth > to) continue;
    all += 1;
    if (r.cortex.resolved[v] == 0) continue;
    signed_error.push_back(r.cortex.thickness_mm[v] - truth);
    error.push_back(std::abs(signed_error.back()));
    z.push_back(error.back() / r.cortex.standard_error_mm[v]);
    if (v % 16 == 0) half.push_back(halfWidth(scene, r.surface.vertices[v]) - truth);
  }
  const double resolved = static_cast<double>(error.size()) / std::max(1.0, all);
  const Errors e{core::quantile(signed_error, 0.5),
                 core::quantile(error, 0.5),
                 core::quantile(error, 0.95),
                 core::quantile(half, 0.5),
                 resolved,
                 core::quantile(z, 0.5)};
  WARN("voxel " << shell.spacing << " sigma " << shell.sigma << " noise " << shell.noise << ", cortex " << from << "-"
                << to << " mm: bias " << e.bias << ", median error " << e.median << ", p95 " << e.p95
                << ", half-maximum bias " << e.half_bias << " mm, resolved " << e.resolved
                << ", error over standard error " << e.z << "; " << r.report.cortical_hu << " HU "
                << r.report.cortical_source << ", blur " << r.report.blur_sigma_mm);
  return e;
}

}  // namespace

TEST_CASE("a cortex below the blur is measured with the density of the thick one") {
  const struct { double spacing, sigma, noise; } cases[] = {{1, 0.5, 0}, {1, 0.8, 25}, {0.5, 0.5, 25}};
  for (const auto& c : cases) {
    const Shell shell{.inner_radius = 17.8, .beside = 1.8, .spacing = c.spacing, .sigma = c.sigma, .noise = c.noise};
    const Scene scene = scan(shell);
    const Result r = measured(scene, 0);
    CHECK(r.report.cortical_source == "measured");
    CHECK(r.report.cortical_hu == Approx(kCortex).epsilon(0.01));
    const Errors thin = errors(shell, scene, r, 0.4, 0.7);
    CHECK(thin.median < 0.03);
    CHECK(thin.p95 < 0.1);
    CHECK(thin.half_bias > 0.8);
    CHECK(thin.resolved > 0.98);
    CHECK(errors(shell, scene, r, 0.7, 1.5).median < 0.03);
    const Errors thick = errors(shell, scene, r, 1.5, 4);
    CHECK(thick.median < 0.03);
    if (c.noise > 0) CHECK(std::abs(thick.z - 0.67) < 0.2);  // of the normal distribution
  }
}

TEST_CASE("a bone all of whose cortex is thin takes the density it is given") {
  const Shell shell{.inner_radius = 19.5, .sigma = 0.7, .noise = 25};
  const Scene scene = scan(shell);
  const Result given = measured(scene, kCortex);
  CHECK(given.report.cortical_source == "given");
  CHECK(errors(shell, scene, given, 0, 1).median < 0.06);
  CHECK(given.report.outer_shift_mm < 0);  // the half-maximum lies outside of the edge
  CHECK(measured(scene, 0).report.cortical_source == "assumed");
}

TEST_CASE("the inner surface is closed and lies inside the bone; the same for one thread and two") {
  const Shell shell{.inner_radius = 17.8, .beside = 1.8, .sigma = 0.6, .noise = 25};
  const Scene scene = scan(shell);
  const Result r = measured(scene, 0);
  const auto inner = reconstruct::innerSurface(r.bone, r.surface, r.cortex, 50);
  const auto mesh = levelset::toMesh(inner);
  CHECK(mesh::topology(mesh).closed());
  CHECK(mesh::topology(mesh).euler_characteristic == 2);
  CHECK(mesh::volume_mm3(mesh) == Approx(4.0 / 3 * M_PI * std::pow(17.8, 3)).epsilon(0.01));
  std::vector<double> error;
  for (const auto& v : mesh.vertices) {
    CHECK(levelset::sample(r.bone, v) < 0);
    error.push_back(std::abs((v - shell.innerCentre()).norm() - 17.8));
  }
  WARN("inner surface: median error " << core::quantile(error, 0.5) << " mm, p95 " << core::quantile(error, 0.95));
  CHECK(core::quantile(error, 0.5) < 0.05);
  CHECK(core::quantile(error, 0.95) < 0.15);
  const int threads = core::threads();
  core::setThreads(1);
  const Result again = measured(scene, 0);
  core::setThreads(threads);
  CHECK(again.cortex.thickness_mm == r.cortex.thickness_mm);
  CHECK(again.cortex.standard_error_mm == r.cortex.standard_error_mm);
}

TEST_CASE("metal and a neighbour leave a gap that the surroundings fill") {
  const Shell shell{.inner_radius = 18, .sigma = 0.6, .noise = 10};
  Scene scene = scan(shell);
  const image::Frame& frame = scene.ct.frame;
  for (int k = 0; k < frame.size[2]; ++k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        const Vector3d at = frame.toWorld(Vector3d(i, j, k));
        if ((at - Vector3d(20, 0, 0)).norm() < 3) scene.ct.at(i, j, k) = 6000, scene.labels.at(i, j, k) = image::Metal;
        if ((at - Vector3d(0, 25, 0)).norm() < 4.5) scene.ct.at(i, j, k) = 1300, scene.labels.at(i, j, k) = 10;
      }
    }
  }
  const Result r = measured(scene, 0);
  const auto flaw = [&](reconstruct::CortexFlaw f) { return r.report.vertices[static_cast<std::size_t>(f)]; };
  CHECK(flaw(reconstruct::CortexFlaw::Blocked) > 0);
  CHECK(flaw(reconstruct::CortexFlaw::Metal) > 0);
  for (std::size_t v = 0; v < r.surface.vertices.size(); ++v) {
    if (r.cortex.resolved[v] == 0 && std::abs(r.surface.vertices[v].norm() - 20) < 1)
      CHECK(r.cortex.thickness_mm[v] == Approx(2).margin(0.5));
  }
}

TEST_CASE("labels that tell cortical from cancellous give an inner surface without a CT") {
  const Scene scene = scan({.inner_radius = 17, .sigma = 0.6});
  const reconstruct::SurfaceOptions options{.voxel_mm = 0.8, .labels = {1, 2}};
  reconstruct::SurfaceReport report;
  const auto bone = reconstruct::boneSurface(scene.labels, nullptr, options, report);
  const auto inner = reconstruct::innerSurface(bone, scene.labels, options);
  CHECK(levelset::volume_mm3(inner) == Approx(4.0 / 3 * M_PI * std::pow(17, 3)).epsilon(0.01));
  image::LabelVolume plain = scene.labels;
  for (auto& label : plain.voxels) label = label > 0 ? 1 : 0;
  CHECK_THROWS_AS(reconstruct::innerSurface(bone, plain, options), core::Error);
}
