#include "slice_print/job.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "slice_print/contour.h"
#include "slice_print/exposure.h"
#include "slice_print/extrusion_options.h"
#include "slice_print/region.h"

namespace osteo::slice_print {

namespace {

constexpr int kRun = 16;    // layers sliced by one task, so that neighbours share what they read
constexpr int kBatch = 16;  // tasks between two calls of the writer
constexpr int kThinSamples = 20;
constexpr double kIslandRows_mm = 0.05;  // on which regions without anything below are told
constexpr double kTouchRows_mm = 0.02;   // and whether a support reaches them

ExtrusionTotals sumsOf(const Layer& layer) {
  ExtrusionTotals sums;
  for (const Bead& bead : layer.beads) {
    const double volume = filledArea_mm2(bead, layer.height_mm) * layer.height_mm, length = length_mm(bead);
    const bool part = bead.kind != BeadKind::Support && bead.kind != BeadKind::Skirt;
    (bead.kind == BeadKind::Support ? sums.support_mm3 : part ? sums.volume_mm3 : sums.skirt_mm3) += volume;
    if (!part) continue;
    (bead.kind == BeadKind::Infill ? sums.infill_mm : sums.perimeter_mm) += length;
    ++(bead.kind == BeadKind::Infill ? sums.infill_lines : sums.beads);
    for (const BeadPoint& p : bead.points) {
      sums.least_width_mm = std::min(sums.least_width_mm, p.width_mm);
      sums.most_width_mm = std::max(sums.most_width_mm, p.width_mm);
    }
  }
  sums.unfilled_mm3 = layer.unfilled_mm2 * layer.height_mm;
  if (sums.volume_mm3 > 0) sums.least_factor = sums.most_factor = layer.flow_factor;
  return sums;
}

void add(ExtrusionTotals& totals, const ExtrusionTotals& share) {
  totals.volume_mm3 += share.volume_mm3, totals.support_mm3 += share.support_mm3;
  totals.skirt_mm3 += share.skirt_mm3, totals.unfilled_mm3 += share.unfilled_mm3;
  totals.perimeter_mm += share.perimeter_mm, totals.infill_mm += share.infill_mm;
  totals.beads += share.beads, totals.infill_lines += share.infill_lines;
  totals.least_width_mm = std::min(totals.least_width_mm, share.least_width_mm);
  totals.most_width_mm = std::max(totals.most_width_mm, share.most_width_mm);
  totals.least_factor = std::min(totals.least_factor, share.least_factor);
  totals.most_factor = std::max(totals.most_factor, share.most_factor);
}

// What one layer adds to the sums.
struct Share {
  double volume_mm3 = 0, contour_length_mm = 0, hatch_length_mm = 0, jump_length_mm = 0, support_mm3 = 0;
  std::array<double, kZones> zone_length_mm = {};
  std::array<std::size_t, kZones> zone_lines = {};
  std::size_t contour_loops = 0, slice_loops = 0, islands = 0, unsupported = 0;
  std::vector<double> body_volume_mm3 = {}, mask_volume_mm3 = {};
  bool overlapping = false;
  Exceptions exceptions = {};
  ExtrusionTotals extrusion = {};
  explicit Share(const Layer& layer)
      : volume_mm3(layer.area_mm2 * layer.height_mm),
        contour_length_mm(layer.contour_length_mm),
        hatch_length_mm(layer.hatch_length_mm),
        jump_length_mm(layer.jump_length_mm),
        support_mm3(slice_print::area_mm2(layer.support) * layer.height_mm),
        zone_length_mm(layer.zone_length_mm),
        contour_loops(layer.contours.size() - layer.fill_contours),
        slice_loops(layer.slice.size()) {
    zone_lines[0] = layer.fill_contours;
    forEachRun(layer, [this](Zone zone, std::size_t first, std::size_t end) {
      zone_lines[static_cast<int>(zone)] += end - first;
    });
    for (const Rings& body : layer.bodies) body_volume_mm3.push_back(slice_print::area_mm2(body) * layer.height_mm);
    for (const Rings& mask : layer.masks) mask_volume_mm3.push_back(slice_print::area_mm2(mask) * layer.height_mm);
    if (layer.bodies.empty()) body_volume_mm3 = {volume_mm3};
    if (!layer.beads.empty() || layer.unfilled_mm2 > 0) extrusion = sumsOf(layer);
  }
};

void addEach(std::vector<double>& sums, const std::vector<double>& values) {
  sums.resize(values.size(), 0);
  for (std::size_t n = 0; n < values.size(); ++n) sums[n] += values[n];
}

void add(Totals& totals, const Share& share) {
  totals.sliced_volume_mm3 += share.volume_mm3;
  totals.support_volume_mm3 += share.support_mm3;
  totals.contour_length_mm += share.contour_length_mm;
  totals.hatch_length_mm += share.hatch_length_mm;
  totals.jump_length_mm += share.jump_length_mm;
  for (int zone = 0; zone < kZones; ++zone) {
    totals.zone_length_mm[zone] += share.zone_length_mm[zone];
    totals.zone_lines[zone] += static_cast<std::int64_t>(share.zone_lines[zone]);
    if (zone != static_cast<int>(Zone::Support))
      totals.hatch_lines += static_cast<std::int64_t>(share.zone_lines[zone]);
  }
  totals.contour_loops += static_cast<std::int64_t>(share.contour_loops);
  totals.slice_loops += static_cast<std::int64_t>(share.slice_loops);
  totals.islands += static_cast<std::int64_t>(share.islands);
  totals.unsupported_islands += static_cast<std::int64_t>(share.unsupported);
  totals.dropped_vectors += share.exceptions.dropped_vectors;
  totals.merged_vectors += share.exceptions.merged_vectors;
  totals.rounded_corners += share.exceptions.rounded_corners;
  totals.empty_layers += share.slice_loops == 0;
  totals.overlapping_layers += share.overlapping;
  add(totals.extrusion, share.extrusion);
  addEach(totals.body_volume_mm3, share.body_volume_mm3);
  addEach(totals.mask_volume_mm3, share.mask_volume_mm3);
}

// Layers that wait for their turn to be written: only their bytes are held.
struct Task {
  std::vector<Share> shares;
  std::vector<std::string> bytes, gcode;
  double thin_mm2 = 0, sampled_mm2 = 0;
};

// Outlines of a run of layers and of those around it that skins, islands and over-cured layers ask for.
struct Window {
  std::vector<Outlines> cuts;
  int solid_layers = 0;
  int from, before;  // first layer of the cuts; how many stand before the run
  Window(const std::vector<Slicer>& slicers, const Settings& settings, int first, int count, int layers, int overcured)
      : settings_(settings) {
    const bool sparse = settings.process == Process::Mex && settings.extrusion.infill_percent < 100;
    solid_layers = sparse ? static_cast<int>(settings.extrusion.solid_layers) : 0;
    from = std::max(0, first - std::max({1, settings.down_skin.layers, overcured, solid_layers}));
    before = first - from;
    const int to = std::min(layers, first + count + std::max(settings.up_skin.layers, solid_layers));
    cuts = outlines(slicers, from, to - from);
  }

  const Rings& at(int layer) const {
    static const Rings none;
    const int n = layer - from;
    return n < 0 || n >= static_cast<int>(cuts.size()) ? none : cuts[static_cast<std::size_t>(n)].slice;
  }

  std::vector<const Rings*> coveredBy(int layer) const {
    std::vector<const Rings*> slices;
    for (int n = 1; n <= solid_layers; ++n) slices.push_back(&at(layer + n)), slices.push_back(&at(layer - n));
    return slices;
  }

  Neighbours around(int layer) const {
    Neighbours near;
    for (int n = 1; n <= settings_.up_skin.layers; ++n) near.above.push_back(&at(layer + n));
    for (int n = 1; n <= settings_.down_skin.layers; ++n)
      near.below.push_back(layer - n < 0 ? nullptr : &at(layer - n));  // the plate holds what lies on it
    return near;
  }

 private:
  const Settings& settings_;
};

Rings unitedWith(Rings rings, const Rings& more) {
  rings.insert(rings.end(), more.begin(), more.end());
  return united(rings);
}

// Counts a layer's islands, and those that no support reaches.
void countIslands(const Window& window, const Stack& stack, const Supports& supports, const Settings& settings,
                  int layer, Share& share) {
  if (layer == 0) return;
  const std::vector<Island> found = islands(window.at(layer), window.at(layer - 1), kIslandRows_mm);
  share.islands = share.unsupported = found.size();
  if (found.empty() || settings.supports.kind == SupportKind::None) return;
  const double below_mm = stack.middle_mm(layer - 1) - settings.supports.gap_mm;
  const Rings region = supports.at(below_mm, window.at(layer - 1)).region;
  for (const Island& island : found) share.unsupported -= islands(island.outline, region, kTouchRows_mm).empty();
}

// What all layers share.
struct Shared {
  const Settings& settings;
  const JobWriter& writer;
  Stack stack;
  std::vector<Slicer> slicers;
  Point centre;
  MaskPlan plan;
  Supports supports;
  GcodeSettings gcode;
  int thin_step;

  bool byBeads() const { return settings.process == Process::Mex; }
  bool byMasks() const { return isMaskProcess(settings.process); }
  bool withSupports() const { return settings.supports.kind != SupportKind::None; }
};

// Lays the paths, the beads or the masks of one layer.
Exceptions fill(Layer& layer, std::vector<Rings> masks, const Window& window, const Shared& shared) {
  Surroundings around{shared.centre, window.around(layer.index), {}};
  if (shared.withSupports()) around.supports = shared.supports.at(shared.stack.middle_mm(layer.index), layer.slice);
  if (!shared.byMasks() && !shared.byBeads()) return expose(layer, shared.settings, around);
  layer.support = std::move(around.supports.region);
  if (shared.byBeads()) {
    layBeads(layer, shared.settings.extrusion, window.coveredBy(layer.index), shared.centre);
    return {};
  }
  layer.masks = std::move(masks);
  if (!layer.support.empty()) layer.masks[0] = unitedWith(layer.masks[0], layer.support);
  return {};
}

// A run of layers; `keep` is told each of them once it is written.
void work(int first, const Shared& shared, Task& task, const std::function<void(Layer&)>& keep) {
  const int count = std::min(kRun, shared.stack.layers - first);
  const double thin_mm = thinnest_mm(shared.settings);
  const Window window(shared.slicers, shared.settings, first, count, shared.stack.layers, shared.plan.overcured_layers);
  std::vector<std::vector<Rings>> masks(static_cast<std::size_t>(count));
  if (shared.byMasks()) masks = exposedMasks(shared.plan, window.cuts, window.before);
  for (int n = 0; n < count; ++n) {
    const Outlines& cut = window.cuts[window.before + n];
    Layer layer{.index = first + n,
                .top_mm = shared.stack.top_mm(first + n),
                .height_mm = shared.stack.height_mm(first + n),
                .slice = cut.slice,
                .bodies = cut.bodies};
    layer.area_mm2 = area_mm2(layer.slice);
    if (layer.index % shared.thin_step == shared.thin_step / 2 && thin_mm > 0) {
      task.sampled_mm2 += layer.area_mm2;
      task.thin_mm2 += thinArea_mm2(layer.slice, thin_mm);
    }
    const Exceptions exceptions = fill(layer, std::move(masks[n]), window, shared);
    if (shared.byBeads()) task.gcode.push_back(gcodeLayer(shared.gcode, layer));
    task.bytes.push_back(shared.writer.encode(layer));
    task.shares.emplace_back(layer);
    task.shares.back().exceptions = exceptions;
    task.shares.back().overlapping = cut.overlapping;
    countIslands(window, shared.stack, shared.supports, shared.settings, layer.index, task.shares.back());
    keep(layer);
  }
}

}  // namespace

double Settings::spacingOf(Zone zone) const {
  const double own = zone == Zone::UpSkin ? up_skin.hatch_mm : zone == Zone::DownSkin ? down_skin.hatch_mm : 0;
  return own > 0 ? own : hatch_mm;
}

double Machine::speedOf_mm_s(Zone zone) const {
  const double own = zone_mm_s[static_cast<int>(zone)];
  return own > 0 ? own : scan_mm_s;
}

double Totals::buildTime_s(const Machine& machine) const {
  double time =
      stack.layers * machine.recoat_s + contour_length_mm / machine.scan_mm_s + jump_length_mm / machine.jump_mm_s;
  for (int zone = 0; zone < kZones; ++zone)
    time += zone_length_mm[zone] / machine.speedOf_mm_s(static_cast<Zone>(zone));
  return time;
}

double energyDensity_j_mm3(double power_w, double scan_mm_s, double hatch_mm, double layer_mm) {
  return power_w / (scan_mm_s * hatch_mm * layer_mm);
}

std::vector<Zone> zonesOf(const Settings& settings) {
  std::vector<Zone> zones;
  if (settings.up_skin.layers > 0) zones.push_back(Zone::UpSkin);
  if (settings.down_skin.layers > 0) zones.push_back(Zone::DownSkin);
  if (settings.supports.kind != SupportKind::None) zones.push_back(Zone::Support);
  return zones;
}

SupportSettings supportDefaults(const Settings& settings) {
  SupportSettings supports;
  constexpr double kMaskWall_mm = 0.2;
  if (settings.process == Process::PbfLb) supports.wall_mm = 2 * settings.contour_offset_mm;
  if (isMaskProcess(settings.process)) supports.wall_mm = kMaskWall_mm;
  if (settings.process == Process::Mex) {
    supports.wall_mm = settings.extrusion.lineWidth_mm();
    supports.gap_mm = settings.layer_mm;
  }
  return supports;
}

void requireFit(const Settings& settings) {
  const AdaptiveHeights& heights = settings.adaptive;
  if (heights.least_mm > heights.most_mm) {
    throw core::Error(core::Exit::Usage, {.what = "--least-layer-mm lies above --most-layer-mm",
                                          .expected = fmt::format("at most {:.4g}", heights.most_mm),
                                          .got = fmt::format("{:.4g}", heights.least_mm)});
  }
  if (settings.strategy == Strategy::Concentric && settings.up_skin.layers + settings.down_skin.layers > 0) {
    throw core::Error(core::Exit::Usage, {.what = "--strategy concentric has no skins",
                                          .expected = "--up-skin-layers 0 and --down-skin-layers 0",
                                          .hint = "another strategy, in which skins are hatched"});
  }
  if (settings.process == Process::Mex) requireExtrusionFit(settings);
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
  if (settings.process == Process::Mex) return 0;  // beads tell what they leave unfilled
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
  const int layers = totals.stack.layers;
  std::vector<Slicer> slicers;
  for (int body = 0; body < part.bodies(); ++body) slicers.push_back(part.slicer(totals.stack, body));
  const GcodeSettings gcode = gcodeFor(settings);
  GcodeMeter meter;
  if (settings.process == Process::Mex) meter.read(gcodeStart(gcode, totals.stack));
  std::vector<PlacedIsland> placed;
  if (settings.supports.kind != SupportKind::None) placed = findIslands(slicers, totals.stack, kIslandRows_mm);
  MaskPlan plan;
  if (isMaskProcess(settings.process)) plan = maskPlan(part, settings.process, settings.mask, totals.stack.layer_mm);
  const Shared shared{settings,
                      writer,
                      totals.stack,
                      slicers,
                      part.size_mm().head<2>() / 2,
                      plan,
                      Supports(part, placed, settings.supports),
                      gcode,
                      std::max(1, layers / kThinSamples)};
  totals.supported_area_mm2 = shared.supports.supportedArea_mm2();
  totals.support_contacts = shared.supports.contacts(), totals.supports_on_part = shared.supports.onPart();
  core::Progress progress("slice", layers);
  const auto keep = [&](Layer& layer) {
    if (layer.index == keep_layer) kept = std::move(layer);
    progress.advance();
  };
  double thin_mm2 = 0, sampled_mm2 = 0;
  for (int first = 0; first < layers; first += kRun * kBatch) {
    const int tasks = std::min(kBatch, (layers - first + kRun - 1) / kRun);
    std::vector<Task> done(static_cast<std::size_t>(tasks));
    core::parallelFor(tasks, [&](std::int64_t t) { work(first + static_cast<int>(t) * kRun, shared, done[t], keep); });
    for (Task& task : done) {
      thin_mm2 += task.thin_mm2, sampled_mm2 += task.sampled_mm2;
      for (const std::string& text : task.gcode) meter.read(text);
      for (const std::string& bytes : task.bytes) writer.append(bytes);
      for (const Share& share : task.shares) add(totals, share);
    }
  }
  totals.thin_share = sampled_mm2 > 0 ? thin_mm2 / sampled_mm2 : 0;
  if (settings.process == Process::Mex) {
    meter.read(gcodeEnd(gcode));
    totals.extrusion.gcode = meter.finish();
  }
  writer.finish();
  return totals;
}

}  // namespace osteo::slice_print
