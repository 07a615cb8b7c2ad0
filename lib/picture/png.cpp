#include <fmt/format.h>
#include <png.h>

#include "core/error.h"
#include "core/files.h"
#include "picture/canvas.h"

namespace osteo::picture {
namespace {

constexpr std::size_t kMaxPixels = std::size_t{1} << 28;

}  // namespace

void writePng(const Canvas& canvas, const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(canvas.width());
  image.height = static_cast<png_uint_32>(canvas.height());
  image.format = PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, &canvas.at(0, 0), 0, nullptr))
    throw core::Error(
        core::Exit::IoError,
        {.what = "encoding the picture failed", .file = path, .expected = {}, .got = image.message, .hint = {}});
  bytes.resize(size);
  core::writeFile(path, bytes);
}

Canvas readPng(const std::string& path) {
  const std::string bytes = core::readFile(path);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const auto refuse = [&](const std::string& got) {
    png_image_free(&image);
    throw core::Error(core::Exit::DataError,
                      {.what = "the PNG can't be read", .file = path, .expected = {}, .got = got, .hint = {}});
  };
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) refuse(image.message);
  if (bytes.rfind("IEND") == std::string::npos) refuse("it is truncated: no end chunk");
  if (std::size_t{image.width} * image.height > kMaxPixels)
    refuse(fmt::format("{} x {} pixels", image.width, image.height));
  image.format = PNG_FORMAT_RGB;
  Canvas canvas(static_cast<int>(image.width), static_cast<int>(image.height));
  const png_color white = {255, 255, 255};  // what lies behind transparent pixels
  if (!png_image_finish_read(&image, &white, &canvas.at(0, 0), 0, nullptr)) refuse(image.message);
  if (image.warning_or_error & PNG_IMAGE_ERROR) refuse(image.message);
  return canvas;
}

}  // namespace osteo::picture
