#include "reconstruct/shape_validation.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "core/parallel.h"
#include "core/progress.h"
#include "core/statistics.h"
#include "mesh/closest.h"
#include "mesh/measures.h"
#include "reconstruct/shape_fit.h"

namespace osteo::reconstruct {
namespace {

using registration::OrientedPoint;

constexpr std::array<const char*, 3> kKinds{"low_third", "high_third", "ball"};
constexpr double kBand = 1.959963984540054;

double round3(double value) { return std::round(1000 * value) / 1000; }

std::vector<std::size_t> others(const std::vector<TrainingShape>& shapes, const std::string& group) {
  std::vector<std::size_t> out;
  for (std::size_t s = 0; s < shapes.size(); ++s) {
    if (shapes[s].group != group) out.push_back(s);
  }
  return out;
}

/// Which vertices of a bone are taken away: the third at either end of its longest axis, or a ball.
std::vector<char> removed(const mesh::TriangleMesh& mesh, std::size_t kind, std::mt19937_64& random) {
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  for (const auto& v : mesh.vertices) centre += v / static_cast<double>(mesh.vertices.size());
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const auto& v : mesh.vertices) spread += (v - centre) * (v - centre).transpose();
  const Eigen::Vector3d axis = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors().col(2);
  double low = 1e300, high = -1e300;
  for (const auto& v : mesh.vertices) {
    low = std::min(low, axis.dot(v));
    high = std::max(high, axis.dot(v));
  }
  const Eigen::Vector3d ball = mesh.vertices[random() % mesh.vertices.size()];
  std::vector<char> out(mesh.vertices.size(), 0);
  for (std::size_t v = 0; v < out.size(); ++v) {
    const double s = (axis.dot(mesh.vertices[v]) - low) / (high - low);
    const bool gone = kind == 0   ? s < 1.0 / 3
                      : kind == 1 ? s > 2.0 / 3
                                  : (mesh.vertices[v] - ball).norm() < 0.05 * (high - low);
    out[v] = gone ? 1 : 0;
  }
  return out;
}

/// Errors of one completed bone in its missing part, mm, and in unscaled standard deviations.
struct Outcome {
  std::string group;
  std::size_t kind = 0;
  double share = 0;
  std::vector<double> errors_mm, errors_sd;
};

Outcome complete(const ShapeModel& model, const TrainingShape& shape, std::size_t kind, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::vector<char> gone = removed(shape.mesh, kind, random);
  const auto points = surfacePoints(shape.mesh);
  std::vector<OrientedPoint> seen;
  for (std::size_t v = 0; v < points.size(); ++v) {
    if (gone[v] == 0) seen.push_back(points[v]);
  }
  const ShapePosterior posterior = fitShape(model, seen);
  const mesh::ClosestPoint closest(posterior.surface);
  Outcome out{shape.group, kind, posterior.missing_share, {}, {}};
  for (std::size_t v = 0; v < points.size(); ++v) {
    if (gone[v] == 0) continue;
    const auto hit = closest(points[v].position);
    double sd = 0;
    for (const auto corner : posterior.surface.triangles[hit.triangle]) sd += posterior.sd_mm[corner] / 3;
    out.errors_mm.push_back(hit.distance_mm);
    out.errors_sd.push_back(hit.distance_mm / std::max(sd, 1e-9));
  }
  return out;
}

/// The scale that puts 95 % of the points inside the band, over the outcomes that `counts`.
template <class Counts>
double scaleOf(const std::vector<Outcome>& outcomes, const Counts& counts) {
  std::vector<double> pooled;
  for (const auto& o : outcomes) {
    if (counts(o)) pooled.insert(pooled.end(), o.errors_sd.begin(), o.errors_sd.end());
  }
  return pooled.empty() ? 1 : core::quantile(std::move(pooled), 0.95) / kBand;
}

nlohmann::json summary(const std::vector<Outcome>& outcomes, std::size_t kind, double& share) {
  std::vector<double> medians, p95s, coverage;
  share = 0;
  for (const auto& o : outcomes) {
    if (o.kind != kind || o.errors_mm.empty()) continue;
    medians.push_back(core::quantile(o.errors_mm, 0.5));
    p95s.push_back(core::quantile(o.errors_mm, 0.95));
    const double scale = scaleOf(outcomes, [&](const Outcome& x) { return x.kind == kind && x.group != o.group; });
    const auto inside =
        std::count_if(o.errors_sd.begin(), o.errors_sd.end(), [&](double e) { return e < kBand * scale; });
    coverage.push_back(static_cast<double>(inside) / static_cast<double>(o.errors_sd.size()));
    share += o.share;
  }
  const auto count = static_cast<double>(std::max<std::size_t>(1, medians.size()));
  share /= count;
  double mean = 0;
  for (const double c : coverage) mean += c / count;
  return {{"trials", medians.size()},
          {"missing_share", round3(share)},
          {"median_error_mm", round3(core::quantile(medians, 0.5))},
          {"worst_median_error_mm", round3(core::quantile(medians, 1))},
          {"p95_error_mm", round3(core::quantile(p95s, 0.5))},
          {"share_in_95_band", round3(mean)},
          {"sd_scale", round3(scaleOf(outcomes, [&](const Outcome& x) { return x.kind == kind; }))}};
}

double rms(const std::vector<Eigen::Vector3d>& a, const std::vector<Eigen::Vector3d>& b) {
  double sum = 0;
  for (std::size_t v = 0; v < a.size(); ++v) sum += (a[v] - b[v]).squaredNorm();
  return std::sqrt(sum / static_cast<double>(a.size()));
}

/// RMS of what a model without the shape's group leaves of it.
double generalisation(const Correspondence& all, const std::vector<TrainingShape>& shapes,
                      const ShapeTrainingOptions& options) {
  std::vector<double> errors(shapes.size(), 0);
  core::parallelFor(static_cast<std::int64_t>(shapes.size()), [&](std::int64_t s) {
    const auto rest = others(shapes, shapes[s].group);
    if (rest.empty()) return;
    const ShapeModel model = modelOf(all, rest, options);
    Eigen::VectorXd off(model.basis.rows());
    for (std::size_t v = 0; v < all.vertices[s].size(); ++v)
      off.segment<3>(3 * static_cast<Eigen::Index>(v)) = all.vertices[s][v] - model.mean.vertices[v];
    const Eigen::VectorXd squared = model.basis.colwise().squaredNorm();
    const Eigen::VectorXd z = (model.basis.transpose() * off).cwiseQuotient(squared);
    errors[s] = (off - model.basis * z).norm() / std::sqrt(static_cast<double>(all.vertices[s].size()));
  });
  double sum = 0;
  for (const double e : errors) sum += e / static_cast<double>(errors.size());
  return sum;
}

/// Few bones are looked at in more places, so that the measures rest on a dozen holes at least.
std::vector<std::size_t> trialsOf(std::size_t shapes) {
  constexpr std::size_t kHoles = 12;
  std::vector<std::size_t> kinds{0, 1};
  kinds.resize(2 + std::max<std::size_t>(1, kHoles / shapes), 2);
  return kinds;
}

}  // namespace

nlohmann::json describeModel(const ShapeModel& model, const Correspondence& all,
                             const std::vector<TrainingShape>& shapes, const ShapeTrainingOptions& options) {
  const Eigen::VectorXd variance = model.basis.colwise().squaredNorm();
  nlohmann::json compactness;
  for (const Eigen::Index k : {1, 2, 3, 5, 10, 20, 50}) {
    if (k <= variance.size())
      compactness["first_" + std::to_string(k)] = round3(variance.head(k).sum() / std::max(1e-12, variance.sum()));
  }
  constexpr int kDraws = 100;
  std::mt19937_64 random(options.seed);
  std::normal_distribution<double> normal;
  double specificity = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    Eigen::VectorXd z(model.components());
    for (double& value : z) value = normal(random);
    const auto drawn = instance(model, z);
    double nearest = 1e300;
    for (const auto& shape : all.vertices) nearest = std::min(nearest, rms(drawn, shape));
    specificity += nearest / kDraws;
  }
  return {{"components", model.components()},
          {"vertices", model.mean.vertices.size()},
          {"compactness_share", compactness},
          {"generalisation_rms_mm", round3(generalisation(all, shapes, options))},
          {"specificity_rms_mm", round3(specificity)}};
}

std::vector<Calibration> crossValidate(const Correspondence& all, const std::vector<TrainingShape>& shapes,
                                       const ShapeTrainingOptions& options, nlohmann::json& record) {
  const std::vector<std::size_t> trials = trialsOf(shapes.size());
  std::vector<Outcome> outcomes(trials.size() * shapes.size());
  core::Progress progress("cross-validation", static_cast<std::int64_t>(shapes.size()));
  core::parallelFor(static_cast<std::int64_t>(shapes.size()), [&](std::int64_t s) {
    const ShapeModel model = modelOf(all, others(shapes, shapes[s].group), options);
    for (std::size_t t = 0; t < trials.size(); ++t) {
      const auto at = static_cast<std::size_t>(s) * trials.size() + t;
      outcomes[at] = complete(model, shapes[s], trials[t], options.seed + at);
    }
    progress.advance();
  });
  std::vector<Calibration> calibration;
  for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
    Calibration c;
    record[kKinds[kind]] = summary(outcomes, kind, c.missing_share);
    c.sd_scale = record[kKinds[kind]]["sd_scale"].get<double>();
    calibration.push_back(c);
  }
  std::stable_sort(calibration.begin(), calibration.end(),
                   [](const Calibration& a, const Calibration& b) { return a.missing_share < b.missing_share; });
  return calibration;
}

}  // namespace osteo::reconstruct
