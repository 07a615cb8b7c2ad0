#include "registration/request.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "registration/drift.h"
#include "registration/points.h"
#include "registration/surface.h"

namespace osteo::registration {
namespace {

using Eigen::Affine3d;
using Eigen::Vector3d;
using nlohmann::json;
using Points = std::vector<Vector3d>;

constexpr std::size_t kSurfacePoints = 2000, kDriftPoints = 2000, kQuickPoints = 250;
constexpr double kLeastShare = 0.3, kLeastOverlap = 0.25, kLeastInformation = 0.03;

json rows(const Affine3d& t) {
  json out = json::array();
  for (int i = 0; i < 4; ++i) {
    json row = json::array();
    for (int j = 0; j < 4; ++j) row.push_back(t.matrix()(i, j));
    out.push_back(row);
  }
  return out;
}

[[noreturn]] void failed(const std::string& what, const std::string& expected, const std::string& got) {
  throw core::Error(core::Exit::DataError,
                    {.what = "the registration failed: " + what,
                     .expected = expected,
                     .got = got,
                     .hint = "see whether both inputs show the same part, or give a start with --initial"});
}

[[noreturn]] void mismatch(const std::string& what, const std::string& hint) {
  throw core::Error(core::Exit::Usage, {.what = what, .hint = hint});
}

void requireResidual(double residual_mm, const Request& request) {
  if (residual_mm <= request.max_residual_mm) return;
  failed("what is left between the two is too large",
         fmt::format("at most {} mm (--max-residual-mm)", request.max_residual_mm),
         fmt::format("{:.2f} mm", residual_mm));
}

void requireShare(double share, const char* of) {
  if (share >= kLeastShare) return;
  failed(fmt::format("too few of the {} found a partner", of), fmt::format("at least {:.0f} %", 100 * kLeastShare),
         fmt::format("{:.0f} %", 100 * share));
}

Points pointsOf(const Geometry& g, std::size_t count) {
  if (g.kind == Kind::Mesh) return sampleSurface(g.mesh, count);
  if (g.points.size() <= count) return g.points;
  Points some;
  for (std::size_t i = 0; i < count; ++i) some.push_back(g.points[i * g.points.size() / count]);
  return some;
}

Outcome images(const Geometry& fixed, const Geometry& moving, const Request& request) {
  ImageOptions options = request.images;
  options.model = request.model;
  options.start = request.start;
  const ImageFit fit = fitImages(fixed.image, moving.image, options);
  const bool mattes = options.metric == Metric::Mattes;
  if (!(fit.overlap >= kLeastOverlap))
    failed("the images hardly overlap", fmt::format("at least {:.0f} %", 100 * kLeastOverlap),
           fmt::format("{:.0f} % of the fixed image", 100 * fit.overlap));
  if (mattes ? fit.similarity < kLeastInformation : fit.similarity > 1)
    failed("the images show nothing in common",
           mattes ? fmt::format("mutual information of {} nats or more", kLeastInformation)
                  : "a squared difference below the fixed image's variance",
           fmt::format("{:.3g}", fit.similarity));
  Outcome out{fit.transform, {{"method", "images"}}};
  json& r = out.results;
  r["overlap_share"] = fit.overlap;
  r["correlation"] = fit.correlation;
  r[mattes ? "mutual_information_nats" : "squared_difference_over_variance"] = fit.similarity;
  r[mattes ? "mutual_information_before_nats" : "squared_difference_over_variance_before"] = fit.start_similarity;
  r["levels"] = fit.levels;
  if (request.model == Model::BSpline) r["largest_displacement_mm"] = fit.largest_displacement_mm;
  r["smallest_jacobian"] = fit.smallest_jacobian;
  r["largest_jacobian"] = fit.largest_jacobian;
  if (fit.smallest_jacobian <= 0) core::warn("the B-spline folds space: raise --lattice-mm or --smoothness");
  return out;
}

Outcome paired(const Geometry& fixed, const Geometry& moving, const Request& request) {
  if (request.model == Model::BSpline) mismatch("pairs of points fix no B-spline", "use --model rigid or similarity");
  if (fixed.kind != Kind::Points || moving.kind != Kind::Points)
    mismatch("pairs need points on both sides", "use --method surface or drift with meshes");
  Points to, from;
  pairPoints(fixed, moving, to, from);
  const PointFit fit = fitPoints(from, to, request.model == Model::Similarity);
  if (fit.mirrored_fre_mm < 0.5 * fit.fre_mm && fit.fre_mm > 1e-6)
    core::warn("a mirror image of the points fits better: are left and right swapped in one list?");
  requireResidual(fit.fre_mm, request);
  Outcome out{{fit.transform.inverse()}, {{"method", "paired"}}};
  json& r = out.results;
  r["pairs"] = from.size();
  r["fre_mm"] = fit.fre_mm;
  r["largest_distance_mm"] = *std::max_element(fit.distances_mm.begin(), fit.distances_mm.end());
  r["mirrored_fre_mm"] = fit.mirrored_fre_mm;
  if (!request.fiducial_error_mm) return out;
  const double fle = *request.fiducial_error_mm;
  r["predicted_fre_mm"] = predictedFre_mm(from.size(), fle);
  json& tre = r["predicted_tre_mm"];
  Vector3d centre = Vector3d::Zero();
  for (const auto& p : to) centre += p / static_cast<double>(to.size());
  Points targets = fixed.points;
  targets.push_back(centre);
  const std::vector<double> errors = predictedTre_mm(to, targets, fle);
  for (std::size_t i = 0; i < fixed.points.size(); ++i)
    tre[fixed.names.empty() ? fmt::format("{}", i + 1) : fixed.names[i]] = errors[i];
  tre["centre"] = errors.back();
  return out;
}

Outcome surface(const Geometry& fixed, const Geometry& moving, const Request& request) {
  if (fixed.kind != Kind::Mesh && moving.kind != Kind::Mesh)
    mismatch("a surface needs a mesh on one side", "use --method drift for two clouds");
  const bool onto_fixed = fixed.kind == Kind::Mesh;
  SurfaceOptions options{.with_scale = request.model == Model::Similarity, .overlap = request.overlap};
  if (request.start) {
    options.start = onto_fixed ? request.start->inverse() : *request.start;
    options.search = false;
  }
  const Points points = pointsOf(onto_fixed ? moving : fixed, kSurfacePoints);
  const SurfaceFit fit = fitToMesh(points, onto_fixed ? fixed.mesh : moving.mesh, options);
  requireResidual(fit.median_mm, request);
  requireShare(fit.inlier_share, "points");
  if (fit.mirrored_mm > 0 && fit.mirrored_mm < 0.6 * fit.mean_mm)
    core::warn("the mirror image fits better: are the two of different sides of the body?");
  if (fit.runner_up_mm > 0 && fit.runner_up_mm < 1.2 * fit.mean_mm)
    core::warn("another placement fits nearly as well: the shape does not fix its turn; give a start with --initial");
  Outcome out{{onto_fixed ? fit.transform.inverse() : fit.transform}, {{"method", "surface"}}};
  json& r = out.results;
  r["points"] = points.size();
  r["points_of"] = onto_fixed ? "moving" : "fixed";
  r["median_distance_mm"] = fit.median_mm;
  r["rms_distance_mm"] = fit.rms_mm;
  r["inlier_share"] = fit.inlier_share;
  r["reach_mm"] = fit.reach_mm;
  r["truncated_mean_mm"] = fit.mean_mm;
  if (fit.runner_up_mm > 0) r["runner_up_truncated_mean_mm"] = fit.runner_up_mm;
  if (fit.mirrored_mm > 0) r["mirrored_truncated_mean_mm"] = fit.mirrored_mm;
  return out;
}

/// Drift from the start, or from the best of the principal axes' turns on few points.
DriftFit driftFrom(const Points& from, const Points& to, const Request& request, const DriftOptions& options) {
  if (request.start) return driftLinear(from, to, request.start->inverse(), options);
  const auto few = [](const Points& all) {
    Points some;
    const std::size_t n = std::min(all.size(), kQuickPoints);
    for (std::size_t i = 0; i < n; ++i) some.push_back(all[i * all.size() / n]);
    return some;
  };
  const Points from_few = few(from), to_few = few(to);
  DriftOptions quick = options;
  quick.max_iterations = 40;
  DriftFit best;
  best.sigma_mm = 1e300;
  for (const auto& start : principalStarts(from_few, to_few, options.with_scale)) {
    DriftFit fit = driftLinear(from_few, to_few, start, quick);
    if (fit.sigma_mm < best.sigma_mm) best = std::move(fit);
  }
  return driftLinear(from, to, best.transform, options);
}

Outcome drift(const Geometry& fixed, const Geometry& moving, const Request& request) {
  const DriftOptions options{.outliers = std::clamp(1.05 - request.overlap, 0.05, 0.9),
                             .with_scale = request.model == Model::Similarity};
  const Points from = pointsOf(moving, kDriftPoints), to = pointsOf(fixed, kDriftPoints);
  const DriftFit fit = driftFrom(from, to, request, options);
  requireResidual(fit.sigma_mm, request);
  requireShare(fit.matched_share, "fixed points");
  Outcome out{{fit.transform.inverse()}, {{"method", "drift"}}};
  json& r = out.results;
  r["fixed_points"] = to.size();
  r["moving_points"] = from.size();
  r["sigma_mm"] = fit.sigma_mm;
  r["matched_share"] = fit.matched_share;
  r["iterations"] = fit.iterations;
  return out;
}

/// The map as a lattice over a box: the tensor filter (-1, 8, -1)/6 makes coefficients from values, exact for cubics.
Lattice latticeOf(const std::function<Vector3d(const Vector3d&)>& displacement, Lattice lattice) {
  core::parallelFor(lattice.size[2], [&](std::int64_t k) {
    for (int j = 0; j < lattice.size[1]; ++j) {
      for (int i = 0; i < lattice.size[0]; ++i) {
        Vector3d sum = Vector3d::Zero();
        for (int c = 0; c < 27; ++c) {
          const int a = c % 3 - 1, b = c / 3 % 3 - 1, d = c / 9 - 1;
          const double w = (a ? -1 : 8) * (b ? -1 : 8) * (d ? -1 : 8) / 216.0;
          sum += w * displacement(lattice.node_mm(i + a, j + b, static_cast<int>(k) + d));
        }
        lattice.coefficients[lattice.index(i, j, static_cast<int>(k))] = sum;
      }
    }
  });
  return lattice;
}

/// Bends the linear map of an outcome: fixed points, carried over, drift onto the moving ones.
void bend(const Geometry& fixed, const Geometry& moving, const Request& request, Outcome& out) {
  const Points originals = pointsOf(fixed, kDriftPoints), onto = pointsOf(moving, kDriftPoints);
  const Affine3d linear = out.transform.linear;
  Points from;
  Eigen::AlignedBox3d box;
  for (const auto& p : originals) from.push_back(linear * p), box.extend(p);
  GaussianField field;
  const DriftFit fit = driftDeformable(
      from, onto, field,
      {.outliers = std::clamp(1.05 - request.overlap, 0.05, 0.9), .smoothness = 100 * request.images.smoothness});
  requireResidual(fit.sigma_mm, request);
  requireShare(fit.matched_share, "moving points");
  const double margin = field.width_mm;
  out.transform.lattice = latticeOf(
      [&](const Vector3d& x) {
        const Vector3d y = linear * x;
        return Vector3d(y + field(y) - x);
      },
      makeLattice(box.min().array() - margin, box.max().array() + margin, 0.5 * field.width_mm));
  double most = 0, off = 0, smallest = 1e300;
  for (std::size_t i = 0; i < originals.size(); ++i) {
    most = std::max(most, (fit.moved[i] - from[i]).norm());
    off = std::max(off, (out.transform(originals[i]) - fit.moved[i]).norm());
    smallest = std::min(smallest, out.transform.jacobian(originals[i]));
  }
  json& r = out.results;
  r["bend_sigma_mm"] = fit.sigma_mm;
  r["bend_matched_share"] = fit.matched_share;
  r["bend_width_mm"] = field.width_mm;
  r["largest_displacement_mm"] = most;
  r["lattice_error_mm"] = off;
  r["smallest_jacobian"] = smallest;
  if (smallest <= 0) core::warn("the B-spline folds space: raise --smoothness");
}

void describe(const Geometry& fixed, const Geometry& moving, Outcome& out) {
  const Affine3d& to_moving = out.transform.linear;
  json& r = out.results;
  const double scale = std::cbrt(to_moving.linear().determinant());
  const Eigen::Matrix3d turn = to_moving.linear() / scale;
  r["fixed_frame_id"] = fixed.frame_id;
  r["moving_frame_id"] = moving.frame_id;
  r["space"] = "LPS";
  r["fixed_to_moving"] = rows(to_moving);
  r["moving_to_fixed"] = rows(to_moving.inverse());
  r["turn_deg"] = Eigen::AngleAxisd(turn).angle() * 180 / M_PI;
  r["scale_moving_to_fixed"] = 1 / scale;
  if (out.transform.lattice) {
    const Lattice& lattice = *out.transform.lattice;
    r["lattice_points"] = {lattice.size[0], lattice.size[1], lattice.size[2]};
    r["lattice_mm"] = {lattice.spacing_mm[0], lattice.spacing_mm[1], lattice.spacing_mm[2]};
  }
}

}  // namespace

Outcome registerPair(const Geometry& fixed, const Geometry& moving, const Request& request) {
  const int image_count = (fixed.kind == Kind::Image) + (moving.kind == Kind::Image);
  if (image_count == 1) mismatch("an image and a shape don't go together", "make a mesh of the image with reconstruct");
  Outcome out;
  if (image_count == 2) {
    if (request.method != Method::Auto) mismatch("--method is for surfaces and points", "leave it out for images");
    out = images(fixed, moving, request);
  } else {
    Method method = request.method;
    if (method == Method::Auto) {
      const bool any_mesh = fixed.kind == Kind::Mesh || moving.kind == Kind::Mesh;
      const bool named = !fixed.names.empty() && !moving.names.empty();
      method = any_mesh ? Method::Surface : named ? Method::Paired : Method::Drift;
    }
    out = method == Method::Paired    ? paired(fixed, moving, request)
          : method == Method::Surface ? surface(fixed, moving, request)
                                      : drift(fixed, moving, request);
    if (request.model == Model::BSpline) bend(fixed, moving, request, out);
  }
  describe(fixed, moving, out);
  return out;
}

image::CtVolume resampleOnto(const image::CtVolume& fixed, const image::CtVolume& moving, const Transform& transform) {
  image::CtVolume out(fixed.frame, *std::min_element(moving.voxels.begin(), moving.voxels.end()));
  core::parallelFor(fixed.frame.size[2], [&](std::int64_t k) {
    std::int64_t at = k * fixed.frame.size[0] * fixed.frame.size[1];
    for (int j = 0; j < fixed.frame.size[1]; ++j)
      for (int i = 0; i < fixed.frame.size[0]; ++i, ++at) {
        const Vector3d index =
            moving.frame.toIndex(transform(fixed.frame.toWorld(Vector3d(i, j, static_cast<double>(k)))));
        // Up to half a voxel beyond the outermost centres the border's voxel goes on.
        const Vector3d last = (moving.frame.size.array() - 1).cast<double>();
        const Vector3d inside = index.cwiseMax(0.0).cwiseMin(last);
        if ((index - inside).cwiseAbs().maxCoeff() <= 0.5)
          out.voxels[at] = image::sampleLinear(moving, inside, out.voxels[at]);
      }
  });
  return out;
}

Geometry moveOnto(const Geometry& fixed, Geometry moving, const Transform& transform) {
  for (auto& p : moving.points) p = transform.inverse(p);
  for (auto& p : moving.mesh.vertices) p = transform.inverse(p);
  moving.frame_id = moving.mesh.frame_id = fixed.frame_id;
  return moving;
}

}  // namespace osteo::registration
