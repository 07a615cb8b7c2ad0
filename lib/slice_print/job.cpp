#include "slice_print/job.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/progress.h"
#include "slice_print/contour.h"
#include "slice_print/exposure.h"

namespace osteo::slice_print {

namespace {

constexpr int kRun = 16;    // layers sliced by one task, so that neighbours share what they read
constexpr int kBatch = 16;  // tasks between two calls of the writer
constexpr int kThinSamples = 20;
constexpr double kIslandRows_mm = 0.05;  // on which regions without anything below are told
constexpr double kTouchRows_mm = 0.02;   // and whether a support reaches them

// What one layer adds to the sums.
struct Share {
  double area_mm2 = 0, contour_length_mm = 0, hatch_length_mm = 0, jump_length_mm = 0, support_mm2 = 0;
  std::array<double, kZones> zone_length_mm = {};
  std::array<std::size_t, kZones> zone_lines = {};
  std::size_t contour_loops = 0, slice_loops = 0, islands = 0, unsupported = 0;
  Exceptions exceptions = {};
  Share(const Layer& layer, const Exceptions& exceptions)
      : area_mm2(layer.area_mm2),
        contour_length_mm(layer.contour_length_mm),
        hatch_length_mm(layer.hatch_length_mm),
        jump_length_mm(layer.jump_length_mm),
        support_mm2(slice_print::area_mm2(layer.support)),
        zone_length_mm(layer.zone_length_mm),
        contour_loops(layer.contours.size() - layer.fill_contours),
        slice_loops(layer.slice.size()),
        exceptions(exceptions) {
    zone_lines[0] = layer.fill_contours;
    forEachRun(layer, [this](Zone zone, std::size_t first, std::size_t end) {
      zone_lines[static_cast<int>(zone)] += end - first;
    });
  }
};

void add(Totals& totals, const Share& share) {
  totals.sliced_volume_mm3 += share.area_mm2 * totals.stack.layer_mm;
  totals.support_volume_mm3 += share.support_mm2 * totals.stack.layer_mm;
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
}

// Layers that wait for their turn to be written: only their bytes are held.
struct Task {
  std::vector<Share> shares;
  std::vector<std::string> bytes;
  double thin_mm2 = 0, sampled_mm2 = 0;
};

// Slices of a run of layers and of those around it that skins and islands ask for.
class Window {
 public:
  Window(const Slicer& slicer, const Stack& stack, const Settings& settings, int first, int last)
      : settings_(settings), layers_(stack.layers), from_(std::max(0, first - std::max(1, settings.down_skin.layers))) {
    const int to = std::min(stack.layers, last + settings.up_skin.layers);
    slices_.resize(static_cast<std::size_t>(to - from_));
    slicer(from_, to, slices_.data());
  }

  const Rings& at(int layer) const {
    static const Rings none;
    return layer < from_ || layer >= layers_ ? none : slices_[static_cast<std::size_t>(layer - from_)];
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
  int layers_, from_;
  std::vector<Rings> slices_;
};

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

Totals run(const Part& part, const Settings& settings, const JobWriter& writer, int keep_layer, Layer& kept) {
  Totals totals;
  totals.stack = stackOver(part.size_mm().z(), settings.layer_mm);
  const int layers = totals.stack.layers, thin_step = std::max(1, layers / kThinSamples);
  const Slicer slicer = part.slicer(totals.stack);
  const Point centre = part.size_mm().head<2>() / 2;
  std::vector<PlacedIsland> placed;
  if (settings.supports.kind != SupportKind::None) placed = findIslands(slicer, totals.stack, kIslandRows_mm);
  const Supports supports(part, placed, settings.supports);
  totals.supported_area_mm2 = supports.supportedArea_mm2();
  totals.support_contacts = supports.contacts(), totals.supports_on_part = supports.onPart();
  core::Progress progress("slice", layers);
  const auto work = [&](int first, Task& task) {
    const int count = std::min(kRun, layers - first);
    const Window window(slicer, totals.stack, settings, first, first + count);
    for (int n = 0; n < count; ++n) {
      Layer layer{.index = first + n, .top_mm = totals.stack.top_mm(first + n), .slice = window.at(first + n)};
      layer.area_mm2 = area_mm2(layer.slice);
      if (layer.index % thin_step == thin_step / 2 && settings.contour_offset_mm > 0) {
        task.sampled_mm2 += layer.area_mm2;
        task.thin_mm2 += thinArea_mm2(layer.slice, 2 * settings.contour_offset_mm);
      }
      Surroundings around{centre, window.around(layer.index), {}};
      if (settings.supports.kind != SupportKind::None)
        around.supports = supports.at(totals.stack.middle_mm(layer.index), layer.slice);
      const Exceptions exceptions = expose(layer, settings, around);
      task.bytes.push_back(writer.encode(layer));
      task.shares.emplace_back(layer, exceptions);
      countIslands(window, totals.stack, supports, settings, layer.index, task.shares.back());
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
