#include "image/dicom_guard.h"

#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace osteo::image {
namespace {

constexpr std::uint32_t kUndefined = 0xffffffff, kItem = 0xfffee000, kItemEnd = 0xfffee00d, kSequenceEnd = 0xfffee0dd;
constexpr std::uint32_t kPixelData = 0x7fe00010, kTransferSyntax = 0x00020010;
constexpr int kDeepest = 16;

struct Element {
  std::uint32_t tag = 0, length = 0;
  std::string vr;
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
      Element element;
      if (!readHead(element) || !plausible(element)) return DicomState::Damaged;
      pixels = element.tag == kPixelData;
      if (!skipValue(element, 0)) return pixels ? DicomState::CutShort : DicomState::Damaged;
    }
    return DicomState::Sound;
  }

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
    switch (element.tag) {
      case 0x00280002:
      case 0x00280010:
      case 0x00280011:
      case 0x00280100:
      case 0x00280101:
      case 0x00280102:
      case 0x00280103:
        return element.length == 2 && (implicit_ || element.vr == "US");
      default:
        return true;
    }
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
      if (item.tag != kItem || item.length == kUndefined || !skip(item.length)) return false;
    }
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
  std::int64_t size_ = 0;
  bool implicit_ = false, big_ = false;
};

}  // namespace

DicomState inspectDicom(const std::string& path) { return Walker(path).walk(); }

}  // namespace osteo::image
