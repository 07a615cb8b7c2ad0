#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <type_traits>

#include "core/error.h"
#include "image/header.h"

namespace osteo::image {
namespace {

constexpr std::int64_t kBlock = std::int64_t{1} << 18;  // voxels decoded at a time

[[noreturn]] void refuse(const Header& header, const std::string& what, const std::string& expected,
                         const std::string& got, const std::string& hint = {}) {
  throw core::Error(core::Exit::DataError,
                    {.what = what, .file = header.path, .expected = expected, .got = got, .hint = hint});
}

/// The voxels' bytes, one after the other.
class ByteSource {
 public:
  explicit ByteSource(const Header& header) : header_(header), raw_(nullptr, std::fclose), gzip_(nullptr, gzclose) {
    raw_.reset(std::fopen(header.data_path.c_str(), "rb"));
    const std::int64_t from_end = header.size.cast<std::int64_t>().prod() * bytesOf(header.component);
    if (!raw_ || (header.from_end ? std::fseek(raw_.get(), -from_end, SEEK_END)
                                  : std::fseek(raw_.get(), header.file_offset, SEEK_SET)) != 0)
      refuse(header, "the voxels can't be read", "a file that can be opened", "an error");
    if (!header.gzip) return;
    const int descriptor = ::dup(::fileno(raw_.get()));
    ::lseek(descriptor, header.file_offset, SEEK_SET);
    gzip_.reset(gzdopen(descriptor, "rb"));
    if (!gzip_) throw std::bad_alloc();
    gzbuffer(gzip_.get(), 1 << 18);
    if (gzdirect(gzip_.get()))
      refuse(header, "the voxels are not compressed as the header says", "gzip", "something else");
    skip(header.stream_skip);
  }
  /// Fills the buffer, or refuses the file as cut short or damaged.
  void read(void* buffer, std::int64_t size) {
    const std::int64_t got =
        gzip_ ? gzread(gzip_.get(), buffer, static_cast<unsigned>(size))
              : static_cast<std::int64_t>(std::fread(buffer, 1, static_cast<std::size_t>(size), raw_.get()));
    if (got > 0) done_ += got;
    if (got != size)
      refuse(header_, got < 0 ? "the compressed voxels are damaged" : "the voxels are cut short",
             fmt::format("{} bytes", header_.size.cast<std::int64_t>().prod() * bytesOf(header_.component)),
             fmt::format("{}", done_), "copy the file again from its source");
  }
  /// Reading on to the end lets zlib check the sum over a gzip member.
  void finish() {
    char extra;
    if (gzip_ && gzread(gzip_.get(), &extra, 1) < 0)
      refuse(header_, "the compressed voxels are damaged", "a correct gzip check sum", "another one",
             "copy the file again from its source");
  }

 private:
  void skip(std::int64_t bytes) {
    std::vector<char> waste(std::size_t{1} << 16);
    while (bytes > 0) {
      const std::int64_t part = std::min(bytes, static_cast<std::int64_t>(waste.size()));
      read(waste.data(), part);
      bytes -= part;
    }
    done_ = 0;
  }

  const Header& header_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> raw_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> gzip_;
  std::int64_t done_ = 0;
};

template <class Stored>
Stored stored(const unsigned char* bytes, bool swap) {
  unsigned char raw[sizeof(Stored)];
  std::memcpy(raw, bytes, sizeof(Stored));
  if (swap) std::reverse(raw, raw + sizeof(Stored));
  Stored value;
  std::memcpy(&value, raw, sizeof(Stored));
  return value;
}

/// Appends one block of voxels; false when a value can't be held by Out.
template <class Stored, class Out>
bool appendBlock(const std::vector<unsigned char>& bytes, std::int64_t count, const Header& header,
                 std::vector<Out>& out) {
  bool good = true;
  const bool plain = header.slope == 1 && header.intercept == 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const Stored raw = stored<Stored>(bytes.data() + i * static_cast<std::int64_t>(sizeof(Stored)), header.big_endian);
    if constexpr (std::is_same_v<Out, float>) {
      const float value = plain ? static_cast<float>(raw)
                                : static_cast<float>(header.slope * static_cast<double>(raw) + header.intercept);
      good = good && std::isfinite(value);
      out.push_back(value);
    } else {
      const double value =
          plain ? static_cast<double>(raw) : header.slope * static_cast<double>(raw) + header.intercept;
      const bool fits = value >= 0 && value <= 65535 && std::floor(value) == value;
      good = good && fits;
      out.push_back(fits ? static_cast<Out>(value) : Out{0});
    }
  }
  return good;
}

template <class Stored, class Out>
void decodeAs(const Header& header, std::vector<Out>& out) {
  ByteSource source(header);
  const std::int64_t count = header.size.cast<std::int64_t>().prod();
  out.reserve(static_cast<std::size_t>(count));
  std::vector<unsigned char> bytes(static_cast<std::size_t>(std::min(count, kBlock)) * sizeof(Stored));
  for (std::int64_t at = 0; at < count; at += kBlock) {
    const std::int64_t block = std::min(kBlock, count - at);
    source.read(bytes.data(), block * static_cast<std::int64_t>(sizeof(Stored)));
    if (appendBlock<Stored>(bytes, block, header, out)) continue;
    if (std::is_same_v<Out, float>)
      refuse(header, "the volume holds NaN or infinite voxels", "finite values",
             fmt::format("NaN or infinity after voxel {}", at), "mask them or set them to air (-1000 HU) first");
    refuse(header, "not a label volume", "whole numbers from 0 to 65535",
           fmt::format("another value after voxel {}", at), "give the segmentation, not the grey values");
  }
  source.finish();
}

template <class Out>
std::vector<Out> decode(const Header& header) {
  if (header.channels != 1)
    refuse(header, "several channels per voxel", "one value per voxel", fmt::format("{} channels", header.channels),
           "extract one channel; write overlapping segments into one layer");
  std::vector<Out> out;
  switch (header.component) {
    case Component::Int8:
      decodeAs<std::int8_t>(header, out);
      break;
    case Component::UInt8:
      decodeAs<std::uint8_t>(header, out);
      break;
    case Component::Int16:
      decodeAs<std::int16_t>(header, out);
      break;
    case Component::UInt16:
      decodeAs<std::uint16_t>(header, out);
      break;
    case Component::Int32:
      decodeAs<std::int32_t>(header, out);
      break;
    case Component::UInt32:
      decodeAs<std::uint32_t>(header, out);
      break;
    case Component::Int64:
      decodeAs<std::int64_t>(header, out);
      break;
    case Component::UInt64:
      decodeAs<std::uint64_t>(header, out);
      break;
    case Component::Float32:
      decodeAs<float>(header, out);
      break;
    case Component::Float64:
      decodeAs<double>(header, out);
      break;
  }
  return out;
}

}  // namespace

std::vector<float> decodeFloat(const Header& header) { return decode<float>(header); }
std::vector<std::uint16_t> decodeLabels(const Header& header) { return decode<std::uint16_t>(header); }

}  // namespace osteo::image
