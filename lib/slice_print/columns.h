#pragma once
#include <span>

#include "mesh/triangle_mesh.h"
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// A stretch of a column that is solid, mm above the plate.
struct Stretch {
  float low = 0, high = 0;
  float cosine = 0;  ///< of the underside's normal to −z: 1 faces straight down
};

/// A part as seen along vertical lines in a square grid (dexels, van Hook 1986): cost follows the surface, not the
/// number of layers. Triangles share their edges' decisions, so that the stretches of a closed mesh are whole.
class Columns {
 public:
  /// Lines in the middle of cells of `pitch_mm` from (0,0). Throws DataError above 2^24 cells.
  Columns(const mesh::TriangleMesh& mesh, double pitch_mm);

  double pitch_mm() const { return pitch_; }
  int nx() const { return nx_; }
  int ny() const { return ny_; }
  Point at(int i, int j) const { return {(i + 0.5) * pitch_, (j + 0.5) * pitch_}; }
  /// Cell of a place, moved into the grid.
  std::pair<int, int> cellOf(const Point& p) const;
  /// Stretch stretches from below, none touching another; empty outside the grid.
  std::span<const Stretch> solids(int i, int j) const;
  /// Number of a stretch among all of them.
  std::size_t indexOf(int i, int j, std::size_t n) const { return start_[cell(i, j)] + n; }
  std::size_t solidCount() const { return solids_.size(); }
  /// Whether a disc is free of the part between two heights, as far as the grid sees.
  bool isFree(const Point& centre, double radius_mm, double low_mm, double high_mm) const;
  /// Upper end of the highest solid stretch below a height; 0 (the plate) when there is none.
  double floorBelow(const Point& p, double z_mm) const;

 private:
  std::size_t cell(int i, int j) const { return static_cast<std::size_t>(j) * nx_ + i; }
  double pitch_;
  int nx_ = 0, ny_ = 0;
  std::vector<std::size_t> start_;
  std::vector<Stretch> solids_;
};

}  // namespace osteo::slice_print
