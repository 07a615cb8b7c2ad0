#include "inspect/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "image/volume.h"
#include "inspect/kind.h"
#include "inspect/parse.h"
#include "levelset/grid.h"
#include "levelset/level_set.h"
#include "mesh/io.h"
#include "mesh/measures.h"

using nlohmann::ordered_json;

namespace osteo::inspect {
namespace {

ordered_json list(const Eigen::Vector3d& v) { return {v[0], v[1], v[2]}; }
ordered_json list(const Eigen::Vector3i& v) { return {v[0], v[1], v[2]}; }

ordered_json frameOf(const std::string& frame_id) {
  return {{"space", "LPS"}, {"frame_id", frame_id.empty() ? ordered_json() : ordered_json(frame_id)}};
}

void addBox(ordered_json& frame, const Eigen::Vector3d& min, const Eigen::Vector3d& max) {
  frame["min_mm"] = list(min);
  frame["max_mm"] = list(max);
}

ordered_json frameOf(const image::Frame& f) {
  ordered_json frame = frameOf(f.frame_id);
  frame["size_voxels"] = list(f.size);
  frame["spacing_mm"] = list(f.spacing_mm);
  frame["origin_mm"] = list(f.origin_mm);
  if (!f.direction.isIdentity(1e-9))
    for (int axis = 0; axis < 3; ++axis) frame["directions"].push_back(list(Eigen::Vector3d(f.direction.col(axis))));
  return frame;
}

ordered_json greyStatistics(std::vector<float> values) {
  double sum = 0, squares = 0;
  for (const float v : values) sum += v;
  const double n = static_cast<double>(values.size()), mean = sum / n;
  for (const float v : values) squares += (v - mean) * (v - mean);
  const auto percentile = [&](double p) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::lround(p / 100 * (n - 1)));
    std::nth_element(values.begin(), at, values.end());
    return *at;
  };
  ordered_json result = {{"mean_hu", mean}, {"sd_hu", std::sqrt(squares / n)}};
  for (const auto& [name, p] :
       {std::pair{"min_hu", 0.0}, {"p1_hu", 1.0}, {"median_hu", 50.0}, {"p99_hu", 99.0}, {"max_hu", 100.0}})
    result[name] = percentile(p);
  return result;
}

void describeVolume(const std::string& path, Kind kind, ordered_json& out) {
  const image::VolumeInfo info = image::readInfo(path);
  out["frame"] = frameOf(info.frame);
  ordered_json& statistics = out["statistics"];
  statistics["voxel_type"] = info.component;
  if (kind == Kind::Channels)
    statistics["channels"] = info.channels;
  else
    statistics.update(greyStatistics(image::readVolume(path).voxels));
  if (!info.keys.empty()) statistics["keys"] = info.keys;
}

void describeLabels(const std::string& path, ordered_json& out) {
  const image::Segmentation segmentation = image::readSegmentation(path);
  const image::Frame& frame = segmentation.labels.frame;
  struct Extent {
    std::int64_t voxels = 0;
    Eigen::Vector3i low = Eigen::Vector3i::Constant(1 << 30), high = Eigen::Vector3i::Constant(-1);
  };
  std::vector<Extent> extents(65536);
  const auto* voxel = segmentation.labels.voxels.data();
  for (int k = 0; k < frame.size[2]; ++k)
    for (int j = 0; j < frame.size[1]; ++j)
      for (int i = 0; i < frame.size[0]; ++i, ++voxel) {
        if (*voxel == 0) continue;
        Extent& e = extents[*voxel];
        ++e.voxels;
        e.low = e.low.cwiseMin(Eigen::Vector3i(i, j, k)), e.high = e.high.cwiseMax(Eigen::Vector3i(i, j, k));
      }
  out["frame"] = frameOf(frame);
  ordered_json labels = ordered_json::array();
  for (int value = 1; value < 65536; ++value) {
    const Extent& e = extents[static_cast<std::size_t>(value)];
    if (e.voxels == 0) continue;
    const auto name = segmentation.names.find(value);
    labels.push_back({{"value", value},
                      {"name", name == segmentation.names.end() ? "" : name->second},
                      {"voxels", e.voxels},
                      {"volume_mm3", static_cast<double>(e.voxels) * frame.voxelVolume_mm3()},
                      {"low_voxel", list(e.low)},
                      {"high_voxel", list(e.high)}});
  }
  out["statistics"] = {{"labels", labels}};
}

void describeLevelSet(const std::string& path, ordered_json& out) {
  const levelset::LevelSet level_set = levelset::readVdb(path);
  Eigen::Vector3i low, high;
  level_set.activeBox(low, high);
  const double voxel = level_set.voxel_mm();
  out["frame"] = frameOf(level_set.frameId());
  out["frame"]["voxel_mm"] = voxel;
  addBox(out["frame"], low.cast<double>() * voxel, high.cast<double>() * voxel);
  ordered_json meta = ordered_json::object();
  for (auto it = level_set.grid().vdb->beginMeta(); it != level_set.grid().vdb->endMeta(); ++it)
    if (it->first.rfind("file_", 0) != 0) meta[it->first] = it->second->str();  // those are OpenVDB's own
  out["statistics"] = {{"volume_mm3", levelset::volume_mm3(level_set)},
                       {"area_mm2", levelset::area_mm2(level_set)},
                       {"active_voxels", level_set.activeVoxels()},
                       {"memory_bytes", level_set.grid().vdb->memUsage()},
                       {"metadata", meta}};
}

void describeMesh(const std::string& path, ordered_json& out) {
  const mesh::TriangleMesh mesh = mesh::readMesh(path);
  const mesh::Bounds box = mesh::bounds(mesh);
  const mesh::Topology topology = mesh::topology(mesh);
  out["frame"] = frameOf(mesh.frame_id);
  addBox(out["frame"], box.min, box.max);
  out["statistics"] = {{"vertices", mesh.vertices.size()},
                       {"triangles", mesh.triangles.size()},
                       {"volume_mm3", mesh::volume_mm3(mesh)},
                       {"area_mm2", mesh::area_mm2(mesh)},
                       {"closed", topology.closed()},
                       {"components", topology.components},
                       {"euler_characteristic", topology.euler_characteristic},
                       {"boundary_edges", topology.boundary_edges},
                       {"nonmanifold_edges", topology.nonmanifold_edges},
                       {"misoriented_edges", topology.misoriented_edges},
                       {"degenerate_triangles", topology.degenerate_triangles}};
}

void describeCloud(const std::string& path, ordered_json& out) {
  const mesh::PointCloud cloud = mesh::readPointCloud(path);
  const mesh::Bounds box = mesh::bounds({.vertices = cloud.points, .triangles = {}, .frame_id = {}});
  out["frame"] = frameOf(cloud.frame_id);
  addBox(out["frame"], box.min, box.max);
  ordered_json& statistics = out["statistics"] = {{"points", cloud.points.size()}, {"normals", !cloud.normals.empty()}};
  std::map<int, std::int64_t> counts;
  for (const auto label : cloud.labels) ++counts[label];
  for (const auto& [label, count] : counts) statistics["points_per_label"][std::to_string(label)] = count;
  if (!cloud.hu.empty()) statistics.update(greyStatistics(cloud.hu));
}

/// Words after $$ up to $$HEADEREND, such as UNITS/1 and LAYERS/200.
void describeLayerJob(const std::string& path, ordered_json& out) {
  const std::string head = readHead(path, 1 << 16);
  const auto end = head.find("$$HEADEREND");
  if (head.find("$$HEADERSTART") == std::string::npos || end == std::string::npos)
    throw core::Error(core::Exit::DataError, {.what = "this is no Common Layer Interface file",
                                              .file = path,
                                              .expected = "$$HEADERSTART and $$HEADEREND",
                                              .got = {},
                                              .hint = {}});
  for (std::size_t at = head.find("$$") + 13; (at = head.find("$$", at)) < end;) {
    at += 2;
    const std::string entry = head.substr(at, head.find_first_of("\r\n$", at) - at);
    const auto slash = entry.find('/');
    out["statistics"][entry.substr(0, slash)] =
        slash == std::string::npos ? ordered_json(true) : ordered_json(entry.substr(slash + 1));
  }
}

void describeSvg(const std::string& path, ordered_json& out) {
  const std::string text = core::readFile(path);
  const auto root = text.find("<svg");
  const auto end = text.find('>', root);
  if (root == std::string::npos || end == std::string::npos)
    throw core::Error(core::Exit::DataError,
                      {.what = "this is no SVG", .file = path, .expected = "<svg …>", .got = {}, .hint = {}});
  const std::string tag = text.substr(root, end - root);
  for (const std::string name : {"width", "height", "viewBox"}) {
    const auto at = tag.find(" " + name + "=\"");
    if (at == std::string::npos) continue;
    const auto first = at + name.size() + 3;
    out["statistics"][name] = tag.substr(first, tag.find('"', first) - first);
  }
  std::int64_t groups = 0;
  for (auto at = text.find("<g"); at != std::string::npos; at = text.find("<g", at + 2)) ++groups;
  out["statistics"]["groups"] = groups;
}

void describeFolder(const std::string& path, ordered_json& out) {
  std::int64_t files = 0, bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
    if (entry.is_regular_file()) ++files, bytes += static_cast<std::int64_t>(entry.file_size());
  out["statistics"] = {{"files", files}, {"bytes", bytes}};
}

void describeContent(const std::string& path, Kind kind, ordered_json& out) {
  switch (kind) {
    case Kind::Volume:
    case Kind::Channels:
      return describeVolume(path, kind, out);
    case Kind::Labels:
      return describeLabels(path, out);
    case Kind::LevelSet:
      return describeLevelSet(path, out);
    case Kind::Mesh:
      return describeMesh(path, out);
    case Kind::PointCloud:
      return describeCloud(path, out);
    case Kind::LayerJob:
      return describeLayerJob(path, out);
    case Kind::Svg:
      return describeSvg(path, out);
    case Kind::Folder:
      return describeFolder(path, out);
    case Kind::Record:
    case Kind::Json:
      out["content"] = ordered_json::parse(core::readFile(path));
      return;
    case Kind::Png: {
      const Pixels pixels = readPixels(path);
      out["statistics"] = {{"width_px", pixels.width}, {"height_px", pixels.height}};
      return;
    }
    case Kind::Other:
      return;
  }
}

std::string scalar(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  if (value.is_null()) return "unknown";
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

bool isFlat(const ordered_json& value) {
  return std::none_of(value.begin(), value.end(), [](const ordered_json& v) { return v.is_structured(); });
}

void print(const ordered_json& value, const std::string& indent, std::string& text);

/// "a, b, c" or "key value, key value".
std::string inlineText(const ordered_json& value) {
  std::string text;
  for (const auto& [key, item] : value.items()) {
    if (!text.empty()) text += ", ";
    if (value.is_object()) text += key + " ";
    text += item.is_structured() ? "(" + inlineText(item) + ")" : scalar(item);
  }
  return text.empty() ? "none" : text;
}

void printItem(const std::string& key, const ordered_json& item, const std::string& indent, std::string& text) {
  text += indent + key + ":";
  if (!item.is_structured() || (item.is_array() && isFlat(item)) || item.empty()) {
    text += " " + (item.is_structured() ? inlineText(item) : scalar(item)) + "\n";
    return;
  }
  text += "\n";
  print(item, indent + "  ", text);
}

void print(const ordered_json& value, const std::string& indent, std::string& text) {
  for (const auto& [key, item] : value.items()) {
    if (value.is_array())
      text += indent + "- " + (item.is_structured() ? inlineText(item) : scalar(item)) + "\n";
    else
      printItem(key, item, indent, text);
  }
}

}  // namespace

ordered_json describe(const std::string& path) {
  const Kind kind = kindOf(path);
  const std::string sha256 = core::sha256File(path);
  ordered_json out = {{"file", core::baseName(path)}, {"kind", nameOf(kind)}};
  if (kind != Kind::Folder) out["bytes"] = std::filesystem::file_size(path);
  out["sha256"] = sha256;
  describeContent(path, kind, out);
  if (kind != Kind::Record) out["provenance"] = provenance(path, sha256);
  return out;
}

std::string asText(const ordered_json& description) {
  std::string text;
  print(description, "", text);
  return text;
}

}  // namespace osteo::inspect
