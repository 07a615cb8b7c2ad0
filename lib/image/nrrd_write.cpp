#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include "core/error.h"
#include "image/io.h"

namespace osteo::image {
namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;

/// A NRRD file being written, raw or gzip, without clock, host or path.
class NrrdFile {
 public:
  NrrdFile(const std::string& path, bool gzip)
      : path_(path), gzip_(gzip), file_(std::fopen(path.c_str(), "wb"), std::fclose) {
    if (!file_) throw core::Error(core::Exit::CantCreate, {.what = "can't create the file", .file = path});
  }
  void text(const std::string& text) { put(text.data(), text.size()); }
  /// All voxels: convert(first, last, buffer) fills a block.
  template <class T, class Convert>
  void voxels(std::int64_t count, const Convert& convert) {
    constexpr std::int64_t kBlock = std::int64_t{1} << 17;
    z_stream stream{};
    // Window bits 31: a gzip wrapper, which zlib writes with time 0 and no name.
    if (gzip_ && deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(gzip_ ? &stream : nullptr, deflateEnd);
    std::vector<T> block(static_cast<std::size_t>(std::min(count, kBlock)));
    for (std::int64_t at = 0; at < count; at += kBlock) {
      const std::int64_t last = std::min(count, at + kBlock);
      convert(at, last, block.data());
      const auto bytes = static_cast<std::size_t>(last - at) * sizeof(T);
      if (gzip_)
        deflateBlock(stream, block.data(), bytes, last == count);
      else
        put(block.data(), bytes);
    }
  }
  void finish() {
    if (std::fclose(file_.release()) != 0) fail();
  }

 private:
  void put(const void* bytes, std::size_t size) {
    if (std::fwrite(bytes, 1, size, file_.get()) != size) fail();
  }
  void deflateBlock(z_stream& stream, void* bytes, std::size_t size, bool last) {
    std::array<unsigned char, 1 << 16> out;
    stream.next_in = static_cast<unsigned char*>(bytes);
    stream.avail_in = static_cast<unsigned>(size);
    do {
      stream.next_out = out.data();
      stream.avail_out = out.size();
      deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
      put(out.data(), out.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  [[noreturn]] void fail() const {
    throw core::Error(core::Exit::IoError, {.what = "writing failed", .file = path_, .hint = "is the disk full?"});
  }

  std::string path_;
  bool gzip_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

std::string vectorText(const Eigen::Vector3d& v) {
  return fmt::format("({},{},{})", v[0] + 0.0, v[1] + 0.0, v[2] + 0.0);  // + 0.0 turns -0 into 0
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
  return out;
}

std::string headerText(const Frame& frame, const char* type, int channels, bool gzip, const Keys& keys) {
  const bool vector = channels > 1;
  std::string directions;
  for (int axis = 0; axis < 3; ++axis)
    directions += ' ' + vectorText(frame.direction.col(axis) * frame.spacing_mm[axis]);
  std::string text = fmt::format(
      "NRRD0005\ntype: {}\ndimension: {}\nspace: left-posterior-superior\nsizes:{} {} {} {}\nspace directions:{}{}\n"
      "kinds:{} domain domain domain\nendian: little\nencoding: {}\nspace units: \"mm\" \"mm\" \"mm\"\nspace origin: "
      "{}\n",
      type, vector ? 4 : 3, vector ? fmt::format(" {}", channels) : "", frame.size[0], frame.size[1], frame.size[2],
      vector ? " none" : "", directions, vector ? " vector" : "", gzip ? "gzip" : "raw", vectorText(frame.origin_mm));
  if (!frame.frame_id.empty()) text += "frame_id:=" + escaped(frame.frame_id) + '\n';
  if (frame.slice_gap_mm > 0) text += fmt::format("slice_gap_mm:={}\n", frame.slice_gap_mm);
  for (const auto& [key, value] : keys) text += escaped(key) + ":=" + escaped(value) + '\n';
  return text + '\n';
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
void writeScalar(const Frame& frame, const std::vector<From>& values, const std::string& path, const char* type,
                 bool gzip, const Keys& keys, int channels = 1) {
  requireSize(frame, values.size(), channels);
  NrrdFile file(path, gzip);
  file.text(headerText(frame, type, channels, gzip, keys));
  file.voxels<T>(static_cast<std::int64_t>(values.size()), [&](std::int64_t first, std::int64_t last, T* out) {
    for (std::int64_t i = first; i < last; ++i) {
      const From value = values[static_cast<std::size_t>(i)];
      if constexpr (std::is_floating_point_v<From> && std::is_integral_v<T>)
        *out++ = static_cast<T>(std::lround(value));
      else
        *out++ = static_cast<T>(value);
    }
  });
  file.finish();
}

}  // namespace

void writeVolume(const CtVolume& volume, const std::string& path, bool as_float) {
  const auto fits = [](float v) { return v >= -32768.0f && v <= 32767.0f; };
  if (!as_float && std::all_of(volume.voxels.begin(), volume.voxels.end(), fits))
    writeScalar<std::int16_t>(volume.frame, volume.voxels, path, "short", false,
                              {});  // raw: read and written in no time
  else
    writeScalar<float>(volume.frame, volume.voxels, path, "float", true, {});
}

void writeChannels(const Frame& frame, const std::vector<float>& values, int channels, const std::string& path) {
  writeScalar<float>(frame, values, path, "float", true, {}, channels);
}

void writeSegmentation(const Segmentation& segmentation, const std::string& path) {
  const LabelVolume& labels = segmentation.labels;
  requireSize(labels.frame, labels.voxels.size(), 1);
  const auto extents = extentsOf(labels);
  const Keys keys = segmentKeys(segmentation, extents);
  if (extents.empty() || extents.rbegin()->first <= 255)
    writeScalar<std::uint8_t>(labels.frame, labels.voxels, path, "unsigned char", true, keys);
  else
    writeScalar<std::uint16_t>(labels.frame, labels.voxels, path, "unsigned short", true, keys);
}

}  // namespace osteo::image
