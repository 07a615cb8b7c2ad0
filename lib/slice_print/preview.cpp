#include "slice_print/preview.h"

#include <fmt/format.h>

#include <algorithm>

#include "picture/render.h"

namespace osteo::slice_print {

namespace {

constexpr int kPanel_px = 640;
constexpr double kStepsShown = 45, kBeadsShown = 18;  // side by side, in the enlarged panel
constexpr picture::Color kSolid = {222, 222, 222}, kContour = {31, 78, 156}, kHatch = {217, 84, 26},
                         kMask = {120, 150, 220}, kFrame = {20, 20, 20}, kSupport = {199, 224, 244};
constexpr picture::Color kZoneColors[kZones] = {kHatch, {27, 120, 55}, {123, 50, 148}, {77, 77, 77}};

struct Window {
  Point centre;
  double extent_mm;  // width and height of the square
  Eigen::Vector2d toPixels(const Point& p) const {
    const Point q = (p - centre) / extent_mm;
    return {(q.x() + 0.5) * kPanel_px, (0.5 - q.y()) * kPanel_px};
  }
};

// By kind: outer and inner perimeters, thin walls, infill, supports, skirts.
constexpr picture::Color kBeadColors[] = {{70, 130, 200},  {140, 180, 225}, {217, 84, 26},
                                          {240, 190, 110}, {150, 190, 150}, {190, 190, 190}};

// Every bead in its true width, from point to point, and its centre line over it.
void drawBeads(picture::Canvas& canvas, const Layer& layer, const Window& window, bool lines) {
  const double px_per_mm = kPanel_px / window.extent_mm;
  for (const Bead& bead : layer.beads) {
    const std::size_t n = bead.points.size();
    const auto forEachPiece = [&](const auto& draw) {
      for (std::size_t i = 0; i + (bead.closed ? 0 : 1) < n; ++i) draw(bead.points[i], bead.points[(i + 1) % n]);
    };
    forEachPiece([&](const BeadPoint& a, const BeadPoint& b) {
      const double width = spacingOf_mm((a.width_mm + b.width_mm) / 2, layer.height_mm);
      canvas.line(window.toPixels(a.at), window.toPixels(b.at), kBeadColors[static_cast<int>(bead.kind)],
                  std::max(1.0, width * px_per_mm));
    });
    if (!lines) continue;
    forEachPiece([&](const BeadPoint& a, const BeadPoint& b) {
      canvas.line(window.toPixels(a.at), window.toPixels(b.at), kFrame, 1);
    });
  }
}

std::vector<std::vector<Eigen::Vector2d> > inPixels(const Rings& rings, const Window& window) {
  std::vector<std::vector<Eigen::Vector2d> > outline;
  for (const Ring& ring : rings) {
    outline.emplace_back();
    for (const Point& p : ring) outline.back().push_back(window.toPixels(p));
  }
  return outline;
}

picture::Canvas drawLayer(const Layer& layer, const Window& window, double line_px) {
  picture::Canvas canvas(kPanel_px, kPanel_px);
  canvas.polygon(inPixels(layer.slice, window), kSolid);
  double shade = 1;
  for (const Rings& mask : layer.masks) {
    const auto tint = [&](int channel) { return static_cast<std::uint8_t>(kMask[channel] * shade); };
    canvas.polygon(inPixels(mask, window), {tint(0), tint(1), tint(2)});
    shade *= 0.75;
  }
  canvas.polygon(inPixels(layer.support, window), kSupport);
  drawBeads(canvas, layer, window, line_px > 2);
  forEachRun(layer, [&](Zone zone, std::size_t first, std::size_t end) {
    for (std::size_t n = first; n < end; ++n) {
      const Segment& hatch = layer.hatches[n];
      canvas.line(window.toPixels(hatch.a), window.toPixels(hatch.b), kZoneColors[static_cast<int>(zone)], line_px);
    }
  });
  for (const Ring& ring : layer.contours) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      canvas.line(window.toPixels(ring[i]), window.toPixels(ring[(i + 1) % ring.size()]), kContour, line_px);
    }
  }
  return canvas;
}

void drawFrame(picture::Canvas& canvas, const Window& window, const Window& shown) {
  const double half = shown.extent_mm / 2;
  const Point corners[] = {{-half, -half}, {half, -half}, {half, half}, {-half, half}};
  for (int i = 0; i < 4; ++i) {
    canvas.line(window.toPixels(shown.centre + corners[i]), window.toPixels(shown.centre + corners[(i + 1) % 4]),
                kFrame, 1.5);
  }
}

void drawScale(picture::Canvas& canvas, const Window& window) {
  double bar_mm = 0.01;
  while (bar_mm * 10 < window.extent_mm / 1.5) bar_mm *= 10;
  const double length_px = bar_mm / window.extent_mm * kPanel_px, y = kPanel_px - 14;
  const double right = std::max(length_px, 90.0) + 20, top = kPanel_px - 42;
  canvas.polygon({{{4, top}, {right, top}, {right, kPanel_px - 6}, {4, kPanel_px - 6}}}, {255, 255, 255}, 0.85);
  canvas.line({12, y}, {12 + length_px, y}, kFrame, 3);
  canvas.text(12, kPanel_px - 34, fmt::format("{} mm", bar_mm), kFrame, 2);
}

// Where there is something to see: around the middle stroke, in scan order, of a layer's hatches.
Window closeUp(const Layer& layer, const Settings& settings, const Window& whole) {
  const bool by_beads = settings.process == Process::Mex;
  const double step_mm = isMaskProcess(settings.process) ? settings.mask.pixel_mm : settings.hatch_mm;
  const double shown_mm = by_beads ? kBeadsShown * settings.extrusion.lineWidth_mm() : kStepsShown * step_mm;
  const double extent = std::min(shown_mm, whole.extent_mm);
  Point centre = whole.centre;
  double nearest = 1e300;
  for (const Segment& hatch : layer.hatches) {
    const Point middle = (hatch.a + hatch.b) / 2;
    const double distance = (middle - whole.centre).squaredNorm();
    if (distance < nearest) nearest = distance, centre = middle;
  }
  for (const Bead& bead : layer.beads) {
    const Point at = bead.points[bead.points.size() / 2].at;
    if ((at - whole.centre).squaredNorm() < nearest) nearest = (at - whole.centre).squaredNorm(), centre = at;
  }
  for (const Ring& ring : layer.masks.empty() ? Rings{} : layer.masks[0]) {
    for (const Point& p : ring) {
      if ((p - whole.centre).squaredNorm() < nearest) nearest = (p - whole.centre).squaredNorm(), centre = p;
    }
  }
  if (nearest == 1e300 && !layer.slice.empty()) centre = layer.slice[0][0];
  if (layer.hatches.empty() && !layer.contours.empty()) centre = layer.contours[0][0];
  return {centre, extent};
}

// Drawn in LPS, where the picture's axes are true, with the build direction upwards.
picture::Canvas drawPart(const Layer& layer, mesh::TriangleMesh mesh, const Part& part) {
  const Eigen::Vector3d& size = part.size_mm();
  const double z = layer.top_mm - layer.height_mm / 2, margin = 0.06 * size.head<2>().maxCoeff();
  const double x0 = -margin, x1 = size.x() + margin, y0 = -margin, y1 = size.y() + margin;
  mesh::TriangleMesh plane{{{x0, y0, z}, {x1, y0, z}, {x1, y1, z}, {x0, y1, z}}, {{0, 1, 2}, {0, 2, 3}}};
  const Eigen::Matrix3d lps_from_machine = part.machineFromLps().topLeftCorner<3, 3>().transpose();
  const Eigen::Vector3d shift = part.machineFromLps().topRightCorner<3, 1>();
  for (mesh::TriangleMesh* m : {&mesh, &plane}) {
    for (Eigen::Vector3d& v : m->vertices) v = lps_from_machine * (v - shift);
  }
  picture::View view;
  view.width_px = view.height_px = kPanel_px;
  view.from = lps_from_machine * Eigen::Vector3d(-0.6, -1.0, 0.7);
  view.up = lps_from_machine.col(2);
  return picture::render({{.mesh = &mesh}, {.mesh = &plane, .color = kHatch, .opacity = 0.35}}, view);
}

}  // namespace

picture::Canvas preview(const Layer& layer, const mesh::TriangleMesh& mesh, const Part& part,
                        const Settings& settings) {
  const Point size = part.size_mm().head<2>();
  const Window whole{size / 2, 1.04 * size.maxCoeff()};
  const Window near = closeUp(layer, settings, whole);
  picture::Canvas all = drawLayer(layer, whole, 1.0), close = drawLayer(layer, near, 2.5);
  drawFrame(all, whole, near);
  drawScale(all, whole);
  drawScale(close, near);
  return picture::tile(
      {all, close, drawPart(layer, mesh, part)},
      {fmt::format("layer {}, top at {:.3f} mm", layer.index + 1, layer.top_mm),
       settings.process == Process::Mex
           ? fmt::format("enlarged, beads {:.3g} mm wide", settings.extrusion.lineWidth_mm())
       : isMaskProcess(settings.process) ? fmt::format("enlarged 45 pixels of {} mm", settings.mask.pixel_mm)
                                         : fmt::format("enlarged, hatches {} mm apart", settings.hatch_mm),
       fmt::format("{:.2f} x {:.2f} x {:.2f} mm", part.size_mm().x(), part.size_mm().y(), part.size_mm().z())},
      3);
}

}  // namespace osteo::slice_print
