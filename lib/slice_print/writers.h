#pragma once
#include <string>

#include "slice_print/cli_file.h"
#include "slice_print/job.h"

namespace osteo::slice_print {

/// What the formats need to know before the first layer.
struct JobHead {
  const Part* part = nullptr;
  Stack stack;
  CliEncoding encoding = CliEncoding::Binary;
  double pixel_mm = 0.05;              ///< of PNG masks
  int visible_layer = 0;               ///< of the SVG, which holds all of them
  const Settings* settings = nullptr;  ///< of the processes that print masks or beads; null for others
  std::vector<Zone> zones = {};        ///< that hatches may belong to beside the core
};

/// Common Layer Interface 2.0: contours and hatches.
JobWriter cliWriter(const std::string& path, const JobHead& head);
/// G-code of material extrusion (gcode.h).
JobWriter gcodeWriter(const std::string& path, const JobHead& head);
/// One <g> per layer with outline, contours and hatches, in mm; all but one are hidden.
JobWriter svgWriter(const std::string& path, const JobHead& head);
/// layer_00001.png … in an existing folder: 8-bit masks of the outlines, grey by covered area; the upper left pixel
/// lies at machine x = 0 and the largest y. Without clock. Of processes that print masks what they expose, material
/// jetting in a folder for each material, and beside them job.json (manifest.h).
JobWriter pngWriter(const std::string& folder, const JobHead& head);
/// 3MF with the outlines as a slice stack (slice extension 1.0) beside the full mesh, for each body with its base
/// material. Times in the package are fixed.
JobWriter threeMfWriter(const std::string& path, const JobHead& head);
/// AMF of the bodies in the machine frame, each a volume with its material; layers are only counted.
JobWriter amfWriter(const std::string& path, const JobHead& head);
/// Binary STL of the part in the machine frame; layers are only counted.
JobWriter stlWriter(const std::string& path, const JobHead& head);
/// Whichever of them a file's ending names.
JobWriter fileWriter(const std::string& path, const JobHead& head);

/// Coverage of the pixels of an outline's mask by the even-odd rule, 0 … 255, row 0 at the top.
std::vector<std::uint8_t> mask(const Rings& rings, const Eigen::Vector2i& size_px, double pixel_mm);
Eigen::Vector2i maskSize_px(const Eigen::Vector3d& part_size_mm, double pixel_mm);

}  // namespace osteo::slice_print
