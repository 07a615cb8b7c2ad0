#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "slice_print/gcode.h"

namespace osteo::slice_print {

namespace {

constexpr double kFeedUnit = 1e5;  // steps of E per mm as they are written
constexpr double kLift_mm = 5;     // after the last layer

// The names that viewers of G-code know (Cura's).
const char* typeOf(BeadKind kind) {
  switch (kind) {
    case BeadKind::OuterPerimeter:
      return "WALL-OUTER";
    case BeadKind::InnerPerimeter:
    case BeadKind::ThinWall:
      return "WALL-INNER";
    case BeadKind::Infill:
      return "FILL";
    case BeadKind::Support:
      return "SUPPORT";
    case BeadKind::Skirt:
      return "SKIRT";
  }
  return "FILL";
}

class LayerText {
 public:
  LayerText(const GcodeSettings& settings, const Layer& layer) : settings_(settings), layer_(layer) {
    put(";LAYER:{}\n;HEIGHT:{:.4f}\n", layer.index, layer.height_mm);
    if (layer.index == 1 && settings.fan_percent > 0) put("M106 S{:.0f}\n", settings.fan_percent * 2.55);
    put("G0 Z{:.4f} F{:.0f}\n", layer.top_mm, 60 * settings.travel_speed_mm_s);
  }

  void add(const Bead& bead) {
    const Point start = bead.points.front().at;
    const bool far = (start - at_).norm() > settings_.least_retract_travel_mm;
    if (flowing_ && (far || settings_.feed == Feed::Pressure)) stop();
    put("G0 X{:.3f} Y{:.3f} F{:.0f}\n", x(start), y(start), 60 * settings_.travel_speed_mm_s);
    speed_ = 0, at_ = start;
    if (bead.kind != kind_ || first_) put(";TYPE:{}\n", typeOf(bead.kind));
    kind_ = bead.kind, first_ = false;
    if (!flowing_) flow();
    const std::size_t n = bead.points.size();
    for (std::size_t i = 1; i < n + (bead.closed ? 1 : 0); ++i) segment(bead.points[i - 1], bead.points[i % n]);
  }

  std::string take() {
    if (flowing_) stop();
    return std::move(text_);
  }

 private:
  template <class... Arguments>
  void put(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
  }
  double x(const Point& p) const { return p.x() + settings_.place_mm.x(); }
  double y(const Point& p) const { return p.y() + settings_.place_mm.y(); }

  void flow() {
    if (settings_.feed == Feed::Pressure) put("M126 S255\n");
    if (settings_.feed != Feed::Pressure && settings_.retract_mm > 0)
      put("G1 E{:.5f} F{:.0f}\n", settings_.retract_mm, 60 * settings_.retract_speed_mm_s);
    flowing_ = true, speed_ = 0;
  }
  void stop() {
    if (settings_.feed == Feed::Pressure) put("M127\n");
    if (settings_.feed != Feed::Pressure && settings_.retract_mm > 0)
      put("G1 E-{:.5f} F{:.0f}\n", settings_.retract_mm, 60 * settings_.retract_speed_mm_s);
    flowing_ = false, speed_ = 0;
  }

  double speedOf(BeadKind kind, double area_mm2) const {
    double speed = settings_.print_speed_mm_s;
    if (kind == BeadKind::OuterPerimeter) speed = settings_.outer_speed_mm_s;
    if (kind == BeadKind::Infill) speed = settings_.infill_speed_mm_s;
    if (layer_.index == 0) speed = std::min(speed, settings_.first_layer_speed_mm_s);
    if (settings_.feed == Feed::Pressure) return settings_.print_speed_mm_s * settings_.usual_area_mm2 / area_mm2;
    return std::min(speed, settings_.most_flow_mm3_s / area_mm2);
  }

  void segment(const BeadPoint& a, const BeadPoint& b) {
    const double area = spacingOf_mm((a.width_mm + b.width_mm) / 2, layer_.height_mm) * layer_.height_mm;
    const double speed = std::round(60 * speedOf(kind_, area));
    put("G1 X{:.3f} Y{:.3f}", x(b.at), y(b.at));
    if (settings_.feed != Feed::Pressure) {
      owed_ += (b.at - a.at).norm() * area * feedPerVolume_mm2(settings_) * kFeedUnit;
      const double paid = std::round(owed_);  // what rounding leaves goes to the next move
      owed_ -= paid;
      put(" E{:.5f}", paid / kFeedUnit);
    }
    if (speed != speed_) put(" F{:.0f}", speed);
    text_ += '\n';
    speed_ = speed, at_ = b.at;
  }

  const GcodeSettings& settings_;
  const Layer& layer_;
  std::string text_;
  Point at_ = Point::Constant(1e9);
  BeadKind kind_ = BeadKind::Infill;
  bool first_ = true, flowing_ = false;
  double owed_ = 0, speed_ = 0;
};

void appendLines(std::string& text, const std::string& lines) {
  if (lines.empty()) return;
  text += lines;
  if (lines.back() != '\n') text += '\n';
}

}  // namespace

double feedPerVolume_mm2(const GcodeSettings& settings) {
  return settings.feed == Feed::Pressure ? 0 : 4 / (M_PI * settings.feed_diameter_mm * settings.feed_diameter_mm);
}

std::string gcodeStart(const GcodeSettings& settings, const Stack& stack) {
  std::string text = fmt::format(";FLAVOR:Marlin\n;osteoforge slice-print\n;LAYER_COUNT:{}\n", stack.layers);
  if (settings.feed == Feed::Pressure) text += fmt::format(";PRESSURE_KPA:{:.3f}\n", settings.pressure_kpa);
  if (settings.bed_c > 0) text += fmt::format("M140 S{:.0f}\n", settings.bed_c);
  if (settings.nozzle_c > 0) text += fmt::format("M104 S{:.0f}\n", settings.nozzle_c);
  if (settings.bed_c > 0) text += fmt::format("M190 S{:.0f}\n", settings.bed_c);
  if (settings.nozzle_c > 0) text += fmt::format("M109 S{:.0f}\n", settings.nozzle_c);
  appendLines(text, settings.start);
  text += "G21\nG90\n";
  if (settings.feed != Feed::Pressure) text += "M83\n";
  text += fmt::format("M204 P{0:.0f} T{0:.0f}\nM107\n", settings.acceleration_mm_s2);
  if (settings.feed != Feed::Pressure && settings.retract_mm > 0)
    text += fmt::format("G1 E-{:.5f} F{:.0f}\n", settings.retract_mm, 60 * settings.retract_speed_mm_s);
  return text;
}

std::string gcodeLayer(const GcodeSettings& settings, const Layer& layer) {
  LayerText text(settings, layer);
  for (const Bead& bead : layer.beads) text.add(bead);
  return text.take();
}

std::string gcodeEnd(const GcodeSettings& settings) {
  std::string text = fmt::format("G91\nG0 Z{:.0f}\nG90\nM107\n", kLift_mm);
  if (settings.nozzle_c > 0) text += "M104 S0\n";
  if (settings.bed_c > 0) text += "M140 S0\n";
  appendLines(text, settings.end);
  return text;
}

}  // namespace osteo::slice_print
