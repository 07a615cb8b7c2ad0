#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/temporaries.h"

namespace fs = std::filesystem;

namespace osteo::core {
namespace {

std::mutex mutex;
std::set<std::string> open_temporaries;

void syncPath(const std::string& path, int flags) {
  const int descriptor = open(path.c_str(), flags);
  const bool good = descriptor >= 0 && fsync(descriptor) == 0;
  const int why = errno;
  if (descriptor >= 0) close(descriptor);
  // Some file systems can't sync a folder; only a failing device matters.
  if (!good && (why == EIO || why == ENOSPC || why == EDQUOT))
    throw Error(Exit::IoError, {.what = "writing failed", .file = path, .got = std::strerror(why)});
}

void syncFolder(const std::string& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) syncPath(entry.path().string(), O_RDONLY);
  syncPath(folder, O_RDONLY | O_DIRECTORY);
}

std::string withoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

/// ".name.PID.N" in front of the whole ending, so that writers that look at the ending see the right one.
std::string temporaryFor(const std::string& path) {
  static std::atomic<int> count{0};
  const fs::path p(path);
  const std::string name = p.filename().string(), ending = extension(path);
  const std::string stem = name.substr(0, name.size() - ending.size());
  const std::string temporary = fmt::format(".{}.{}.{}{}", stem, getpid(), ++count, ending);
  return (p.parent_path() / temporary).string();
}

}  // namespace

void rememberTemporary(const std::string& path) {
  const std::lock_guard lock(mutex);
  open_temporaries.insert(path);
}

void forgetTemporary(const std::string& path) {
  const std::lock_guard lock(mutex);
  open_temporaries.erase(path);
}

void removeTemporaries() {
  const std::lock_guard lock(mutex);
  std::error_code ignored;
  for (const std::string& path : open_temporaries) fs::remove_all(path, ignored);
  open_temporaries.clear();
}

AtomicOutput::AtomicOutput(const std::string& path, bool force, Type type)
    : path_(withoutSlash(path)), type_(type), force_(force) {
  const fs::path folder = fs::path(path_).parent_path().empty() ? "." : fs::path(path_).parent_path();
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw Error(Exit::CantCreate,
                {.what = "its folder does not exist", .file = path, .hint = "create the folder first"});
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    throw Error(errno == EACCES ? Exit::NoPermission : Exit::CantCreate,
                {.what = "its folder can't be written", .file = path, .got = std::strerror(errno)});
  if (fs::exists(path_, ignored)) {
    if (!force)
      throw Error(Exit::CantCreate, {.what = "the output exists", .file = path, .hint = "--force replaces it"});
    if (fs::is_directory(path_, ignored) != (type == Type::Folder))
      throw Error(
          Exit::CantCreate,
          {.what = type == Type::Folder ? "it is a file, not a folder" : "it is a folder, not a file", .file = path});
  }
  temporary_ = temporaryFor(path_);
  rememberTemporary(temporary_);
  if (type == Type::Folder) {
    fs::remove_all(temporary_, ignored);
    if (!fs::create_directory(temporary_, ignored)) {
      forgetTemporary(temporary_);
      throw Error(Exit::CantCreate, {.what = "the folder can't be created", .file = path, .got = ignored.message()});
    }
  }
}

AtomicOutput::~AtomicOutput() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
  forgetTemporary(temporary_);
}

void AtomicOutput::commit() {
  std::error_code failure;
  if (type_ == Type::Folder) {
    syncFolder(temporary_);
    if (force_ && fs::exists(path_, failure)) {
      const std::string old = temporaryFor(path_);
      rememberTemporary(old);
      fs::rename(path_, old, failure);
      if (!failure) fs::rename(temporary_, path_, failure);
      std::error_code ignored;
      fs::remove_all(old, ignored);
      forgetTemporary(old);
    } else {
      fs::rename(temporary_, path_, failure);
    }
  } else {
    syncPath(temporary_, O_RDONLY);
    fs::rename(temporary_, path_, failure);
  }
  if (failure)
    throw Error(Exit::IoError, {.what = "it can't be put in place", .file = path_, .got = failure.message()});
  committed_ = true;
  forgetTemporary(temporary_);
  const fs::path folder = fs::path(path_).parent_path();
  syncPath(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
}

}  // namespace osteo::core
