#include "slice_print/job.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "slice_print/contour.h"
#include "slice_print/hatch.h"
#include "slice_print/visit_order.h"

namespace osteo::slice_print {

namespace {

constexpr int kRun = 16;                       // layers sliced by one task, so that neighbours share what they read
constexpr int kBatch = 16;                     // tasks between two calls of the writer
constexpr double kContourTolerance_mm = 2e-3;  // outlines are thinned to this before offsets
constexpr int kThinSamples = 20;

Ring startingNear(Ring ring, const Point& at) {
  std::size_t nearest = 0;
  for (std::size_t i = 1; i < ring.size(); ++i) {
    if ((ring[i] - at).squaredNorm() < (ring[nearest] - at).squaredNorm()) nearest = i;
  }
  std::rotate(ring.begin(), ring.begin() + static_cast<std::ptrdiff_t>(nearest), ring.end());
  return ring;
}

// Rings in a walk from nearest to nearest, each begun at the vertex closest to where the beam comes from.
Rings ordered(Rings rings, const Point& start) {
  std::vector<Stop> stops;
  for (std::uint32_t r = 0; r < rings.size(); ++r) stops.push_back({rings[r][0], rings[r][0], r});
  Rings result;
  result.reserve(rings.size());
  Point at = start;
  for (const std::uint32_t stop : visitNearest(stops, start)) {
    result.push_back(startingNear(std::move(rings[stop]), at));
    at = result.back()[0];
  }
  return result;
}

double jumpLength(const Layer& layer) {
  double length = 0;
  bool began = false;
  Point at = Point::Zero();
  const auto visit = [&](const Point& enter, const Point& leave) {
    if (began) length += (enter - at).norm();
    began = true;
    at = leave;
  };
  for (const Ring& ring : layer.contours) visit(ring[0], ring[0]);
  for (const Segment& hatch : layer.hatches) visit(hatch.a, hatch.b);
  return length;
}

// Contours from the outline inwards, then the hatches, in scan order.
void fill(Layer& layer, const Settings& settings, const Point& centre) {
  std::vector<double> depths;
  for (int c = 0; c < settings.contours; ++c)
    depths.push_back(settings.contour_offset_mm + c * settings.contour_spacing_mm);
  const double hatch_depth = (depths.empty() ? 0 : depths.back()) + settings.hatch_offset_mm;
  if (settings.hatch) depths.push_back(hatch_depth);
  std::vector<Rings> regions = inset(simplified(layer.slice, kContourTolerance_mm), depths);
  Point at = Point::Zero();
  for (int c = 0; c < settings.contours; ++c) {
    for (Ring& ring : ordered(std::move(regions[c]), at)) layer.contours.push_back(std::move(ring));
    if (!layer.contours.empty()) at = layer.contours.back()[0];
  }
  if (settings.hatch) {
    const double angle = settings.hatch_angle_deg + layer.index * settings.hatch_rotation_deg;
    layer.hatches = meander(regions.back(), {settings.hatch_mm, angle, centre}, at);
  }
  layer.contour_length_mm = perimeter_mm(layer.contours);
  for (const Segment& hatch : layer.hatches) layer.hatch_length_mm += (hatch.b - hatch.a).norm();
  layer.jump_length_mm = jumpLength(layer);
}

// What one layer adds to the sums.
struct Share {
  double volume_mm3 = 0, contour_length_mm = 0, hatch_length_mm = 0, jump_length_mm = 0;
  std::size_t hatch_lines = 0, contour_loops = 0, slice_loops = 0;
  std::vector<double> body_volume_mm3 = {}, mask_volume_mm3 = {};
  bool overlapping = false;
  explicit Share(const Layer& layer)
      : volume_mm3(layer.area_mm2 * layer.height_mm),
        contour_length_mm(layer.contour_length_mm),
        hatch_length_mm(layer.hatch_length_mm),
        jump_length_mm(layer.jump_length_mm),
        hatch_lines(layer.hatches.size()),
        contour_loops(layer.contours.size()),
        slice_loops(layer.slice.size()) {
    for (const Rings& body : layer.bodies) body_volume_mm3.push_back(slice_print::area_mm2(body) * layer.height_mm);
    for (const Rings& mask : layer.masks) mask_volume_mm3.push_back(slice_print::area_mm2(mask) * layer.height_mm);
    if (layer.bodies.empty()) body_volume_mm3 = {volume_mm3};
  }
};

void addEach(std::vector<double>& sums, const std::vector<double>& values) {
  sums.resize(values.size(), 0);
  for (std::size_t n = 0; n < values.size(); ++n) sums[n] += values[n];
}

void add(Totals& totals, const Share& share) {
  totals.sliced_volume_mm3 += share.volume_mm3;
  totals.contour_length_mm += share.contour_length_mm;
  totals.hatch_length_mm += share.hatch_length_mm;
  totals.jump_length_mm += share.jump_length_mm;
  totals.hatch_lines += static_cast<std::int64_t>(share.hatch_lines);
  totals.contour_loops += static_cast<std::int64_t>(share.contour_loops);
  totals.slice_loops += static_cast<std::int64_t>(share.slice_loops);
  totals.empty_layers += share.slice_loops == 0;
  totals.overlapping_layers += share.overlapping;
  addEach(totals.body_volume_mm3, share.body_volume_mm3);
  addEach(totals.mask_volume_mm3, share.mask_volume_mm3);
}

// Layers that wait for their turn to be written: only their bytes are held.
struct Task {
  std::vector<Share> shares;
  std::vector<std::string> bytes;
  double thin_mm2 = 0, sampled_mm2 = 0;
};

}  // namespace

double Totals::buildTime_s(const Machine& machine) const {
  return stack.layers * machine.recoat_s + (contour_length_mm + hatch_length_mm) / machine.scan_mm_s +
         jump_length_mm / machine.jump_mm_s;
}

double energyDensity_j_mm3(double power_w, double scan_mm_s, double hatch_mm, double layer_mm) {
  return power_w / (scan_mm_s * hatch_mm * layer_mm);
}

void requireFit(const Settings& settings) {
  const AdaptiveHeights& heights = settings.adaptive;
  if (heights.least_mm > heights.most_mm) {
    throw core::Error(core::Exit::Usage, {.what = "--least-layer-mm lies above --most-layer-mm",
                                          .expected = fmt::format("at most {:.4g}", heights.most_mm),
                                          .got = fmt::format("{:.4g}", heights.least_mm)});
  }
  if (settings.process != Process::Vpp) return;
  if (heights.cusp_mm > 0) {
    throw core::Error(core::Exit::Usage, {.what = "--adaptive-cusp-mm does not go with --process vpp",
                                          .expected = "equal layers, which one exposure cures"});
  }
  exposureFor(settings.mask, settings.layer_mm);
}

void requireDensities(const Settings& settings, const Part& part) {
  const std::size_t given = settings.body_density_g_cm3.size();
  if (given == 0 || given == static_cast<std::size_t>(part.bodies())) return;
  throw core::Error(core::Exit::Usage,
                    {.what = "--body-density-g-cm3 names another number of densities than there are bodies",
                     .expected = std::to_string(part.bodies()),
                     .got = std::to_string(given)});
}

double thinnest_mm(const Settings& settings) {
  return isMaskProcess(settings.process) ? settings.mask.pixel_mm : 2 * settings.contour_offset_mm;
}

Stack stackOf(const Part& part, const Settings& settings) {
  const double height_mm = part.size_mm().z();
  if (!(settings.adaptive.cusp_mm > 0)) return stackOver(height_mm, settings.layer_mm);
  constexpr double kBinsPerLayer = 4;
  stackOver(height_mm, settings.adaptive.least_mm);  // refuses too many before their slopes are gathered
  return adaptiveStack(height_mm, part.slopes(settings.adaptive.least_mm / kBinsPerLayer), settings.adaptive);
}

Totals run(const Part& part, const Settings& settings, const JobWriter& writer, int keep_layer, Layer& kept) {
  Totals totals;
  totals.stack = stackOf(part, settings);
  const int layers = totals.stack.layers, thin_step = std::max(1, layers / kThinSamples);
  std::vector<Slicer> slicers;
  for (int body = 0; body < part.bodies(); ++body) slicers.push_back(part.slicer(totals.stack, body));
  const Point centre = part.size_mm().head<2>() / 2;
  const bool by_masks = isMaskProcess(settings.process);
  const double thin_mm = thinnest_mm(settings);
  MaskPlan plan;
  if (by_masks) plan = maskPlan(part, settings.process, settings.mask, totals.stack.layer_mm);
  core::Progress progress("slice", layers);
  const auto work = [&](int first, Task& task) {
    const int count = std::min(kRun, layers - first);
    const int before = std::min(first, plan.overcured_layers);
    std::vector<Outlines> cuts = outlines(slicers, first - before, count + before);
    std::vector<std::vector<Rings>> masks;
    if (by_masks) masks = exposedMasks(plan, cuts, before);
    for (int n = 0; n < count; ++n) {
      Layer layer{.index = first + n,
                  .top_mm = totals.stack.top_mm(first + n),
                  .height_mm = totals.stack.height_mm(first + n),
                  .slice = std::move(cuts[before + n].slice),
                  .bodies = std::move(cuts[before + n].bodies)};
      if (by_masks) layer.masks = std::move(masks[n]);
      layer.area_mm2 = area_mm2(layer.slice);
      if (layer.index % thin_step == thin_step / 2 && thin_mm > 0) {
        task.sampled_mm2 += layer.area_mm2;
        task.thin_mm2 += thinArea_mm2(layer.slice, thin_mm);
      }
      if (!by_masks) fill(layer, settings, centre);
      task.bytes.push_back(writer.encode(layer));
      task.shares.emplace_back(layer);
      task.shares.back().overlapping = cuts[before + n].overlapping;
      if (layer.index == keep_layer) kept = std::move(layer);
      progress.advance();
    }
  };
  double thin_mm2 = 0, sampled_mm2 = 0;
  for (int first = 0; first < layers; first += kRun * kBatch) {
    const int tasks = std::min(kBatch, (layers - first + kRun - 1) / kRun);
    std::vector<Task> done(static_cast<std::size_t>(tasks));
    core::parallelFor(tasks, [&](std::int64_t t) { work(first + static_cast<int>(t) * kRun, done[t]); });
    for (Task& task : done) {
      thin_mm2 += task.thin_mm2, sampled_mm2 += task.sampled_mm2;
      for (const std::string& bytes : task.bytes) writer.append(bytes);
      for (const Share& share : task.shares) add(totals, share);
    }
  }
  totals.thin_share = sampled_mm2 > 0 ? thin_mm2 / sampled_mm2 : 0;
  writer.finish();
  return totals;
}

}  // namespace osteo::slice_print
