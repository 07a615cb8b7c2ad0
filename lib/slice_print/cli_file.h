#pragma once
#include <map>
#include <string>

#include "slice_print/layer.h"

namespace osteo::slice_print {

enum class CliEncoding { Ascii, Binary };

/// A run of points in a layer of a CLI file, mm.
struct CliPolyline {
  int id = 0;
  int direction = 0;  ///< 0 clockwise (a hole), 1 counter-clockwise, 2 open
  Ring points;        ///< as in the file: closed ones repeat the first point at the end
};

struct CliLayer {
  double top_mm = 0;
  std::vector<CliPolyline> polylines = {};
  std::vector<Segment> hatches = {};
  std::vector<int> hatch_ids = {};  ///< the model that each hatch belongs to
};

/// What a Common Layer Interface file holds, in mm.
struct CliJob {
  CliEncoding encoding = CliEncoding::Binary;
  double unit_mm = 1;
  int version = 200;
  std::string date;
  Eigen::Vector3d min_mm = Eigen::Vector3d::Zero(), max_mm = Eigen::Vector3d::Zero();  ///< $$DIMENSION
  std::map<int, std::string> labels;                                                   ///< $$LABEL: names of models
  std::vector<CliLayer> layers;
};

/// Id of the model that the hatches of a zone are written as: 1 for the core (and all contours), then one each.
int cliModel(Zone zone);
/// Header of version 2.0 up to and with $$HEADEREND: millimetres, a fixed date, a label for the part (model 1) and for
/// each other zone that is named.
std::string cliHeader(CliEncoding encoding, const Eigen::Vector3d& size_mm, int layers,
                      const std::vector<Zone>& zones = {});
/// One layer: its contours, then its hatches, a block for each run of one zone. Binary: 127 (layer), 130 (polyline),
/// 132 (hatches), little endian, float32.
std::string cliLayer(CliEncoding encoding, const Layer& layer);
std::string cliEnd(CliEncoding encoding);

/// Reads both encodings, also short binary commands (128, 129, 131) and $$ALIGN. Throws NoInput; DataError for
/// truncated or contradictory files, NaN, and for other layer counts than the header promises.
CliJob readCli(const std::string& path);

}  // namespace osteo::slice_print
