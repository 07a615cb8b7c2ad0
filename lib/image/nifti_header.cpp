// NIfTI-1 headers, after https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "image/header.h"

namespace osteo::image {
namespace {

constexpr int kHeaderBytes = 348;
using Bytes = std::array<unsigned char, kHeaderBytes>;

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& expected,
                         const std::string& got, const std::string& hint = {}) {
  throw core::Error(core::Exit::DataError,
                    {.what = what, .file = path, .expected = expected, .got = got, .hint = hint});
}

/// A field of the header at a byte offset, in the file's byte order.
template <class T>
T field(const Bytes& bytes, int offset, bool swap) {
  std::array<unsigned char, sizeof(T)> raw;
  std::copy_n(bytes.begin() + offset, sizeof(T), raw.begin());
  if (swap) std::reverse(raw.begin(), raw.end());
  T value;
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

Component componentOf(int datatype, const std::string& path) {
  static const std::map<int, Component> kTypes = {
      {2, Component::UInt8},    {4, Component::Int16},    {8, Component::Int32},    {16, Component::Float32},
      {64, Component::Float64}, {256, Component::Int8},   {512, Component::UInt16}, {768, Component::UInt32},
      {1024, Component::Int64}, {1280, Component::UInt64}};
  const auto found = kTypes.find(datatype);
  if (found == kTypes.end())
    refuse(path, "unsupported NIfTI voxel type", "whole numbers or real numbers, one channel",
           fmt::format("datatype {}", datatype));
  return found->second;
}

/// Method 3 of the standard: three rows of an affine matrix.
Eigen::Matrix4d sform(const Bytes& bytes, bool swap) {
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 4; ++column)
      affine(row, column) = double{field<float>(bytes, 280 + 16 * row + 4 * column, swap)};
  return affine;
}

/// Method 2: a unit quaternion, voxel sizes and the handedness qfac.
Eigen::Matrix4d qform(const Bytes& bytes, bool swap, const Eigen::Vector3d& spacing) {
  const double b = double{field<float>(bytes, 256, swap)}, c = double{field<float>(bytes, 260, swap)},
               d = double{field<float>(bytes, 264, swap)};
  const double a = std::sqrt(std::max(0.0, 1 - (b * b + c * c + d * d)));
  Eigen::Matrix3d rotation;
  rotation << a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c),  //
      2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b),          //
      2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c;
  const double qfac = double{field<float>(bytes, 76, swap)} < 0 ? -1 : 1;
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  affine.topLeftCorner<3, 3>() = rotation * Eigen::Vector3d(spacing[0], spacing[1], qfac * spacing[2]).asDiagonal();
  for (int row = 0; row < 3; ++row) affine(row, 3) = double{field<float>(bytes, 268 + 4 * row, swap)};
  return affine;
}

void readSizes(const Bytes& bytes, bool swap, Header& header) {
  const int dimensions = field<std::int16_t>(bytes, 40, swap);
  std::array<int, 8> size{};
  for (int i = 1; i < 8; ++i) size[i] = i <= dimensions ? field<std::int16_t>(bytes, 40 + 2 * i, swap) : 1;
  const std::string got =
      fmt::format("{} dimensions, sizes {}", dimensions, fmt::join(size.begin() + 1, size.end(), " "));
  if (dimensions < 1 || dimensions > 7 || *std::min_element(size.begin() + 1, size.end()) < 1)
    refuse(header.path, "impossible sizes in the NIfTI header", "1 to 7 dimensions, each at least 1", got);
  if (size[4] > 1 || size[6] > 1 || size[7] > 1)
    refuse(header.path, "a time series, not a volume", "a 3-D image", got, "extract one volume first");
  header.channels = size[5];
  header.dimension = dimensions;
  header.size = {size[1], size[2], size[3]};
  if ((header.size.array() == 1).count() > 1 || dimensions < 3)
    refuse(header.path, "not a three-dimensional volume", "a 3-D image", got);
}

/// The affine in mm and RAS: sform first, else qform, else the voxel sizes alone.
Eigen::Matrix4d affineOf(const Bytes& bytes, bool swap, Header& header) {
  Eigen::Vector3d spacing;
  for (int i = 0; i < 3; ++i) spacing[i] = double{field<float>(bytes, 80 + 4 * i, swap)};
  const int qform_code = field<std::int16_t>(bytes, 252, swap), sform_code = field<std::int16_t>(bytes, 254, swap);
  if (qform_code <= 0 && sform_code <= 0) {
    header.remarks.push_back("the NIfTI header gives no orientation: left and right can't be told, axes taken as RAS");
    Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
    affine.topLeftCorner<3, 3>() = spacing.asDiagonal();
    return affine;
  }
  if (sform_code <= 0) return qform(bytes, swap, spacing);
  const Eigen::Matrix4d affine = sform(bytes, swap);
  if (qform_code > 0) {
    const Eigen::Vector4d corner(header.size[0], header.size[1], header.size[2], 1);
    const Eigen::Matrix4d other = qform(bytes, swap, spacing);
    const double off = std::max(((affine - other) * corner).norm(), (affine - other).col(3).norm());
    if (off > 0.1)
      header.remarks.push_back(
          fmt::format("sform and qform disagree by {:.3g} (header units) at a corner: sform is used", off));
  }
  return affine;
}

}  // namespace

Header parseNifti(const std::string& path) {
  Header header;
  header.path = header.data_path = path;
  Bytes bytes{};
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file || gzread(file.get(), bytes.data(), kHeaderBytes) != kHeaderBytes)
    refuse(path, "the NIfTI header is cut short or damaged", "348 bytes", "fewer");
  header.gzip = gzdirect(file.get()) == 0;
  bool swap = field<std::int32_t>(bytes, 0, false) != kHeaderBytes;
  if (swap && field<std::int32_t>(bytes, 0, true) != kHeaderBytes)
    refuse(path, "not a NIfTI-1 file", "a header of 348 bytes", "something else",
           "convert NIfTI-2 or ANALYZE files to NIfTI-1 or NRRD");
  if (std::memcmp(bytes.data() + 344, "n+1", 4) != 0)
    refuse(path, "not a single-file NIfTI-1 image", "magic n+1", "another magic", "join .hdr and .img into one .nii");
  header.big_endian = swap;
  readSizes(bytes, swap, header);
  header.component = componentOf(field<std::int16_t>(bytes, 70, swap), path);
  const double offset = double{field<float>(bytes, 108, swap)};
  if (!(offset >= kHeaderBytes && offset < 1e9))
    refuse(path, "impossible voxel offset in the NIfTI header", "352 or more", fmt::format("{}", offset));
  if (!header.gzip) header.file_offset = static_cast<std::int64_t>(offset);
  const double slope = double{field<float>(bytes, 112, swap)}, intercept = double{field<float>(bytes, 116, swap)};
  if (slope != 0 && std::isfinite(slope) && std::isfinite(intercept)) {
    header.slope = slope;
    header.intercept = intercept;
  }
  const int unit = bytes[123] & 7;
  const double mm = unit == 1 ? 1000 : unit == 3 ? 1e-3 : 1;
  const Eigen::Matrix4d affine = affineOf(bytes, swap, header);
  const Eigen::Vector3d to_lps(-mm, -mm, mm);
  header.axes = to_lps.asDiagonal() * affine.topLeftCorner<3, 3>();
  header.origin_mm = affine.topRightCorner<3, 1>().cwiseProduct(to_lps);
  return header;
}

}  // namespace osteo::image
