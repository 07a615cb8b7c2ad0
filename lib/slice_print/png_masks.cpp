#include <fmt/format.h>
#include <png.h>

#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "slice_print/manifest.h"
#include "slice_print/mask_process.h"
#include "slice_print/scan_lines.h"
#include "slice_print/writers.h"

namespace osteo::slice_print {

namespace {

constexpr int kSubRows = 4;

// Adds the covered part of each pixel between two positions (in pixels) along a row.
void cover(std::vector<float>& row, double from, double to) {
  const int last_pixel = static_cast<int>(row.size()) - 1;
  from = std::clamp(from, 0.0, static_cast<double>(row.size()));
  to = std::clamp(to, 0.0, static_cast<double>(row.size()));
  const int first = std::min(static_cast<int>(from), last_pixel), last = std::min(static_cast<int>(to), last_pixel);
  if (first == last) {
    row[first] += static_cast<float>(to - from);
    return;
  }
  row[first] += static_cast<float>(first + 1 - from);
  for (int x = first + 1; x < last; ++x) row[x] += 1.0f;
  row[last] += static_cast<float>(to - last);
}

std::string encodeGrey(const std::vector<std::uint8_t>& pixels, const Eigen::Vector2i& size_px) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(size_px.x());
  image.height = static_cast<png_uint_32>(size_px.y());
  image.format = PNG_FORMAT_GRAY;
  image.flags = PNG_IMAGE_FLAG_FAST;
  png_alloc_size_t length = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(length, '\0');
  if (!png_image_write_to_memory(&image, bytes.data(), &length, 0, pixels.data(), 0, nullptr)) {
    throw core::Error(core::Exit::IoError, {.what = "a layer's PNG could not be made", .got = image.message});
  }
  bytes.resize(length);
  return bytes;
}

}  // namespace

Eigen::Vector2i maskSize_px(const Eigen::Vector3d& part_size_mm, double pixel_mm) {
  constexpr double kMostPixels = 2e8;
  const Point size = (part_size_mm.head<2>() / pixel_mm).array().ceil().max(1.0);
  if (!(size.prod() <= kMostPixels)) {
    throw core::Error(core::Exit::DataError, {.what = "the layer masks would be too large",
                                              .expected = fmt::format("at most {:.0e} pixels", kMostPixels),
                                              .got = fmt::format("{:.0f} × {:.0f}", size.x(), size.y()),
                                              .hint = "raise --pixel-mm"});
  }
  return size.cast<int>();
}

std::vector<std::uint8_t> mask(const Rings& rings, const Eigen::Vector2i& size_px, double pixel_mm) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size_px.x()) * size_px.y(), 0);
  const ScanLines lines = scanLines(rings, pixel_mm / kSubRows);
  std::vector<float> row(static_cast<std::size_t>(size_px.x()));
  for (int y = 0; y < size_px.y(); ++y) {
    std::fill(row.begin(), row.end(), 0.0f);
    const int begin = std::max(y * kSubRows - lines.first, 0),
              end = std::min((y + 1) * kSubRows - lines.first, lines.rows());
    for (int line = begin; line < end; ++line) {
      for (std::size_t n = lines.start[line]; n + 1 < lines.start[line + 1]; n += 2) {
        cover(row, lines.x[n] / pixel_mm, lines.x[n + 1] / pixel_mm);
      }
    }
    std::uint8_t* out = pixels.data() + static_cast<std::size_t>(size_px.y() - 1 - y) * size_px.x();
    for (int x = 0; x < size_px.x(); ++x) {
      out[x] = static_cast<std::uint8_t>(std::lround(std::min(row[x] / kSubRows, 1.0f) * 255));
    }
  }
  return pixels;
}

namespace {

// Where the masks of a stack go.
std::vector<std::string> stackFolders(const std::string& folder, const std::vector<std::string>& names) {
  std::vector<std::string> folders;
  for (const std::string& name : names) {
    folders.push_back(name.empty() ? folder : folder + "/" + name);
    std::error_code failure;
    std::filesystem::create_directory(folders.back(), failure);
    if (failure) {
      throw core::Error(core::Exit::IoError,
                        {.what = "a folder for masks could not be made", .got = failure.message()});
    }
  }
  return folders;
}

}  // namespace

JobWriter pngWriter(const std::string& folder, const JobHead& head) {
  const Eigen::Vector2i size = maskSize_px(head.part->size_mm(), head.pixel_mm);
  const double pixel = head.pixel_mm;
  if (!head.settings || !isMaskProcess(head.settings->process)) {
    const auto encode = [folder, size, pixel](const Layer& layer) {
      core::writeFile(folder + "/" + maskName(layer.index), encodeGrey(mask(layer.slice, size, pixel), size));
      return std::string();
    };
    return {encode, [](const std::string&) {}, [] {}};
  }
  const MaskPlan plan = maskPlan(*head.part, head.settings->process, head.settings->mask, head.stack.layer_mm);
  const auto encode = [folders = stackFolders(folder, plan.stack_names), size, pixel](const Layer& layer) {
    for (std::size_t stack = 0; stack < folders.size(); ++stack) {
      const std::string bytes = encodeGrey(mask(layer.masks[stack], size, pixel), size);
      core::writeFile(folders[stack] + "/" + maskName(layer.index), bytes);
    }
    return std::string();
  };
  const std::string manifest = manifestText(*head.part, *head.settings, head.stack, size);
  return {encode, [](const std::string&) {}, [folder, manifest] { core::writeFile(folder + "/job.json", manifest); }};
}

}  // namespace osteo::slice_print
