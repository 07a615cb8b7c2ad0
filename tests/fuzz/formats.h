#pragma once
#include <functional>
#include <string>
#include <vector>

namespace osteo::fuzz {

/// A foreign format: valid files to start from, how mutated bytes are packed, and the reader that must bear them.
struct Format {
  std::string name;
  std::string file;  ///< where the mutated bytes go, within a folder of their own
  std::function<std::vector<std::string>(const std::string& folder)> seeds;  ///< may write neighbours into the folder
  std::function<void(const std::string& path)> read;
  /// Packs mutated bytes into the file (gzip, ZIP); unset: they are the file.
  std::function<void(const std::string& bytes, const std::string& path)> pack = {};
};

const std::vector<Format>& formats();

}  // namespace osteo::fuzz
