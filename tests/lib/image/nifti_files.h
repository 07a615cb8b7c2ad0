#pragma once
#include <cstdint>
#include <cstring>
#include <string>

/// Minimal NIfTI-1 files, written byte by byte.
namespace osteo::image::shapes {

struct NiftiSpec {
  std::int16_t dims[8] = {3, 4, 3, 2, 1, 1, 1, 1};
  std::int16_t datatype = 4, bits = 16;
  float slope = 1, intercept = 0;
  std::int16_t qform = 0, sform = 1;
  float rows[3][4] = {{2, 0, 0, -10}, {0, 2, 0, -20}, {0, 0, 3, 30}};
};

inline std::string niftiBytes(const NiftiSpec& spec, const std::string& voxels) {
  std::string out(352, '\0');
  const auto put = [&](std::size_t at, const void* value, std::size_t size) { std::memcpy(&out[at], value, size); };
  const std::int32_t size = 348;
  const float offset = 352, pixdim[8] = {1, 2, 2, 3, 1, 1, 1, 1};
  put(0, &size, 4);
  put(40, spec.dims, 16);
  put(70, &spec.datatype, 2);
  put(72, &spec.bits, 2);
  put(76, pixdim, 32);
  put(108, &offset, 4);
  put(112, &spec.slope, 4);
  put(116, &spec.intercept, 4);
  out[123] = 2;
  put(252, &spec.qform, 2);
  put(254, &spec.sform, 2);
  put(280, spec.rows, 48);
  put(344, "n+1", 4);
  return out + voxels;
}

}  // namespace osteo::image::shapes
