#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "image/volume.h"

namespace osteo::image {

struct Box;

enum class Component { Int8, UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64, Float32, Float64 };
int bytesOf(Component component);
const char* nameOf(Component component);  ///< "int16", …

/// The header of a volume file as it is stored, before its geometry is judged. Voxels lie in `data_path` from
/// `file_offset` on, x fastest.
struct Header {
  std::string path, data_path;
  std::int64_t file_offset = 0;
  bool gzip = false, from_end = false;  ///< from_end: the voxels are the last bytes of the file
  bool big_endian = false;              ///< of a NIfTI file; NRRD is turned by its reader
  Component component = Component::Int16;
  int dimension = 3, channels = 1;
  Eigen::Vector3i size = Eigen::Vector3i::Zero();
  Eigen::Matrix3d axes =
      Eigen::Matrix3d::Identity();  ///< column a: step of index a in mm, LPS; sheared when the file is
  Eigen::Vector3d origin_mm = Eigen::Vector3d::Zero();
  double slope = 1, intercept = 0;          ///< value = slope · stored + intercept
  std::vector<std::string> remarks;         ///< what was assumed, for the user
  std::map<std::string, std::string> keys;  ///< custom NRRD keys
};

/// Reads and checks the header of a .nrrd, .nhdr, .nii or .nii.gz file by its first bytes. A header that claims more
/// voxels than its data can hold is refused here, before anything is allocated. Throws NoInput, DataError.
Header readHeader(const std::string& path);
Header parseNrrd(const std::string& path);
Header parseNifti(const std::string& path);

/// Largest departure from a right angle between two of the axes, in degrees.
double shearDegrees(const Eigen::Matrix3d& axes);
/// Nearest orthonormal directions to the axes (polar decomposition) with their lengths as spacing.
Frame orthonormalFrame(const Header& header);
/// The same after a check that the axes depart from right angles by rounding only (0.01°); DataError names file and
/// angle.
Frame strictFrame(const Header& header);

/// Decodes all voxels straight to the type wanted. DataError when the data are short or damaged, on several channels,
/// on NaN or infinite values; for labels on anything but whole numbers from 0 to 65535.
/// Only those of a box inside the volume when one is given.
std::vector<float> decodeFloat(const Header& header, const Box* part = nullptr);
std::vector<std::uint16_t> decodeLabels(const Header& header);

}  // namespace osteo::image
