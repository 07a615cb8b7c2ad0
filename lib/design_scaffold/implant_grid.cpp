#include "design_scaffold/implant_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/names.h"
#include "core/parallel.h"
#include "design_scaffold/solid.h"
#include "simulate/regions.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kElements = 40000;
constexpr int kSamples = 3;            // along an edge of an element
constexpr double kLeastBody = 0.1;     // of an element
constexpr double kBytesPerVoxel = 24;  // of the box: shares, materials, places

/// Shares of the voxels of a frame.
struct Sampled {
  std::vector<double> body, solid;
};

Sampled sample(const Envelope& envelope, const image::Frame& frame) {
  Sampled out;
  out.body.resize(static_cast<std::size_t>(frame.voxelCount()));
  out.solid.resize(out.body.size());
  const double h = frame.spacing_mm[0], step = h / kSamples;
  const Vector3d half = Vector3d::Constant(0.5 * h);
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    const Vector3d low = frame.toWorld({0, 0, double(k)}) - half;
    const Vector3d high = frame.toWorld({double(frame.size[0] - 1), double(frame.size[1] - 1), double(k)}) + half;
    const Body body(envelope, {low, high});
    std::size_t v = static_cast<std::size_t>(k * frame.size[0] * frame.size[1]);
    for (int j = 0; j < frame.size[1]; ++j)
      for (int i = 0; i < frame.size[0]; ++i, ++v) {
        const Vector3d corner = frame.toWorld({double(i), double(j), double(k)}) - half;
        double inside = 0, massive = 0;
        for (int n = 0; n < kSamples * kSamples * kSamples; ++n) {
          const Vector3d at(n % kSamples, n / kSamples % kSamples, n / kSamples / kSamples);
          const Vector3d p = corner + step * (at + Vector3d::Constant(0.5));
          const double depth = body.envelope_mm(p), own = std::clamp(0.5 - depth / step, 0.0, 1.0);
          if (own <= 0) continue;
          inside += own;
          massive += std::clamp(0.5 - std::max(depth, body.skin_mm(p)) / step, 0.0, 1.0);
        }
        constexpr double kAll = kSamples * kSamples * kSamples;
        out.body[v] = inside / kAll;
        out.solid[v] = inside > 0 ? std::min(1.0, massive / inside) : 0;
      }
  });
  return out;
}

image::Frame frameOf(const Envelope& envelope, double element_mm) {
  const Span box = envelope.box();
  image::Frame frame;
  frame.frame_id = envelope.defect.frameId();
  frame.spacing_mm.setConstant(element_mm);
  const Eigen::Array3d first = (box.low_mm.array() / element_mm).floor();
  const Eigen::Array3d size = ((box.high_mm.array() / element_mm).ceil() - first).max(1);
  core::requireMemory(kBytesPerVoxel * size.prod(), "a design on so many elements");
  frame.size = size.cast<int>();
  frame.origin_mm = element_mm * (first + 0.5).matrix();
  return frame;
}

void requireThick(const simulate::VoxelModel& model, const Sampled& sampled) {
  const double kept = static_cast<double>(model.elements);
  if (static_cast<double>(model.dropped_elements) > 0.05 * kept)
    throw core::Error(core::Exit::DataError,
                      {.what = "the body falls apart on the elements of the design",
                       .got = fmt::format("{} pieces beside the largest with {} of {} elements", model.dropped_pieces,
                                          model.dropped_elements, model.elements + model.dropped_elements),
                       .hint = "a smaller search.element_mm"});
  const double full = static_cast<double>(
      std::count_if(sampled.body.begin(), sampled.body.end(), [](double share) { return share > 0.99; }));
  if (full < 0.1 * kept)
    core::warn("hardly an element of the design lies wholly in the body: a smaller search.element_mm tells more");
}

}  // namespace

ImplantGrid implantGrid(const Envelope& envelope, double element_mm) {
  if (element_mm <= 0) element_mm = std::cbrt(levelset::measureSurface(envelope.defect).volume_mm3 / kElements);
  ImplantGrid grid;
  grid.element_mm = element_mm;
  simulate::Filling filling;
  filling.frame = frameOf(envelope, element_mm);
  const Sampled sampled = sample(envelope, filling.frame);
  filling.material.resize(sampled.body.size());
  for (std::size_t v = 0; v < sampled.body.size(); ++v) filling.material[v] = sampled.body[v] >= kLeastBody ? 1 : 0;
  grid.model = std::make_unique<simulate::VoxelModel>(
      simulate::buildModel(filling, [](std::uint16_t, float, float) { return simulate::isotropic(1, 0.3); }));
  requireThick(*grid.model, sampled);
  const auto& size = filling.frame.size;
  simulate::forEachElement(*grid.model, [&](std::int64_t, int i, int j, int k, const auto&) {
    const auto v = static_cast<std::size_t>(i + std::int64_t{size[0]} * (j + std::int64_t{size[1]} * k));
    grid.shares.body.push_back(sampled.body[v]);
    grid.shares.solid.push_back(sampled.solid[v]);
  });
  return grid;
}

std::vector<DesignCase> placeCases(const ImplantGrid& grid, const std::vector<simulate::LoadCase>& cases,
                                   const levelset::LevelSet* host, const std::map<std::string, double>& weights) {
  std::vector<std::string> names;
  for (const auto& c : cases) names.push_back(c.name);
  for (const auto& [name, weight] : weights)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw core::Error(core::Exit::Config, {.what = "case_weights names a case that the loads don't have",
                                             .expected = fmt::format("{}", fmt::join(names, ", ")),
                                             .got = name,
                                             .hint = core::didYouMean(name, names)});
  const simulate::Operator K(*grid.model);
  const simulate::Scene scene{*grid.model, {}, [host](const std::string& name) -> levelset::LevelSet {
                                if (name == "host" && host) return *host;
                                throw core::Error(core::Exit::Usage, {.what = "the loads refer to " + name,
                                                                      .expected = "--host BONE.vdb, the only one that "
                                                                                  "the loads of a design may name"});
                              }};
  std::vector<DesignCase> out;
  for (const auto& c : cases) {
    for (const auto& load : c.loads)
      if (load.acceleration_m_s2)
        throw core::Error(core::Exit::Config,
                          {.what = "body forces change with the design: " + load.name + " of case " + c.name,
                           .expected = "forces, moments or pressures on the surface"});
    const auto weight = weights.find(c.name);
    out.push_back({simulate::place(scene, K, c), weight == weights.end() ? 1.0 : weight->second});
  }
  return out;
}

}  // namespace osteo::design_scaffold
