#include "image/io.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "image/header.h"
#include "image/resample.h"

namespace osteo::image {
namespace {

void tellRemarks(const Header& header) {
  for (const auto& remark : header.remarks) core::warn(core::baseName(header.path) + ": " + remark);
}

/// Segment names by label value from Slicer's keys; overlapping layers can't be held by one volume.
std::map<int, std::string> segmentNames(const Header& header) {
  std::map<int, std::string> names;
  for (const auto& [key, name] : header.keys) {
    const auto end = key.rfind("_Name");
    if (key.rfind("Segment", 0) != 0 || end == std::string::npos || end + 5 != key.size()) continue;
    const auto value = header.keys.find(key.substr(0, end) + "_LabelValue");
    const int label = value == header.keys.end() ? 1 : std::atoi(value->second.c_str());
    if (label > 0 && label <= 65535) names[label] = name;
  }
  return names;
}

}  // namespace

VolumeInfo readInfo(const std::string& path) {
  const Header header = readHeader(path);
  return {orthonormalFrame(header), nameOf(header.component), header.dimension, header.channels, header.keys};
}

CtVolume readVolume(const std::string& path) {
  const Frame frame = readInfo(path).frame;
  return readVolume(path, Box{Eigen::Vector3i::Zero(), frame.size});
}

CtVolume readVolume(const std::string& path, const Box& part) {
  const Header header = readHeader(path);
  if (header.size.minCoeff() < 2)
    throw core::Error(core::Exit::DataError,
                      {.what = "not a three-dimensional volume",
                       .file = path,
                       .expected = "at least 2 voxels along each axis",
                       .got = fmt::format("{} × {} × {}", header.size[0], header.size[1], header.size[2])});
  CtVolume volume;
  volume.frame = strictFrame(header);
  volume.frame.origin_mm = volume.frame.toWorld(part.low.cast<double>());
  volume.frame.size = part.size;
  volume.voxels = decodeFloat(header, &part);
  tellRemarks(header);
  return volume;
}

Segmentation readSegmentation(const std::string& path) {
  const Header header = readHeader(path);
  Segmentation segmentation;
  segmentation.labels.frame = strictFrame(header);
  segmentation.labels.voxels = decodeLabels(header);
  segmentation.names = segmentNames(header);
  tellRemarks(header);
  return segmentation;
}

}  // namespace osteo::image
