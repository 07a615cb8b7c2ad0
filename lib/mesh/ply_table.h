#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace osteo::mesh {

/// One element type of a PLY file (Turk 1994), columns as doubles; for this folder's .cpp files.
struct PlyElement {
  std::string name;
  std::size_t rows = 0;
  std::vector<std::string> columns;         ///< scalar properties
  std::vector<std::vector<double>> values;  ///< per column, rows long
  std::vector<std::uint32_t> list;          ///< the first list property: all entries one after the other
  std::vector<std::uint32_t> list_sizes;    ///< per row
  /// The column of that name; null when absent.
  const std::vector<double>* column(const std::string& column_name) const;
};

struct PlyFile {
  std::string comments;
  std::vector<PlyElement> elements;
  const PlyElement* element(const std::string& element_name) const;
};

/// Parses ASCII and binary PLY of either byte order. Throws DataError when truncated, inconsistent or not finite;
/// counts are checked against the bytes there are before anything is allocated.
PlyFile parsePly(const std::string& bytes, const std::string& path);

}  // namespace osteo::mesh
