#include "mesh/zip_package.h"

#include <fmt/format.h>
#include <zip.h>

#include <memory>

#include "core/error.h"
#include "mesh/formats.h"

namespace osteo::mesh {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1}
                                    << 34;  // unpacked; beyond this no mesh would fit the memory either
constexpr std::uint64_t kMaxRatio = 1100;   // deflate can't pack tighter than 1032 : 1
constexpr std::uint64_t kBombBytes = 100'000'000, kBombRatio = 200;  // no mesh of this size repeats itself so often
constexpr zip_uint16_t kDosDate = (1 << 5) | 1;                      // 1 January 1980, the ZIP's own epoch

using Archive = std::unique_ptr<zip_t, decltype(&zip_discard)>;

Archive openBytes(const std::string& bytes, const std::string& path) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* archive = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : nullptr;
  if (!archive) {
    const std::string reason = zip_error_strerror(&error);
    zip_source_free(source);
    zip_error_fini(&error);
    unfit(path, "the ZIP package is damaged or truncated", reason);
  }
  return {archive, zip_discard};
}

/// Whether a name would lead elsewhere when unpacked: absolute, with a drive, or with a step up.
bool leavesFolder(const std::string& name) {
  if (name.empty() || name[0] == '/' || name.find_first_of("\\:") != std::string::npos) return true;
  const std::string steps = "/" + name + "/";
  return steps.find("/../") != std::string::npos;
}

zip_stat_t saneEntry(zip_t* archive, zip_uint64_t index, const std::string& path) {
  zip_stat_t stat;
  if (zip_stat_index(archive, index, 0, &stat) != 0 || !(stat.valid & ZIP_STAT_SIZE) || !(stat.valid & ZIP_STAT_NAME))
    unfit(path, "the ZIP package is damaged", fmt::format("entry {}", index));
  const bool bomb = stat.size > kBombBytes && stat.size > kBombRatio * (stat.comp_size + 1);
  if (bomb || stat.size > kMaxBytes || stat.size > kMaxRatio * (stat.comp_size + 1))
    unfit(path, "an entry of the ZIP package announces an impossible size", fmt::format("{} bytes", stat.size));
  if (leavesFolder(stat.name)) unfit(path, "an entry of the ZIP package has a name that leaves its folder", stat.name);
  return stat;
}

std::string unpack(zip_t* archive, const zip_stat_t& stat, const std::string& path) {
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> file(zip_fopen_index(archive, stat.index, 0), zip_fclose);
  std::string content(stat.size, '\0');
  if (!file || zip_fread(file.get(), content.data(), stat.size) != static_cast<zip_int64_t>(stat.size))
    unfit(path, "an entry of the ZIP package can't be unpacked", stat.name);
  char extra;
  if (zip_fread(file.get(), &extra, 1) != 0) unfit(path, "an entry of the ZIP package is damaged", stat.name);
  return content;
}

}  // namespace

void writeZip(const std::vector<std::pair<std::string, std::string>>& files, const std::string& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code), zip_discard);
  bool good = archive != nullptr;
  for (const auto& [name, content] : files) {
    if (!good) break;
    zip_source_t* source = zip_source_buffer(archive.get(), content.data(), content.size(), 0);
    const auto index = zip_file_add(archive.get(), name.c_str(), source, ZIP_FL_ENC_UTF_8);
    good = index >= 0 && zip_file_set_dostime(archive.get(), static_cast<zip_uint64_t>(index), 0, kDosDate, 0) == 0 &&
           zip_set_file_compression(archive.get(), static_cast<zip_uint64_t>(index), ZIP_CM_DEFLATE, 6) == 0;
  }
  if (good && zip_close(archive.get()) == 0) {
    (void)archive.release();
    return;
  }
  throw core::Error(core::Exit::IoError,
                    {.what = "writing the ZIP package failed",
                     .file = path,
                     .got = archive ? zip_strerror(archive.get()) : fmt::format("libzip error {}", code)});
}

bool looksZipped(const std::string& bytes) { return bytes.compare(0, 2, "PK") == 0; }

std::string unzipEntry(const std::string& bytes, const std::string& path, const std::string& name_ending) {
  const Archive archive = openBytes(bytes, path);
  const auto count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const zip_stat_t stat = saneEntry(archive.get(), static_cast<zip_uint64_t>(i), path);
    const std::string name = stat.name;
    if (name.size() >= name_ending.size() &&
        name.compare(name.size() - name_ending.size(), name_ending.size(), name_ending) == 0)
      return unpack(archive.get(), stat, path);
  }
  unfit(path, "the ZIP package has no entry ending in " + name_ending, fmt::format("{} entries", count));
}

void requireSaneZip(const std::string& bytes, const std::string& path) {
  const Archive archive = openBytes(bytes, path);
  const auto count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) saneEntry(archive.get(), static_cast<zip_uint64_t>(i), path);
}

}  // namespace osteo::mesh
