// Written by ITK's NrrdImageIO: the same volume gives the same bytes, without clock, host or path.
#include <fmt/format.h>
#include <itkMetaDataObject.h>
#include <itkNrrdImageIO.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "image/io.h"

namespace osteo::image {
namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;

/// NrrdIO does not look at what closing a file says: a full disk shows in the size, or in gzip's last word.
void requireWhole(const std::string& path, std::size_t voxel_bytes, bool gzip) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  bool whole = !failure && size > (gzip ? 18 : voxel_bytes);
  if (whole && gzip) {
    std::ifstream file(path, std::ios::binary);
    file.seekg(-4, std::ios::end);
    std::array<unsigned char, 4> word{};
    file.read(reinterpret_cast<char*>(word.data()), word.size());
    whole = file && (word[0] | word[1] << 8 | word[2] << 16 | std::uint32_t{word[3]} << 24) ==
                        static_cast<std::uint32_t>(voxel_bytes);
  }
  if (!whole)
    throw core::Error(core::Exit::IoError, {.what = "writing failed", .file = path, .hint = "is the disk full?"});
}

void describe(itk::NrrdImageIO& io, const Frame& frame, const Keys& keys) {
  io.SetNumberOfDimensions(3);
  for (unsigned axis = 0; axis < 3; ++axis) {
    io.SetDimensions(axis, static_cast<std::size_t>(frame.size[axis]));
    io.SetSpacing(axis, frame.spacing_mm[axis]);
    io.SetOrigin(axis, frame.origin_mm[axis] + 0.0);  // + 0.0 turns -0 into 0
    const Eigen::Vector3d column = frame.direction.col(axis);
    io.SetDirection(axis, std::vector<double>{column[0] + 0.0, column[1] + 0.0, column[2] + 0.0});
  }
  itk::MetaDataDictionary& dictionary = io.GetMetaDataDictionary();
  if (!frame.frame_id.empty()) itk::EncapsulateMetaData<std::string>(dictionary, "frame_id", frame.frame_id);
  if (frame.slice_gap_mm > 0)
    itk::EncapsulateMetaData<std::string>(dictionary, "slice_gap_mm", fmt::format("{}", frame.slice_gap_mm));
  for (const auto& [key, value] : keys) itk::EncapsulateMetaData<std::string>(dictionary, key, value);
}

void requireSize(const Frame& frame, std::size_t values, int channels) {
  if (frame.size.minCoeff() > 0 && static_cast<std::size_t>(frame.voxelCount()) * channels == values) return;
  throw core::Error(core::Exit::Software, {.what = "a volume's frame doesn't fit its voxels",
                                           .expected = fmt::format("{} values", frame.voxelCount() * channels),
                                           .got = fmt::format("{}", values)});
}

/// Colours as Slicer's generic anatomy table has them for bone, marrow and metal; instances take turns on a wheel.
std::string colorText(int label) {
  static const std::array<const char*, 6> kColors = {"0 0 0",          "0.95 0.84 0.57", "0.85 0.40 0.31",
                                                     "0.45 0.55 0.70", "0.86 0.20 0.80", "0.20 0.70 0.35"};
  if (label < 6) return kColors[static_cast<std::size_t>(label)];
  const auto wave = [&](double phase) { return 0.55 + 0.35 * std::cos(2.39996 * label + phase); };  // golden angle
  return fmt::format("{:.3f} {:.3f} {:.3f}", wave(0), wave(2.0944), wave(4.18879));
}

std::string standardName(int label) {
  static const std::array<const char*, 6> kNames = {"background", "cortical", "cancellous",
                                                    "metal",      "defect",   "implant"};
  return label < 6 ? kNames[static_cast<std::size_t>(label)] : fmt::format("bone_{}", label - 9);
}

struct Extent {
  Eigen::Vector3i low = Eigen::Vector3i::Constant(std::numeric_limits<int>::max());
  Eigen::Vector3i high = Eigen::Vector3i::Constant(-1);
};

std::map<int, Extent> extentsOf(const LabelVolume& labels) {
  std::vector<Extent> all(65536);
  const Eigen::Vector3i& size = labels.frame.size;
  std::size_t at = 0;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i) {
        const std::uint16_t value = labels.voxels[at++];
        if (value == 0) continue;
        Extent& extent = all[value];
        extent.low = extent.low.cwiseMin(Eigen::Vector3i(i, j, k));
        extent.high = extent.high.cwiseMax(Eigen::Vector3i(i, j, k));
      }
  std::map<int, Extent> out;
  for (int value = 1; value < 65536; ++value)
    if (all[static_cast<std::size_t>(value)].high[0] >= 0) out[value] = all[static_cast<std::size_t>(value)];
  return out;
}

/// Segment keys as 3D Slicer reads and writes them.
Keys segmentKeys(const Segmentation& segmentation, std::map<int, Extent> extents) {
  Keys keys = {{"Segmentation_ContainedRepresentationNames", "Binary labelmap|"},
               {"Segmentation_ConversionParameters", ""},
               {"Segmentation_MasterRepresentation", "Binary labelmap"},
               {"Segmentation_ReferenceImageExtentOffset", "0 0 0"},
               {"Segmentation_SourceRepresentation", "Binary labelmap"}};
  for (const auto& [value, name] : segmentation.names)
    if (value > 0) extents.try_emplace(value);
  int number = 0;
  for (const auto& [value, extent] : extents) {
    const std::string segment = fmt::format("Segment{}_", number++);
    const auto name = segmentation.names.find(value);
    const bool present = extent.high[0] >= 0;
    const Eigen::Vector3i low = present ? extent.low : Eigen::Vector3i::Zero().eval();
    keys.insert(keys.end(), {{segment + "Color", colorText(value)},
                             {segment + "ColorAutoGenerated", "1"},
                             {segment + "Extent", fmt::format("{} {} {} {} {} {}", low[0], extent.high[0], low[1],
                                                              extent.high[1], low[2], extent.high[2])},
                             {segment + "ID", fmt::format("Segment_{}", value)},
                             {segment + "LabelValue", fmt::format("{}", value)},
                             {segment + "Layer", "0"},
                             {segment + "Name", name != segmentation.names.end() ? name->second : standardName(value)},
                             {segment + "NameAutoGenerated", "0"},
                             {segment + "Tags", "|"}});
  }
  return keys;
}

template <class T, class From>
void writeScalar(const Frame& frame, const std::vector<From>& values, const std::string& path, bool gzip,
                 const Keys& keys, int channels = 1) {
  requireSize(frame, values.size(), channels);
  const auto io = itk::NrrdImageIO::New();
  describe(*io, frame, keys);
  io->SetFileName(path);
  io->SetNumberOfComponents(static_cast<unsigned>(channels));
  io->SetPixelType(channels > 1 ? itk::IOPixelEnum::VECTOR : itk::IOPixelEnum::SCALAR);
  io->SetComponentType(itk::ImageIOBase::MapPixelType<T>::CType);
  io->SetUseCompression(gzip);
  io->SetCompressionLevel(1);
  std::vector<T> converted;
  const void* buffer = values.data();
  if constexpr (!std::is_same_v<T, From>) {
    converted.resize(values.size());
    std::transform(values.begin(), values.end(), converted.begin(), [](From value) {
      return std::is_floating_point_v<From> ? static_cast<T>(std::lround(value)) : static_cast<T>(value);
    });
    buffer = converted.data();
  }
  try {
    io->Write(buffer);
  } catch (const itk::ExceptionObject& e) {
    throw core::Error(core::Exit::IoError, {.what = "writing failed", .file = path, .hint = "is the disk full?"});
  }
  requireWhole(path, values.size() * sizeof(T), gzip);
}

}  // namespace

void writeVolume(const CtVolume& volume, const std::string& path, bool as_float) {
  const auto fits = [](float v) { return v >= -32768.0f && v <= 32767.0f; };
  if (!as_float && std::all_of(volume.voxels.begin(), volume.voxels.end(), fits))
    writeScalar<std::int16_t>(volume.frame, volume.voxels, path, false, {});  // raw: read and written in no time
  else
    writeScalar<float>(volume.frame, volume.voxels, path, true, {});
}

void writeChannels(const Frame& frame, const std::vector<float>& values, int channels, const std::string& path) {
  writeScalar<float>(frame, values, path, true, {}, channels);
}

void writeSegmentation(const Segmentation& segmentation, const std::string& path) {
  const LabelVolume& labels = segmentation.labels;
  requireSize(labels.frame, labels.voxels.size(), 1);
  const auto extents = extentsOf(labels);
  const Keys keys = segmentKeys(segmentation, extents);
  if (extents.empty() || extents.rbegin()->first <= 255)
    writeScalar<std::uint8_t>(labels.frame, labels.voxels, path, true, keys);
  else
    writeScalar<std::uint16_t>(labels.frame, labels.voxels, path, true, keys);
}

}  // namespace osteo::image
