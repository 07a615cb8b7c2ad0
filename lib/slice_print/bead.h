#pragma once
#include <Eigen/Core>
#include <vector>

namespace osteo::slice_print {

enum class BeadKind { OuterPerimeter, InnerPerimeter, ThinWall, Infill, Support, Skirt };
const char* nameOf(BeadKind kind);

/// A point of a bead's centre line and the bead's width there, mm.
struct BeadPoint {
  Eigen::Vector2d at = Eigen::Vector2d::Zero();
  double width_mm = 0;
};

/// An extruded line whose width changes linearly between its points; a closed one does not repeat the first point.
struct Bead {
  BeadKind kind = BeadKind::Infill;
  bool closed = false;
  std::vector<BeadPoint> points = {};
};

/// A bead is a rectangle with semicircular ends: its cross-section h(w − h) + πh²/4 is that of a plain rectangle
/// (height h) narrower than the bead by h(1 − π/4). That rectangle's width is the distance at which beads fill a region
/// without gap or excess.
double spacingOf_mm(double width_mm, double height_mm);
double widthOf_mm(double spacing_mm, double height_mm);

double length_mm(const Bead& bead);
/// Volume over height: length × spacing.
double filledArea_mm2(const Bead& bead, double height_mm);
/// Widens all beads so that they fill `factor` times the area.
void scaleSpacing(std::vector<Bead>& beads, double factor, double height_mm);

/// Drops points whose absence moves the line by less than the tolerance and the width by less than four times that
/// (Douglas, Peucker 1973, in the space of place and width).
Bead simplified(const Bead& bead, double tolerance_mm);

}  // namespace osteo::slice_print
