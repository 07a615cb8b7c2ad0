#include "core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "core/error.h"

namespace fs = std::filesystem;

namespace osteo::core {
namespace {

std::string hex(const unsigned char* bytes, unsigned size) {
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void add(const void* bytes, std::size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
  std::string finish() {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), out, &size);
    return hex(out, size);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

[[noreturn]] void throwUnreadable(const std::string& path) {
  if (errno == EACCES) throw Error(Exit::NoPermission, {.what = "no permission to read it", .file = path});
  throw Error(Exit::NoInput, {.what = "it can't be read", .file = path, .got = std::strerror(errno)});
}

std::string hashPlainFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throwUnreadable(path);
  Digest digest;
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
    digest.add(buffer.data(), static_cast<std::size_t>(in.gcount()));
  return digest.finish();
}

}  // namespace

std::string sha256(const void* bytes, std::size_t size) {
  Digest digest;
  digest.add(bytes, size);
  return digest.finish();
}

std::string sha256File(const std::string& path) {
  requireInput(path, true);
  if (!fs::is_directory(path)) return hashPlainFile(path);
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), path).string());
  std::sort(names.begin(), names.end());
  Digest digest;
  for (const std::string& name : names) {
    const std::string line = name + '\0' + hashPlainFile(path + "/" + name) + '\n';
    digest.add(line.data(), line.size());
  }
  return digest.finish();
}

std::string readFile(const std::string& path, std::size_t max_bytes) {
  requireInput(path);
  const auto size = fs::file_size(path);
  if (size > max_bytes)
    throw Error(Exit::DataError, {.what = "the file is too large for its kind",
                                  .file = path,
                                  .expected = fmt::format("at most {} bytes", max_bytes),
                                  .got = fmt::format("{}", size)});
  std::ifstream in(path, std::ios::binary);
  if (!in) throwUnreadable(path);
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

void requireInput(const std::string& path, bool folder_allowed) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == EACCES) throwUnreadable(path);
    throw Error(Exit::NoInput, {.what = "no such file", .file = path});
  }
  if (S_ISDIR(info.st_mode)) {
    if (!folder_allowed) throw Error(Exit::NoInput, {.what = "it is a folder", .file = path, .expected = "a file"});
  } else if (!S_ISREG(info.st_mode)) {
    throw Error(Exit::NoInput, {.what = "it is not a regular file", .file = path});
  }
  if (access(path.c_str(), R_OK) != 0) throwUnreadable(path);
}

std::string extension(const std::string& path) {
  std::string name = baseName(path);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* compound : {".seg.nrrd", ".nii.gz"})
    if (name.size() > std::strlen(compound) && name.ends_with(compound)) return compound;
  const auto dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(dot);
}

std::string baseName(const std::string& path) {
  fs::path p(path);
  if (!p.has_filename()) p = p.parent_path();
  return p.filename().string();
}

void writeFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw Error(Exit::IoError, {.what = "writing failed", .file = path, .got = std::strerror(errno)});
}

void writeFileAtomic(const std::string& path, const std::string& bytes, bool force) {
  AtomicOutput output(path, force);
  writeFile(output.temporaryPath(), bytes);
  output.commit();
}

}  // namespace osteo::core
