#pragma once
#include <string>
#include <utility>
#include <vector>

namespace osteo::mesh {

/// Writes files (name, bytes) into a ZIP whose times are fixed, so that equal content gives equal bytes. Throws
/// IoError.
void writeZip(const std::vector<std::pair<std::string, std::string>>& files, const std::string& path);

/// True for bytes that begin like a ZIP.
bool looksZipped(const std::string& bytes);

/// The bytes of the first entry whose name ends as given; throws DataError when there is none, or when the archive is
/// damaged, encrypted, holds names that leave its folder, or announces more than deflate can hold. `path` is for the
/// message.
std::string unzipEntry(const std::string& bytes, const std::string& path, const std::string& name_ending);

/// The same checks for every entry, for archives that another library unpacks.
void requireSaneZip(const std::string& bytes, const std::string& path);

}  // namespace osteo::mesh
