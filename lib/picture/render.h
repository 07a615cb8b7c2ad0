#pragma once
#include <optional>
#include <vector>

#include "image/volume.h"
#include "mesh/triangle_mesh.h"
#include "picture/canvas.h"

namespace osteo::picture {

/// One mesh of a scene; with `scalars` (one per vertex) it is coloured from the map over [low, high].
struct Actor {
  const mesh::TriangleMesh* mesh = nullptr;
  Color color = {230, 220, 200};
  double opacity = 1.0;  ///< below 1: blended over what lies behind
  std::vector<float> scalars = {};
  double low = 0.0, high = 1.0;
};

/// An orthographic view of the scene; the camera looks along -`from` (a direction from the centre to the eye, LPS).
struct View {
  Eigen::Vector3d from = {-0.6, -1.0, 0.35};
  Eigen::Vector3d up = {0, 0, 1};
  int width_px = 800, height_px = 600;
  std::optional<Eigen::Vector4d> clip =
      {};  ///< keeps points with n·x + d <= 0; cut faces show back sides in a darker colour
  std::optional<Eigen::Vector3d> focus_mm = {};  ///< centre; default: the scene's box
  double extent_mm = 0;                          ///< visible height; 0: fits the scene
  std::string caption = {};
  std::string scalar_title = {};  ///< non-empty: a colour bar with this title (name and unit)
};

/// Z-buffered, smooth-shaded, 2×2 super-sampled; a scale bar in mm in the corner. The same input gives the same bytes.
Canvas render(const std::vector<Actor>& actors, const View& view);

/// Perceptually ordered map (viridis-like) of t in [0, 1].
Color colorMap(double t);
/// The toolkit's colour of a label value.
Color labelColor(int label);

/// The index axis of a volume that runs along a world axis (0 x, 1 y, 2 z), forwards or backwards.
int indexAxis(const image::Frame& frame, int world_axis);

/// One slice in grey between window_low and window_high HU with label outlines or fills, across world axis 0 x, 1 y, 2
/// z; `index` counts along that axis' indexAxis(). Anatomical convention: left of the patient on the right of the
/// picture, superior up.
Canvas renderSlice(const image::CtVolume& ct, const image::LabelVolume* labels, int axis, int index, double window_low,
                   double window_high, int height_px = 480);

/// Line plot of one or several series with axes.
struct Series {
  std::string name;
  std::vector<double> x, y;
};
Canvas plot(const std::vector<Series>& series, const std::string& x_title, const std::string& y_title,
            int width_px = 640, int height_px = 400);

}  // namespace osteo::picture
