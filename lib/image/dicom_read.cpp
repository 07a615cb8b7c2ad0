#include <fmt/format.h>
#include <gdcmImageReader.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "image/dicom.h"
#include "image/dicom_guard.h"

namespace osteo::image {
namespace {

constexpr float kPadding = -1024;    // HU of pixels outside the reconstruction circle
constexpr double kDensest = 1000;    // pixels a byte; compressed empty slices stay below 300
constexpr unsigned kLargest = 8192;  // pixels on an edge; no CT has more

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& expected,
                         const std::string& got, const std::string& hint = {}) {
  throw core::Error(core::Exit::DataError,
                    {.what = what, .file = core::baseName(path), .expected = expected, .got = got, .hint = hint});
}

/// Stored values of one file: BitsStored bits of each, sign-extended when signed.
template <class T>
std::vector<float> storedValues(const std::vector<char>& bytes, const gdcm::PixelFormat& format) {
  std::vector<float> out(bytes.size() / sizeof(T));
  const int spare = static_cast<int>(8 * sizeof(T)) - format.GetBitsStored();
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    if constexpr (std::is_integral_v<T>) {
      // Shifting up and back drops what stands in the unused bits (old overlays) and carries the sign.
      if (spare > 0) value = static_cast<T>(static_cast<T>(static_cast<std::uint64_t>(value) << spare) >> spare);
    }
    out[i] = static_cast<float>(value);
  }
  return out;
}

std::vector<float> decoded(const std::string& path, const gdcm::Image& image) {
  const gdcm::PixelFormat& format = image.GetPixelFormat();
  std::vector<char> bytes(image.GetBufferLength());
  if (!image.GetBuffer(bytes.data()))
    refuse(path, "the DICOM pixels can't be decoded", "whole pixel data in a known transfer syntax",
           "damaged or unknown data", "copy the file again from its source, or decompress it (gdcmconv --raw)");
  switch (format.GetScalarType()) {
    case gdcm::PixelFormat::UINT8:
      return storedValues<std::uint8_t>(bytes, format);
    case gdcm::PixelFormat::INT8:
      return storedValues<std::int8_t>(bytes, format);
    case gdcm::PixelFormat::UINT12:
    case gdcm::PixelFormat::UINT16:
      return storedValues<std::uint16_t>(bytes, format);
    case gdcm::PixelFormat::INT12:
    case gdcm::PixelFormat::INT16:
      return storedValues<std::int16_t>(bytes, format);
    case gdcm::PixelFormat::UINT32:
      return storedValues<std::uint32_t>(bytes, format);
    case gdcm::PixelFormat::INT32:
      return storedValues<std::int32_t>(bytes, format);
    default:
      break;
  }
  refuse(path, "unsupported DICOM pixel format", "8, 12, 16 or 32 bit whole numbers", format.GetScalarTypeAsString());
}

/// The file's padding value as it is stored; NaN when it has none.
float paddingOf(const gdcm::DataSet& data, bool is_signed) {
  const gdcm::Tag tag(0x0028, 0x0120);
  const auto* value = data.FindDataElement(tag) ? data.GetDataElement(tag).GetByteValue() : nullptr;
  if (value == nullptr || value->GetLength() < 2) return std::numeric_limits<float>::quiet_NaN();
  std::int16_t padding = 0;
  std::memcpy(&padding, value->GetPointer(), 2);
  return is_signed ? static_cast<float>(padding) : static_cast<float>(static_cast<std::uint16_t>(padding));
}

void requirePixels(const std::string& path, const gdcm::Image& image, const DicomSeries& series, int frames) {
  const unsigned* size = image.GetDimensions();
  const unsigned depth = image.GetNumberOfDimensions() > 2 ? size[2] : 1;
  const auto& format = image.GetPixelFormat();
  if (static_cast<int>(size[0]) != series.stack.size[0] || static_cast<int>(size[1]) != series.stack.size[1] ||
      static_cast<int>(depth) < frames || format.GetSamplesPerPixel() != 1 || size[0] > kLargest || size[1] > kLargest)
    refuse(path, "the DICOM image is not what its series is",
           fmt::format("{} × {} pixels, one grey value each", series.stack.size[0], series.stack.size[1]),
           fmt::format("{} × {} × {}, {} values each", size[0], size[1], depth, format.GetSamplesPerPixel()));
  const auto* pixels = image.GetDataElement().GetByteValue();  // null when the pixels are compressed in fragments
  if (pixels != nullptr && pixels->GetLength() < image.GetBufferLength())
    refuse(path, "the DICOM pixels are cut short", fmt::format("{} bytes", image.GetBufferLength()),
           fmt::format("{}", static_cast<unsigned>(pixels->GetLength())), "copy the file again from its source");
}

/// Decodes one file into the slots of its slices.
void readFile(const std::string& path, const std::vector<std::size_t>& slots, const DicomSeries& series,
              std::vector<float>& out) {
  gdcm::ImageReader reader;
  std::istringstream stream;
  bool read = false;
  try {
    const DicomWalk walk = walkDicom(path);
    if (walk.state == DicomState::Sound) {
      std::string bytes(static_cast<std::size_t>(walk.end_bytes), '\0');
      std::ifstream(path, std::ios::binary).read(bytes.data(), walk.end_bytes);
      stream.str(std::move(bytes));
      reader.SetStream(stream);
      read = reader.Read();
    }
  } catch (const std::exception&) {  // GDCM throws on some malformed files: told below
  }
  if (!read)
    refuse(path, "the DICOM file is cut short or damaged", "a whole DICOM image", "an image that can't be read",
           "copy the file again from its source");
  const gdcm::Image& image = reader.GetImage();
  int frames = 0;
  for (const auto slot : slots) frames = std::max(frames, series.slices[slot].frame + 1);
  requirePixels(path, image, series, frames);
  const std::vector<float> values = decoded(path, image);
  const float padding = paddingOf(reader.GetFile().GetDataSet(), image.GetPixelFormat().GetPixelRepresentation() != 0);
  const auto pixels = static_cast<std::size_t>(series.stack.size.prod());
  for (const auto slot : slots) {
    const DicomSlice& slice = series.slices[slot];
    const float* from = values.data() + static_cast<std::size_t>(slice.frame) * pixels;
    float* to = out.data() + slot * pixels;
    for (std::size_t i = 0; i < pixels; ++i)
      to[i] = from[i] == padding ? kPadding : static_cast<float>(slice.slope * double{from[i]} + slice.intercept);
  }
}

}  // namespace

std::vector<float> readSeries(const DicomSeries& series) {
  std::map<std::string, std::vector<std::size_t>> by_file;
  for (std::size_t slot = 0; slot < series.slices.size(); ++slot) by_file[series.slices[slot].path].push_back(slot);
  const std::vector<std::pair<std::string, std::vector<std::size_t>>> files(by_file.begin(), by_file.end());
  double held = 0;
  for (const auto& [path, slots] : files) held += static_cast<double>(std::filesystem::file_size(path));
  const double claimed = static_cast<double>(series.slices.size()) * series.stack.size.cast<double>().prod();
  if (claimed > kDensest * held)
    refuse(files.front().first, "the DICOM header claims more pixels than its data can hold",
           fmt::format("at least {:.0f} bytes", claimed / kDensest), fmt::format("{:.0f}", held));
  std::vector<float> out(series.slices.size() * static_cast<std::size_t>(series.stack.size.prod()));
  core::Progress progress("decode DICOM slices", static_cast<std::int64_t>(files.size()));
  core::parallelFor(static_cast<std::int64_t>(files.size()), [&](std::int64_t i) {
    const auto& [path, slots] = files[static_cast<std::size_t>(i)];
    readFile(path, slots, series, out);
    progress.advance();
  });
  return out;
}

}  // namespace osteo::image
