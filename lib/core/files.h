#pragma once
#include <string>

namespace osteo::core {

/// SHA-256 of bytes, as 64 hexadecimal digits.
std::string sha256(const void* bytes, std::size_t size);
/// SHA-256 of a file, or of a folder (over the sorted relative names and hashes of its files). Throws NoInput.
std::string sha256File(const std::string& path);

/// The whole file as bytes. Throws NoInput, NoPermission, or DataError when it is larger than max_bytes.
std::string readFile(const std::string& path, std::size_t max_bytes = std::size_t{1} << 32);
/// Throws NoInput or NoPermission unless the path can be read (a file, or a folder when allowed).
void requireInput(const std::string& path, bool folder_allowed = false);

/// The lower-case ending of a file name; compound for ".seg.nrrd" and ".nii.gz".
std::string extension(const std::string& path);
std::string baseName(const std::string& path);

/// An output that appears whole or not at all: write to temporaryPath() (same folder, same ending), then commit().
/// Without commit, at destruction and on SIGINT/SIGTERM the temporary is removed.
/// Throws CantCreate when the target exists and force is false, when its folder is missing or is not writable.
class AtomicOutput {
 public:
  enum class Type { File, Folder };
  AtomicOutput(const std::string& path, bool force, Type type = Type::File);
  ~AtomicOutput();
  AtomicOutput(const AtomicOutput&) = delete;
  AtomicOutput& operator=(const AtomicOutput&) = delete;
  const std::string& path() const { return path_; }
  const std::string& temporaryPath() const { return temporary_; }
  /// fsync, then rename into place. Throws IoError.
  void commit();

 private:
  std::string path_, temporary_;
  Type type_;
  bool force_, committed_ = false;
};

/// Writes bytes through an AtomicOutput. Throws IoError.
void writeFileAtomic(const std::string& path, const std::string& bytes, bool force);
/// Writes bytes to a plain path (a temporary of an AtomicOutput); checks every step. Throws IoError.
void writeFile(const std::string& path, const std::string& bytes);

}  // namespace osteo::core
