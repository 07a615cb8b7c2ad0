#include "image/dicom_guard.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

namespace osteo::image {
namespace {

constexpr std::uint32_t kUndefined = 0xffffffff, kItem = 0xfffee000, kItemEnd = 0xfffee00d, kSequenceEnd = 0xfffee0dd;
constexpr std::uint32_t kPixelData = 0x7fe00010, kTransferSyntax = 0x00020010, kRecognition = 0x00080010;
constexpr int kDeepest = 16;

/// What GDCM's image reader takes as numbers or names of a fixed kind; it ends the process on any other (PS3.6). Groups
/// 0x50xx (curves) and 0x60xx (overlays) repeat.
const std::map<std::uint32_t, std::string> kKinds = {
    {0x00180050, "DS"}, {0x00180088, "DS"},    {0x00181114, "DS"},    {0x00181164, "DS"},    {0x00182010, "DS"},
    {0x00200032, "DS"}, {0x00200037, "DS"},    {0x00201041, "DS"},    {0x00280002, "US"},    {0x00280004, "CS"},
    {0x00280006, "US"}, {0x00280008, "IS"},    {0x00280009, "AT"},    {0x00280010, "US"},    {0x00280011, "US"},
    {0x00280030, "DS"}, {0x00280034, "IS"},    {0x00280100, "US"},    {0x00280101, "US"},    {0x00280102, "US"},
    {0x00280103, "US"}, {0x00281050, "DS"},    {0x00281051, "DS"},    {0x00281052, "DS"},    {0x00281053, "DS"},
    {0x00281054, "LO"}, {0x00281101, "US SS"}, {0x00281102, "US SS"}, {0x00281103, "US SS"}, {0x00282110, "CS"},
    {0x3002000c, "DS"}, {0x30020011, "DS"},    {0x3004000c, "DS"},    {0x3004000e, "DS"},    {0x30040058, "DS"},
    {0x50000005, "US"}, {0x50000010, "US"},    {0x50000020, "CS"},    {0x50000022, "LO"},    {0x50000030, "SH"},
    {0x50000103, "US"}, {0x50000110, "US"},    {0x50000112, "US"},    {0x50000114, "US"},    {0x60000010, "US"},
    {0x60000011, "US"}, {0x60000015, "IS"},    {0x60000022, "LO"},    {0x60000040, "CS"},    {0x60000050, "SS"},
    {0x60000051, "US"}, {0x60000100, "US"},    {0x60000102, "US"},    {0x60003000, "OB OW"},
};

struct Element {
  std::uint32_t tag = 0, length = 0;
  std::string vr;
};

/// Size and depth of the pixels as the header has them.
struct Layout {
  std::uint32_t samples = 1, rows = 0, columns = 0, allocated = 0, stored = 0, high = 0, is_signed = 0;
  bool sound() const {
    const bool depth =
        allocated == 1 || allocated == 8 || allocated == 12 || allocated == 16 || allocated == 32 || allocated == 64;
    return (samples == 1 || samples == 3) && rows > 0 && columns > 0 && depth && stored >= 1 && stored <= allocated &&
           high + 1 == stored && is_signed <= 1;
  }
};

class Walker {
 public:
  explicit Walker(const std::string& path) : stream_(path, std::ios::binary) {
    std::error_code failed;
    size_ = static_cast<std::int64_t>(std::filesystem::file_size(path, failed));
    if (failed) size_ = 0;
  }

  DicomState walk() {
    std::array<char, 132> start{};
    if (!stream_.read(start.data(), start.size()) || std::memcmp(&start[128], "DICM", 4) != 0)
      return DicomState::NotDicom;
    if (!walkMeta()) return DicomState::Damaged;
    bool pixels = false;
    while (left() > 0 && !pixels) {
      header_bytes_ = static_cast<std::int64_t>(stream_.tellg());
      Element element;
      if (!readHead(element) || !plausible(element)) return DicomState::Damaged;
      pixels = element.tag == kPixelData;
      if (pixels && !layout_.sound()) return DicomState::Damaged;
      if (element.tag >> 16 == 0x0028 && element.length == 2) noteLayout(element.tag);
      if (element.tag == kRecognition && !recognised()) return DicomState::Damaged;
      if (!skipValue(element, 0)) return pixels ? DicomState::CutShort : DicomState::Damaged;
    }
    end_bytes_ = size_ - left();
    if (!pixels) header_bytes_ = end_bytes_;
    return DicomState::Sound;
  }
  std::int64_t headerBytes() const { return header_bytes_; }
  std::int64_t endBytes() const { return end_bytes_; }

 private:
  std::int64_t left() { return size_ - static_cast<std::int64_t>(stream_.tellg()); }

  std::uint32_t number(int bytes) {
    std::array<unsigned char, 4> raw{};
    stream_.read(reinterpret_cast<char*>(raw.data()), bytes);
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i)
      value |= std::uint32_t{raw[static_cast<std::size_t>(big_ ? bytes - 1 - i : i)]} << (8 * i);
    return value;
  }

  bool readHead(Element& element) {
    const std::uint32_t group = number(2);
    element.tag = group << 16 | number(2);
    const bool delimiter = group == 0xfffe;
    if (implicit_ || delimiter) {
      element.length = number(4);
      return static_cast<bool>(stream_);
    }
    std::array<char, 2> vr{};
    stream_.read(vr.data(), 2);
    element.vr.assign(vr.data(), 2);
    static const std::string kLong = "OB OW OF OD OL OV SQ UC UR UT UN SV UV";
    if (kLong.find(element.vr) != std::string::npos) {
      number(2);
      element.length = number(4);
    } else {
      element.length = number(2);
    }
    return static_cast<bool>(stream_);
  }

  /// A known VR, and single 16-bit numbers where the image's layout stands.
  bool plausible(const Element& element) const {
    if (element.tag >> 16 == 0xfffe || element.tag >> 16 == 0) return false;  // items stand within sequences only
    static const std::string kKnown =
        "AE AS AT CS DA DS DT FL FD IS LO LT OB OW OF OD OL OV PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV";
    if (!implicit_ && kKnown.find(element.vr) == std::string::npos) return false;
    if (!implicit_ && (std::isupper(static_cast<unsigned char>(element.vr[0])) == 0)) return false;
    const std::uint32_t series = element.tag >> 24, first = series == 0x50 || series == 0x60 ? 0xff00ffff : 0xffffffff;
    const auto kind = kKinds.find(element.tag & first);
    if (!implicit_ && kind != kKinds.end() && kind->second.find(element.vr) == std::string::npos) return false;
    switch (element.tag) {
      case 0x00280002:
      case 0x00280010:
      case 0x00280011:
      case 0x00280100:
      case 0x00280101:
      case 0x00280102:
      case 0x00280103:
        return element.length == 2;
      default:
        return true;
    }
  }

  /// Takes a 16-bit value and goes back before it.
  void noteLayout(std::uint32_t tag) {
    const auto here = stream_.tellg();
    const std::uint32_t value = number(2);
    stream_.seekg(here);
    switch (tag & 0xffff) {
      case 0x0002:
        layout_.samples = value;
        break;
      case 0x0010:
        layout_.rows = value;
        break;
      case 0x0011:
        layout_.columns = value;
        break;
      case 0x0100:
        layout_.allocated = value;
        break;
      case 0x0101:
        layout_.stored = value;
        break;
      case 0x0102:
        layout_.high = value;
        break;
      case 0x0103:
        layout_.is_signed = value;
        break;
      default:
        break;
    }
  }

  /// The code of files before DICOM, of which GDCM bears three; the place stays.
  bool recognised() {
    const auto here = stream_.tellg();
    std::array<char, 8> code{};
    stream_.read(code.data(), code.size());
    stream_.seekg(here);
    const std::string text(code.data(), code.size());
    return text == "ACR-NEMA" || text.starts_with("ACRNEMA") || text == "MIPS 2.0";
  }

  bool skip(std::int64_t bytes) {
    if (bytes > left()) return false;
    stream_.seekg(bytes, std::ios::cur);
    return true;
  }

  bool skipValue(const Element& element, int depth) {
    const bool sequence = element.vr == "SQ";
    if (element.length != kUndefined && !sequence) return skip(element.length);
    if (element.tag == kPixelData) return element.length == kUndefined && skipFragments();
    if (depth > kDeepest || (!implicit_ && !sequence && element.vr != "UN")) return false;
    const bool was_implicit = implicit_;
    if (element.vr == "UN") implicit_ = true;  // PS3.5 6.2.2: what is unknown is encoded implicitly
    const bool good = skipItems(endOf(element), depth);
    implicit_ = was_implicit;
    return good;
  }

  /// Where a value of known length ends, else -1; a length beyond the file ends nowhere.
  std::int64_t endOf(const Element& element) {
    return element.length == kUndefined ? -1 : static_cast<std::int64_t>(stream_.tellg()) + element.length;
  }

  bool atEnd(std::int64_t end) { return end >= 0 && static_cast<std::int64_t>(stream_.tellg()) >= end; }

  bool skipItems(std::int64_t end, int depth) {
    while (!atEnd(end)) {
      Element item;
      if (!readHead(item)) return false;
      if (item.tag == kSequenceEnd) return end < 0;
      if (item.tag != kItem || !skipItem(endOf(item), depth)) return false;
    }
    return static_cast<std::int64_t>(stream_.tellg()) == end;
  }

  bool skipItem(std::int64_t end, int depth) {
    while (!atEnd(end)) {
      Element inner;
      if (!readHead(inner)) return false;
      if (inner.tag == kItemEnd) return end < 0;
      if (!plausible(inner) || !skipValue(inner, depth + 1)) return false;
    }
    return static_cast<std::int64_t>(stream_.tellg()) == end;
  }

  bool skipFragments() {
    for (;;) {
      Element item;
      if (!readHead(item)) return false;
      if (item.tag == kSequenceEnd) return true;
      if (item.tag != kItem || item.length == kUndefined || item.length > left()) return false;
      std::array<unsigned char, 4096> start{};
      const auto here = stream_.tellg();
      stream_.read(reinterpret_cast<char*>(start.data()), std::min<std::int64_t>(start.size(), item.length));
      if (!agrees(start.data(), static_cast<std::size_t>(stream_.gcount()))) return false;
      stream_.seekg(here);
      skip(item.length);
    }
  }

  /// A compressed image must be as large as the header says: decoders write as much as the stream holds.
  bool agrees(const unsigned char* bytes, std::size_t size) const {
    const auto big = [&](std::size_t at, int count) {
      std::uint32_t value = 0;
      for (int i = 0; i < count; ++i) value = value << 8 | bytes[at + static_cast<std::size_t>(i)];
      return value;
    };
    if (size >= 43 && big(0, 4) == 0xff4fff51)  // JPEG 2000: start and size marker (ISO 15444-1 A.5.1)
      return big(8, 4) - big(16, 4) == layout_.columns && big(12, 4) - big(20, 4) == layout_.rows &&
             big(40, 2) == layout_.samples && (bytes[42] & 127u) + 1 <= layout_.allocated;
    if (size < 4 || big(0, 2) != 0xffd8) return true;
    for (std::size_t at = 2; at + 10 < size && bytes[at] == 0xff;) {  // JPEG: segments up to the frame header
      const unsigned marker = bytes[at + 1];
      const bool frame =
          (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) || marker == 0xf7;
      if (frame)
        return bytes[at + 4] <= layout_.allocated && big(at + 5, 2) == layout_.rows &&
               big(at + 7, 2) == layout_.columns && bytes[at + 9] == layout_.samples;
      at += 2 + big(at + 2, 2);
    }
    return false;
  }

  /// Group 2 is always explicit little endian and names the transfer syntax of what follows.
  bool walkMeta() {
    std::string syntax;
    while (left() > 0) {
      const auto here = stream_.tellg();
      const std::uint32_t group = number(2);
      stream_.seekg(here);
      if (group != 2) break;
      Element element;
      if (!readHead(element) || !plausible(element) || element.length == kUndefined || element.length > left())
        return false;
      if (element.tag != kTransferSyntax) {
        skip(element.length);
        continue;
      }
      syntax.resize(element.length);
      stream_.read(syntax.data(), static_cast<std::streamsize>(syntax.size()));
      while (!syntax.empty() && (syntax.back() == '\0' || syntax.back() == ' ')) syntax.pop_back();
    }
    implicit_ = syntax == "1.2.840.10008.1.2";
    big_ = syntax == "1.2.840.10008.1.2.2";
    const bool deflated = syntax == "1.2.840.10008.1.2.1.99";
    return syntax.rfind("1.2.840.10008.1.2", 0) == 0 && !deflated;
  }

  std::ifstream stream_;
  std::int64_t size_ = 0, header_bytes_ = 0, end_bytes_ = 0;
  bool implicit_ = false, big_ = false;
  Layout layout_;
};

}  // namespace

DicomWalk walkDicom(const std::string& path) {
  Walker walker(path);
  const DicomState state = walker.walk();
  return {state, walker.headerBytes(), walker.endBytes()};
}

}  // namespace osteo::image
