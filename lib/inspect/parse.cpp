#include "inspect/parse.h"

#include <fmt/format.h>
#include <png.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"

namespace osteo::inspect {
namespace {

constexpr std::size_t kMaxPixels = std::size_t{1} << 28;

[[noreturn]] void unfit(const std::string& path, const std::string& what, const std::string& got) {
  throw core::Error(core::Exit::DataError, {.what = what, .file = path, .expected = {}, .got = got, .hint = {}});
}

}  // namespace

std::string readHead(const std::string& path, std::size_t bytes) {
  core::requireInput(path);
  std::ifstream file(path, std::ios::binary);
  std::string head(bytes, '\0');
  file.read(head.data(), static_cast<std::streamsize>(bytes));
  head.resize(static_cast<std::size_t>(file.gcount()));
  if (head.empty()) unfit(path, "the file is empty", "0 bytes");
  return head;
}

nlohmann::json readJson(const std::string& path) {
  return core::parseJson(core::readFile(path), path, core::Exit::DataError);
}

bool isRecord(const nlohmann::json& document) {
  return document.is_object() && document.contains("instrument") && document.contains("result") &&
         document["result"].is_array();
}

Pixels readPixels(const std::string& path) {
  const std::string bytes = core::readFile(path);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const auto refuse = [&](const std::string& got) {
    png_image_free(&image);
    unfit(path, "the PNG can't be read", got);
  };
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) refuse(image.message);
  if (bytes.rfind("IEND") == std::string::npos) refuse("it is truncated: no end chunk");
  if (std::size_t{image.width} * image.height > kMaxPixels)
    refuse(fmt::format("{} x {} pixels", image.width, image.height));
  image.format = PNG_FORMAT_RGBA;
  Pixels pixels{image.width, image.height, std::vector<std::uint8_t>(PNG_IMAGE_SIZE(image))};
  if (!png_image_finish_read(&image, nullptr, pixels.rgba.data(), 0, nullptr)) refuse(image.message);
  return pixels;
}

}  // namespace osteo::inspect
