#include "reconstruct/cortex.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/statistics.h"
#include "reconstruct/edge_field.h"
#include "reconstruct/erf_profile.h"
#include "reconstruct/vertex_graph.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Vector3d;
using Layer = ErfLayer;

constexpr double kAssumedCortical_hu = 1400;  ///< dense cortex at 120 kV, where a bone shows none of its own
constexpr double kLeastCortical_hu = 800;     ///< less is cancellous, or thin bone that passes for thick
constexpr double kMetal_hu = 2500;            ///< as in segment, where the labels don't know of it
/// Blur variance in squared voxels of the B-spline that samples (1/3) and of the voxel's own extent (1/12).
constexpr double kSamplingVariance = 1.0 / 3 + 1.0 / 12;
constexpr double kSpan = 3.5;  ///< sigmas that a profile extends beyond its edges

/// A vertex seen along its normal.
struct Line {
  Vector3d at, normal;  ///< outward
  double curvature = 0;
};

struct Bone {
  double cortical_hu = 0;
  double base_variance = 0;  ///< of the blur without sampling, mm²
};

struct Measured {
  CortexFlaw flaw = CortexFlaw::None;
  double outer_mm = 0, inner_mm = 0, error_mm = 0;  ///< depths below the surface
};

/// Profiles and fits at the vertices of a scene.
class Prober {
 public:
  Prober(const CortexScene& scene, double most_mm) : scene_(scene), most_mm_(most_mm) {
    step_mm_ = 0.3 * scene.ct.frame.spacing_mm.minCoeff();
  }

  /// Mean square of the voxel's size along a direction.
  double squareSpacing(const Vector3d& normal) const {
    const image::Frame& frame = scene_.ct.frame;
    return (frame.direction.transpose() * normal).cwiseProduct(frame.spacing_mm).squaredNorm();
  }
  double sigma(const Line& line, const Bone& bone) const {
    return std::sqrt(std::max(0.02 * squareSpacing(line.normal), bone.base_variance) +
                     kSamplingVariance * squareSpacing(line.normal));
  }

  /// The layer at a line, with the bone's density and blur or with those of its own.
  CortexFlaw fit(const Line& line, const Bone& bone, FitFreedom freedom, Layer& layer) const {
    const double blur = sigma(line, bone);
    const double out = freeWay(line, kSpan * blur + 1, -1) - 1.5 * blur;
    if (out < blur) return CortexFlaw::Blocked;
    const double chord = exitDepth(line, 2 * most_mm_);
    CortexFlaw flaw = CortexFlaw::NoInnerEdge;
    const double half = std::min(most_mm_ + kSpan * blur, 0.5 * chord);
    if (half > 2 * blur) flaw = fitWindow(line, bone, freedom, {-out, half}, layer);
    if (flaw != CortexFlaw::None && chord < most_mm_) {  // a plate: its other side is the inner edge
      Line far = line;
      far.at -= chord * line.normal;
      const double beyond = freeWay(far, kSpan * blur + 1, 1) - 1.5 * blur;
      if (beyond > blur) flaw = fitWindow(line, bone, freedom, {-out, chord + beyond}, layer);
    }
    return flaw;
  }

  Measured measure(const Line& line, const Bone& bone) const {
    Measured m;
    Layer layer;
    m.flaw = fit(line, bone, {}, layer);
    if (m.flaw != CortexFlaw::None) return m;
    const double spacing2 = squareSpacing(line.normal), blur = layer.p[Layer::Sigma];
    // Values that overlap are no new ones: noise through the B-spline is alike over 2.1 voxels, and of so few four
    // parameters take more than their share (measured on balls with white noise).
    constexpr double kShare = 1.45;
    m.error_mm =
        kShare * layer.error[Layer::Thickness] * std::sqrt(std::max(1.0, 2.1 * std::sqrt(spacing2) / step_mm_));
    // Blur moves a curved edge towards its centre; the surface given has that taken back.
    const double half_inner = std::max(0.3, 1 - 0.5 * layer.p[Layer::Thickness] * line.curvature);
    const auto shift = [&](double curvature) {
      const double most = 0.3 * std::sqrt(spacing2);
      return std::clamp(0.5 * blur * blur * curvature, -most, most);
    };
    m.outer_mm = layer.p[Layer::Outer] - shift(line.curvature);
    m.inner_mm = layer.inner_mm() - shift(line.curvature / half_inner);
    if (!(m.error_mm < 0.5) || std::abs(m.outer_mm) > 1.5 * std::sqrt(spacing2)) m.flaw = CortexFlaw::Misfit;
    if (m.inner_mm - m.outer_mm < 0.02) m.flaw = CortexFlaw::NoCortex;
    return m;
  }

 private:
  struct Window {
    double first_mm, last_mm;
  };

  /// How far one can go from the line's point against its normal (side 1) or along it (-1) without meeting bone or
  /// another label; the first voxels may be the bone's own.
  double freeWay(const Line& line, double most, double side) const {
    const image::LabelVolume& labels = scene_.labels;
    const double spacing = labels.frame.spacing_mm.minCoeff();
    for (double way = 0; way < most + 2 * spacing; way += 0.5 * spacing) {
      const Vector3d p = line.at - side * way * line.normal;
      const Eigen::Vector3i at = labels.frame.toIndex(p).array().round().cast<int>();
      if (!labels.contains(at[0], at[1], at[2])) return way;
      const bool met = labels.at(at[0], at[1], at[2]) != image::Background || levelset::sample(scene_.bone, p) < 0;
      if (met && way > 1.6 * spacing) return way;
    }
    return 1e3;
  }

  double exitDepth(const Line& line, double most) const {
    const double step = 0.5 * scene_.ct.frame.spacing_mm.minCoeff();
    double before = -1;
    for (double depth = 2 * step; depth < most; depth += step) {
      const double here = levelset::sample(scene_.bone, line.at - depth * line.normal);
      if (here > 0) return depth - step * here / std::max(here - before, 1e-6);
      before = here;
    }
    return 1e3;
  }

  bool read(const Line& line, Window window, Profile& profile) const {
    const image::CtVolume& ct = scene_.ct;
    profile.first_mm = step_mm_ * std::ceil(window.first_mm / step_mm_);
    profile.step_mm = step_mm_;
    profile.hu.clear();
    for (double depth = profile.first_mm; depth <= window.last_mm; depth += step_mm_) {
      const Vector3d index = ct.frame.toIndex(line.at - depth * line.normal);
      if ((index.array() < 0).any() || (index.array() > ct.frame.size.array().cast<double>() - 1).any()) break;
      const Eigen::Vector3i near = index.array().round().cast<int>();
      if (scene_.labels.at(near[0], near[1], near[2]) == image::Metal) return false;
      profile.hu.push_back(sampleSpline(ct, index));
    }
    return true;
  }

  CortexFlaw fitWindow(const Line& line, const Bone& bone, FitFreedom freedom, Window window, Layer& layer) const {
    Profile profile;
    const double blur = sigma(line, bone);
    window.first_mm = std::max(window.first_mm, -kSpan * blur);
    for (int round = 0; round < 2; ++round) {
      if (!read(line, window, profile)) return CortexFlaw::Metal;
      if (profile.last_mm() < blur || profile.hu.size() < 8) return CortexFlaw::NoInnerEdge;
      const double peak = *std::max_element(profile.hu.begin(), profile.hu.end());
      if (!freedom.cortical && peak > std::max(kMetal_hu, 1.5 * bone.cortical_hu)) return CortexFlaw::Metal;
      if (round == 0) {
        layer = {};
        layer.p[Layer::Cortical] = freedom.cortical ? peak : bone.cortical_hu;
        layer.p[Layer::Sigma] = blur;
      }
      layer = fitErfLayer(profile, layer, freedom);
      const CortexFlaw flaw = judge(layer, profile);
      if (flaw != CortexFlaw::None) return flaw;
      // The second time without what lies far from both edges: levels are meant to be those beside them.
      window = {std::max(window.first_mm, layer.p[Layer::Outer] - kSpan * blur),
                std::min(profile.last_mm(), layer.inner_mm() + kSpan * blur)};
    }
    return CortexFlaw::None;
  }

  CortexFlaw judge(const Layer& layer, const Profile& profile) const {
    const auto& p = layer.p;
    const double contrast = p[Layer::Cortical] - p[Layer::Outside];
    if (p[Layer::Outside] > 0.6 * p[Layer::Cortical]) return CortexFlaw::Blocked;
    if (p[Layer::Thickness] < 0.02) return CortexFlaw::NoCortex;
    if (layer.inner_mm() > profile.last_mm() - p[Layer::Sigma] ||
        p[Layer::Inside] > p[Layer::Cortical] - 0.15 * contrast)
      return CortexFlaw::NoInnerEdge;
    const double spacing = scene_.ct.frame.spacing_mm.maxCoeff();
    if (layer.rms_hu > 0.12 * contrast || std::abs(p[Layer::Outer]) > 2 * spacing) return CortexFlaw::Misfit;
    return CortexFlaw::None;
  }

  const CortexScene& scene_;
  double most_mm_, step_mm_ = 0;
};

std::vector<Line> linesOf(const mesh::TriangleMesh& surface, const VertexGraph& graph, double smoothing_mm) {
  const std::vector<Vector3d> normals = smoothNormals(surface, graph, smoothing_mm);
  const std::vector<float> bend = graph.averaged(curvature(surface, normals), 3);
  std::vector<Line> lines(normals.size());
  for (std::size_t v = 0; v < lines.size(); ++v) lines[v] = {surface.vertices[v], normals[v], bend[v]};
  return lines;
}

/// Fits to a few thousand lines, in their order; those with a flaw are left out.
std::vector<std::pair<const Line*, Layer>> sampleFits(const Prober& prober, const std::vector<Line>& lines,
                                                      const Bone& bone, FitFreedom freedom) {
  constexpr std::size_t kMost = 4000;
  const std::size_t stride = std::max<std::size_t>(1, lines.size() / kMost), n = (lines.size() + stride - 1) / stride;
  std::vector<std::pair<const Line*, Layer>> fits(n), good;
  core::parallelChunks(static_cast<std::int64_t>(n), 64, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) {
      const Line& line = lines[static_cast<std::size_t>(i) * stride];
      Layer layer;
      if (prober.fit(line, bone, freedom, layer) == CortexFlaw::None) fits[i] = {&line, layer};
    }
  });
  for (const auto& fit : fits) {
    if (fit.first != nullptr) good.push_back(fit);
  }
  return good;
}

double baseVariance(const Prober& prober, const std::vector<std::pair<const Line*, Layer>>& fits, double otherwise) {
  std::vector<double> found;
  for (const auto& [line, layer] : fits) {
    const double sigma = layer.p[Layer::Sigma];
    if (layer.error[Layer::Sigma] < 0.1 * sigma)
      found.push_back(sigma * sigma - kSamplingVariance * prober.squareSpacing(line->normal));
  }
  return found.size() < 20 ? otherwise : core::quantile(std::move(found), 0.5);
}

/// The level that the densest layers have in common: many thick ones are dense cancellous bone.
double densest(const std::vector<double>& levels) {
  const double least = 0.75 * core::quantile(levels, 0.95);
  std::vector<double> dense;
  std::copy_if(levels.begin(), levels.end(), std::back_inserter(dense), [=](double level) { return level >= least; });
  return core::quantile(std::move(dense), 0.5);
}

/// The density of thick cortex and the blur, which all vertices share.
Bone calibrate(const Prober& prober, const std::vector<Line>& lines, double cortical_hu, CortexReport& report) {
  constexpr std::int64_t kFewest = 20;
  constexpr double kThick = 3;  // sigmas: the blurred peak then reaches 87 % of the true one
  Bone bone{kAssumedCortical_hu, 0.25 * prober.squareSpacing(Vector3d::UnitX())};
  std::vector<double> levels;
  std::vector<std::pair<const Line*, Layer>> thick;
  for (const auto& fit : sampleFits(prober, lines, bone, {true, true})) {
    const auto& p = fit.second.p;
    const double blur = prober.sigma(*fit.first, bone);  // a thin layer is also a wider one with less blur
    if (p[Layer::Cortical] < kLeastCortical_hu || p[Layer::Thickness] < kThick * p[Layer::Sigma] ||
        p[Layer::Sigma] < 0.5 * blur || fit.second.error[Layer::Cortical] > 0.03 * p[Layer::Cortical] ||
        p[Layer::Cortical] - p[Layer::Inside] < 0.3 * (p[Layer::Cortical] - p[Layer::Outside]))
      continue;
    levels.push_back(p[Layer::Cortical]);
    thick.push_back(fit);
  }
  report.thick_profiles = static_cast<std::int64_t>(thick.size());
  report.cortical_source = cortical_hu > 0 ? "given" : report.thick_profiles >= kFewest ? "measured" : "assumed";
  if (cortical_hu > 0) {
    bone.cortical_hu = cortical_hu;
  } else if (report.thick_profiles >= kFewest) {
    bone.cortical_hu = densest(levels);
  }
  if (report.cortical_source == "assumed") {
    core::warn(
        "no cortex is thick enough to show its density: 1400 HU are assumed, and the thickness is as right as "
        "that; --cortical-hu gives another");
  }
  bone.base_variance = baseVariance(prober, thick, bone.base_variance);
  bone.base_variance = baseVariance(prober, sampleFits(prober, lines, bone, {false, true}), bone.base_variance);
  return bone;
}

void summarise(const Prober& prober, const std::vector<Line>& lines, const Bone& bone, const Cortex& cortex,
               CortexReport& report) {
  std::vector<double> thickness, error, shift, blur;
  for (std::size_t v = 0; v < lines.size(); ++v) {
    if (cortex.resolved[v] == 0) continue;
    thickness.push_back(cortex.thickness_mm[v]);
    error.push_back(cortex.standard_error_mm[v]);
    shift.push_back(cortex.outer_shift_mm[v]);
    blur.push_back(prober.sigma(lines[v], bone));
  }
  report.cortical_hu = bone.cortical_hu;
  report.blur_sigma_mm = core::quantile(std::move(blur), 0.5);
  report.median_mm = core::quantile(thickness, 0.5);
  report.p5_mm = core::quantile(thickness, 0.05);
  report.p95_mm = core::quantile(thickness, 0.95);
  report.standard_error_mm = core::quantile(std::move(error), 0.5);
  report.outer_shift_mm = core::quantile(std::move(shift), 0.5);
}

}  // namespace

Cortex measureCortex(const CortexScene& scene, const CortexOptions& options, CortexReport& report) {
  const VertexGraph graph(scene.surface);
  const std::vector<Line> lines = linesOf(scene.surface, graph, scene.ct.frame.spacing_mm.maxCoeff());
  const Prober prober(scene, options.most_mm);
  const Bone bone = calibrate(prober, lines, options.cortical_hu, report);
  const std::size_t n = lines.size();
  std::vector<Measured> measured(n);
  core::Progress progress("cortex", static_cast<std::int64_t>(n));
  core::parallelChunks(static_cast<std::int64_t>(n), 256, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t v = first; v < last; ++v) measured[v] = prober.measure(lines[v], bone);
    progress.advance(last - first);
  });
  Cortex cortex{std::vector<float>(n), std::vector<float>(n), std::vector<float>(n), std::vector<char>(n)};
  report.vertices.assign(static_cast<std::size_t>(CortexFlaw::Count), 0);
  for (std::size_t v = 0; v < n; ++v) {
    const Measured& m = measured[v];
    ++report.vertices[static_cast<std::size_t>(m.flaw)];
    if (m.flaw != CortexFlaw::None) continue;
    cortex.resolved[v] = 1;
    cortex.thickness_mm[v] = static_cast<float>(m.inner_mm - m.outer_mm);
    cortex.standard_error_mm[v] = static_cast<float>(m.error_mm);
    cortex.outer_shift_mm[v] = static_cast<float>(-m.outer_mm);
  }
  if (report.vertices[0] == 0) {
    throw core::Error(core::Exit::DataError, {.what = "the CT shows no cortex whose thickness could be measured",
                                              .hint = "check that the CT is in HU and belongs to the labels"});
  }
  summarise(prober, lines, bone, cortex, report);
  graph.fill(cortex.thickness_mm, cortex.resolved, static_cast<float>(report.median_mm));
  graph.fill(cortex.outer_shift_mm, cortex.resolved, 0);
  return cortex;
}

std::vector<mesh::VertexField> fields(const Cortex& cortex) {
  return {{"thickness_mm", cortex.thickness_mm},
          {"standard_error_mm", cortex.standard_error_mm},
          {"outer_shift_mm", cortex.outer_shift_mm},
          {"resolved", std::vector<float>(cortex.resolved.begin(), cortex.resolved.end())}};
}

nlohmann::json describe(const CortexReport& report) {
  const auto count = [&](CortexFlaw flaw) { return report.vertices[static_cast<std::size_t>(flaw)]; };
  std::int64_t all = 0;
  for (const std::int64_t n : report.vertices) all += n;
  return {{"cortex",
           {{"median_thickness_mm", report.median_mm},
            {"p5_thickness_mm", report.p5_mm},
            {"p95_thickness_mm", report.p95_mm},
            {"median_standard_error_mm", report.standard_error_mm},
            {"median_outer_shift_mm", report.outer_shift_mm},
            {"cortical_hu", report.cortical_hu},
            {"cortical_hu_source", report.cortical_source},
            {"thick_profiles", report.thick_profiles},
            {"blur_sigma_mm", report.blur_sigma_mm},
            {"resolved_share",
             static_cast<double>(count(CortexFlaw::None)) / static_cast<double>(std::max<std::int64_t>(1, all))},
            {"unresolved_vertices",
             {{"blocked", count(CortexFlaw::Blocked)},
              {"metal", count(CortexFlaw::Metal)},
              {"no_cortex", count(CortexFlaw::NoCortex)},
              {"no_inner_edge", count(CortexFlaw::NoInnerEdge)},
              {"misfit", count(CortexFlaw::Misfit)}}}}}};
}

}  // namespace osteo::reconstruct
