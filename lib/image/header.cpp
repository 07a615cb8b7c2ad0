#include "image/header.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "core/error.h"
#include "core/files.h"

namespace osteo::image {
namespace {

constexpr double kRoundingDegrees = 0.01;

/// Refuses a header that claims more voxels than its data can hold; deflate shrinks by 1032 at most.
void requireRoom(const Header& header) {
  double needed = header.channels * static_cast<double>(bytesOf(header.component));
  for (int axis = 0; axis < 3; ++axis) needed *= header.size[axis];
  const auto held = static_cast<double>(std::filesystem::file_size(header.data_path)) -
                    static_cast<double>(header.from_end ? 0 : header.file_offset);
  if (needed <= (header.gzip ? 1032 * held : held)) return;
  throw core::Error(core::Exit::DataError,
                    {.what = "the voxels are cut short",
                     .file = header.path,
                     .expected = fmt::format("{:.0f} bytes as sizes {} {} {} say", needed, header.size[0],
                                             header.size[1], header.size[2]),
                     .got = fmt::format("{:.0f} bytes{}", std::max(held, 0.0), header.gzip ? " compressed" : ""),
                     .hint = "copy the file again from its source"});
}

void requireGeometry(const Header& header) {
  const bool finite = header.axes.allFinite() && header.origin_mm.allFinite();
  if (finite) {
    const double lengths = header.axes.colwise().norm().prod(), volume = std::abs(header.axes.determinant());
    const Eigen::Vector3d spacing = header.axes.colwise().norm();
    if (spacing.minCoeff() > 1e-6 && spacing.maxCoeff() < 1e4 && header.origin_mm.cwiseAbs().maxCoeff() < 1e7 &&
        volume > 0.1 * lengths)
      return;
  }
  throw core::Error(core::Exit::DataError, {.what = "the header's geometry is impossible",
                                            .file = header.path,
                                            .expected = "three independent axes with voxels from 1e-6 to 1e4 mm",
                                            .got = finite ? "degenerate axes" : "numbers that are not finite"});
}

}  // namespace

int bytesOf(Component component) {
  constexpr std::array<int, 10> kBytes = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
  return kBytes[static_cast<std::size_t>(component)];
}

const char* nameOf(Component component) {
  constexpr std::array<const char*, 10> kNames = {"int8",   "uint8", "int16",  "uint16",  "int32",
                                                  "uint32", "int64", "uint64", "float32", "float64"};
  return kNames[static_cast<std::size_t>(component)];
}

Header readHeader(const std::string& path) {
  core::requireInput(path);
  std::ifstream stream(path, std::ios::binary);
  std::array<char, 4> start{};
  stream.read(start.data(), start.size());
  const std::string magic(start.data(), static_cast<std::size_t>(stream.gcount()));
  const std::string ending = core::extension(path);
  const bool nifti = ending == ".nii" || ending == ".nii.gz";
  if (magic.empty())
    throw core::Error(core::Exit::DataError,
                      {.what = "the file is empty", .file = path, .expected = "a volume", .got = "0 bytes"});
  if (magic != "NRRD" && !nifti)
    throw core::Error(core::Exit::DataError, {.what = "not a volume that can be read",
                                              .file = path,
                                              .expected = "NRRD (.nrrd) or NIfTI-1 (.nii, .nii.gz)",
                                              .got = "another format or a damaged start",
                                              .hint = "`import` reads DICOM folders"});
  Header header = magic == "NRRD" ? parseNrrd(path) : parseNifti(path);
  requireGeometry(header);
  requireRoom(header);
  return header;
}

double shearDegrees(const Eigen::Matrix3d& axes) {
  const Eigen::Matrix3d unit = axes.colwise().normalized();
  const Eigen::Matrix3d dots = unit.transpose() * unit;
  const double worst = std::max({std::abs(dots(0, 1)), std::abs(dots(0, 2)), std::abs(dots(1, 2))});
  return std::asin(std::min(worst, 1.0)) * 180 / std::numbers::pi;
}

Frame orthonormalFrame(const Header& header) {
  Frame frame;
  frame.size = header.size;
  frame.origin_mm = header.origin_mm;
  frame.spacing_mm = header.axes.colwise().norm();
  const Eigen::Matrix3d unit = header.axes.colwise().normalized();
  if (shearDegrees(header.axes) < 1e-9) {
    frame.direction = unit;  // bit for bit what the file says
  } else {
    const Eigen::JacobiSVD<Eigen::Matrix3d> svd(unit, Eigen::ComputeFullU | Eigen::ComputeFullV);
    frame.direction = svd.matrixU() * svd.matrixV().transpose();
  }
  const auto key = [&](const char* name) { return header.keys.count(name) ? header.keys.at(name) : std::string{}; };
  frame.frame_id = key("frame_id");
  const double gap = std::atof(key("slice_gap_mm").c_str());
  frame.slice_gap_mm = gap > 0 && gap < 1e4 ? gap : 0;
  return frame;
}

Frame strictFrame(const Header& header) {
  const double degrees = shearDegrees(header.axes);
  if (degrees > kRoundingDegrees)
    throw core::Error(
        core::Exit::DataError,
        {.what = "the image axes are sheared",
         .file = header.path,
         .expected = "right angles between the axes",
         .got = fmt::format("{:.3f} degrees off (gantry tilt or a sheared affine)", degrees),
         .hint = degrees < 0.1 ? "repair with `import --fix orthonormalize`" : "repair with `import --fix resample`"});
  return orthonormalFrame(header);
}

}  // namespace osteo::image
