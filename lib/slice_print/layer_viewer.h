#pragma once
#include <string>

#include "slice_print/job.h"

namespace osteo::slice_print {

/// What layers show in the viewer, by the file's numbers.
enum class Shown : unsigned char {
  Slice,
  Body,
  Mask,
  Support,
  Contour,
  Core,
  UpSkin,
  DownSkin,
  SupportHatch,
  Perimeter,
  ThinWall,
  Infill,
  SupportBead,
  Skirt
};

/// Writes one self-contained HTML page beside what `writer` writes: a slider over the layers, their outlines, masks,
/// contours and hatches in colours by kind, and a table. Every second, fourth … layer is left out, and the page says
/// so, where it would become larger than 30 MB.
JobWriter withViewer(const JobWriter& writer, const std::string& path, const Part& part, const Stack& stack);

/// One layer as the page's script reads it, before base64: records of kind (u8), form (u8: 0 rings, 1 open line, 2
/// segments, 3 bead), number of points (u32) and points (u16 pairs, in 65535ths of `extent_mm`; of beads with the width
/// as a third); little endian.
std::string viewerLayer(const Layer& layer, double extent_mm);

}  // namespace osteo::slice_print
