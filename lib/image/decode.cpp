// Voxels by the field's own readers: NRRD through ITK, NIfTI through ITK's niftilib (whose ImageIO refuses sheared
// affines that `import` has to repair). The header was judged before, so nothing hostile reaches them with a large
// allocation.
#include <fmt/format.h>
#include <itkNrrdImageIO.h>
#include <nifti1_io.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <type_traits>

#include "core/error.h"
#include "core/files.h"
#include "image/header.h"
#include "image/resample.h"

namespace osteo::image {
namespace {

[[noreturn]] void refuse(const Header& header, const std::string& what, const std::string& expected,
                         const std::string& got, const std::string& hint = {}) {
  throw core::Error(core::Exit::DataError,
                    {.what = what, .file = header.path, .expected = expected, .got = got, .hint = hint});
}

using Bytes = std::unique_ptr<void, void (*)(void*)>;

std::int64_t voxelBytes(const Header& header) {
  return header.size.cast<std::int64_t>().prod() * bytesOf(header.component);
}

[[noreturn]] void refuseDamaged(const Header& header, const std::string& got) {
  refuse(header, "the voxels are cut short or damaged", fmt::format("{} bytes", voxelBytes(header)), got,
         "copy the file again from its source");
}

Bytes readNrrd(const Header& header) {
  const auto io = itk::NrrdImageIO::New();
  io->SetFileName(header.path);
  try {
    io->ReadImageInformation();
    if (static_cast<std::int64_t>(io->GetImageSizeInBytes()) != voxelBytes(header))
      refuseDamaged(header, fmt::format("{} bytes", io->GetImageSizeInBytes()));
    Bytes bytes(std::malloc(static_cast<std::size_t>(voxelBytes(header))), std::free);
    if (!bytes) throw std::bad_alloc();
    io->Read(bytes.get());
    return bytes;
  } catch (const itk::ExceptionObject& e) {
    std::string reason = e.GetDescription();
    if (const auto line = reason.find_last_not_of('\n'); line != std::string::npos) reason.resize(line + 1);
    refuseDamaged(header, reason.substr(reason.rfind('\n') + 1));
  }
}

/// By niftilib's stream, not by its image reader, which fills missing voxels and NaN with zeros and says nothing.
Bytes readNifti(const Header& header) {
  nifti_set_debug_level(0);
  const std::unique_ptr<nifti_image, void (*)(nifti_image*)> image(nifti_image_read(header.path.c_str(), 0),
                                                                   nifti_image_free);
  if (!image) refuseDamaged(header, "a header that niftilib refuses");
  znzFile stream = znzopen(header.path.c_str(), "rb", 1);
  Bytes bytes(std::malloc(static_cast<std::size_t>(voxelBytes(header))), std::free);
  if (!bytes) throw std::bad_alloc();
  const auto wanted = static_cast<std::size_t>(voxelBytes(header));
  std::size_t got = 0;
  if (!znz_isnull(stream) && znzseek(stream, image->iname_offset, SEEK_SET) >= 0)
    got = znzread(bytes.get(), 1, wanted, stream);
  char extra;  // reading on to the end lets zlib check the sum
  const bool sum_bad = got == wanted && znzread(&extra, 1, 1, stream) == static_cast<std::size_t>(-1);
  Xznzclose(&stream);
  if (got != wanted || sum_bad)
    refuseDamaged(header, got == wanted ? "a wrong check sum" : fmt::format("{} bytes", got));
  if (header.big_endian && image->swapsize > 1)
    nifti_swap_Nbytes(static_cast<size_t>(image->nvox), image->swapsize, bytes.get());
  return bytes;
}

/// Converts stored voxels; false when a value can't be held by Out.
template <class Stored, class Out>
bool convertRow(const Stored* stored, const Header& header, std::size_t n, Out* out) {
  bool good = true;
  const bool plain = header.slope == 1 && header.intercept == 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double scaled = plain ? 0.0 : header.slope * static_cast<double>(stored[i]) + header.intercept;
    if constexpr (std::is_same_v<Out, float>) {
      out[i] = plain ? static_cast<float>(stored[i]) : static_cast<float>(scaled);
      good = good && std::isfinite(out[i]);
    } else {
      const double value = plain ? static_cast<double>(stored[i]) : scaled;
      const bool fits = value >= 0 && value <= 65535 && std::floor(value) == value;
      good = good && fits;
      out[i] = fits ? static_cast<Out>(value) : Out{0};
    }
  }
  return good;
}

template <class Out>
struct Target {
  Box part;
  std::vector<Out> voxels;
};

/// All voxels that are wanted, row by row.
template <class Stored, class Out>
bool convert(const void* bytes, const Header& header, Target<Out>& out) {
  bool good = true;
  const Eigen::Vector3i &low = out.part.low, &size = out.part.size;
  std::size_t to = 0;
  for (int k = low[2]; k < low[2] + size[2]; ++k) {
    for (int j = low[1]; j < low[1] + size[1]; ++j, to += static_cast<std::size_t>(size[0])) {
      const std::int64_t from = low[0] + std::int64_t{header.size[0]} * (j + std::int64_t{header.size[1]} * k);
      good = convertRow(static_cast<const Stored*>(bytes) + from, header, static_cast<std::size_t>(size[0]),
                        out.voxels.data() + to) &&
             good;
    }
  }
  return good;
}

template <class Out>
bool convertAny(const void* bytes, const Header& header, Target<Out>& out) {
  switch (header.component) {
    case Component::Int8:
      return convert<std::int8_t>(bytes, header, out);
    case Component::UInt8:
      return convert<std::uint8_t>(bytes, header, out);
    case Component::Int16:
      return convert<std::int16_t>(bytes, header, out);
    case Component::UInt16:
      return convert<std::uint16_t>(bytes, header, out);
    case Component::Int32:
      return convert<std::int32_t>(bytes, header, out);
    case Component::UInt32:
      return convert<std::uint32_t>(bytes, header, out);
    case Component::Int64:
      return convert<std::int64_t>(bytes, header, out);
    case Component::UInt64:
      return convert<std::uint64_t>(bytes, header, out);
    case Component::Float32:
      return convert<float>(bytes, header, out);
    case Component::Float64:
      break;
  }
  return convert<double>(bytes, header, out);
}

template <class Out>
std::vector<Out> decode(const Header& header, const Box& part) {
  if (header.channels != 1)
    refuse(header, "several channels per voxel", "one value per voxel", fmt::format("{} channels", header.channels),
           "extract one channel; write overlapping segments into one layer");
  const std::string ending = core::extension(header.path);
  const Bytes bytes = ending == ".nii" || ending == ".nii.gz" ? readNifti(header) : readNrrd(header);
  Target<Out> out{part, std::vector<Out>(static_cast<std::size_t>(part.size.cast<std::int64_t>().prod()))};
  if (convertAny(bytes.get(), header, out)) return std::move(out.voxels);
  if (std::is_same_v<Out, float>)
    refuse(header, "the volume holds NaN or infinite voxels", "finite values", "NaN or infinity",
           "mask them or set them to air (-1000 HU) first");
  refuse(header, "not a label volume", "whole numbers from 0 to 65535", "another value",
         "give the segmentation, not the grey values");
}

}  // namespace

std::vector<float> decodeFloat(const Header& header, const Box* part) {
  return decode<float>(header, part != nullptr ? *part : Box{Eigen::Vector3i::Zero(), header.size});
}
std::vector<std::uint16_t> decodeLabels(const Header& header) {
  return decode<std::uint16_t>(header, {Eigen::Vector3i::Zero(), header.size});
}

}  // namespace osteo::image
