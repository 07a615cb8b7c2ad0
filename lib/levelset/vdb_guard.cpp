#include "levelset/vdb_guard.h"

#include <bit>
#include <cstdint>
#include <map>

namespace osteo::levelset {
namespace {

// After openvdb/io/Archive.cc, io/Compression.h and tree/*Node.h of OpenVDB 10.
constexpr std::size_t kHeader = 57;                    // magic, versions, the offsets' flag, UUID
constexpr std::size_t kMaskBytes[] = {64, 512, 4096};  // leaf, lower and upper inner nodes: one bit a slot
constexpr std::uint32_t kZip = 1, kActiveMask = 2, kBlosc = 4;
enum Stored { OneInactive = 2, Mask = 3, MaskOneInactive = 4, MaskTwoInactive = 5, AllValues = 6 };

const std::map<std::string, std::size_t> kMapBytes = {
    {"UniformScaleMap", 120},   {"ScaleMap", 120},  {"UniformScaleTranslateMap", 144},
    {"ScaleTranslateMap", 144}, {"AffineMap", 128}, {"UnitaryMap", 128},
    {"TranslationMap", 24}};

class Walker {
 public:
  explicit Walker(const std::string& bytes) : bytes_(bytes) {}

  std::string flaw() {
    at_ = 8;
    const std::uint64_t version = number(4);
    if (version < 222 || version > 224) return "a file version other than 222 to 224";
    at_ = kHeader;
    const bool offsets = bytes_.size() >= kHeader && bytes_[kHeader - 37] != 0;
    skipMetadata();
    const std::uint64_t grids = number(4);
    for (std::uint64_t grid = 0; good_ && grid < grids; ++grid)
      if (const std::string flaw = flawOfGrid(offsets); !flaw.empty()) return flaw;
    return good_ ? "" : "lengths that the file does not hold";
  }

 private:
  std::string flawOfGrid(bool offsets) {
    text();
    const std::string type = text();
    const bool instance = !text().empty();
    value_bytes_ = type == "Tree_float_5_4_3_HalfFloat" ? 2 : 4;
    if (good_ && type != "Tree_float_5_4_3" && value_bytes_ != 2) return "a grid of the type " + type.substr(0, 60);
    const std::uint64_t begin = number(8);
    number(8);
    const std::uint64_t end = number(8);
    if (good_ && offsets && begin != at_) return "a grid that is not where its header says";
    compression_ = static_cast<std::uint32_t>(number(4));
    skipMetadata();
    const auto map = kMapBytes.find(text());
    if (good_ && map == kMapBytes.end()) return "voxels that are no boxes";
    if (good_) skip(map->second);
    if (good_ && !instance) skipTree();
    if (good_ && offsets && end != at_) return "a grid that does not end where its header says";
    return {};
  }

  void skipTree() {
    skip(4 + 4);  // number of buffers, background
    const std::uint64_t tiles = number(4), children = number(4);
    if (tiles > bytes_.size() / 17) good_ = false;
    skip(17 * tiles);  // place, value, active
    std::uint64_t leaves = 0;
    for (std::uint64_t child = 0; good_ && child < children; ++child) {
      skip(12);
      leaves += skipTopology(2);
    }
    for (std::uint64_t leaf = 0; good_ && leaf < leaves; ++leaf) skipValues(0, mask(0));
  }

  /// Number of leaves below.
  std::uint64_t skipTopology(int level) {
    const std::uint64_t children = mask(level);
    if (level == 0) return 1;
    skipValues(level, mask(level));
    std::uint64_t leaves = 0;
    for (std::uint64_t child = 0; good_ && child < children; ++child) leaves += skipTopology(level - 1);
    return leaves;
  }

  void skipValues(int level, std::uint64_t active) {
    const std::uint64_t stored = number(1);
    if (stored == OneInactive || stored == MaskOneInactive) skip(4);
    if (stored == MaskTwoInactive) skip(8);
    if (stored == Mask || stored == MaskOneInactive || stored == MaskTwoInactive) skip(kMaskBytes[level]);
    const bool sparse = (compression_ & kActiveMask) != 0 && stored != AllValues;
    skipBlock(value_bytes_ * (sparse ? active : 8 * kMaskBytes[level]));
  }

  void skipBlock(std::uint64_t bytes) {
    if (bytes == 0 && value_bytes_ == 2) return;  // the reader of half floats takes no empty blocks
    if ((compression_ & (kZip | kBlosc)) == 0) return skip(bytes);
    const auto packed = static_cast<std::int64_t>(number(8));  // not above 0: minus the bytes, which are not packed
    if (packed <= 0 && packed != -static_cast<std::int64_t>(bytes)) good_ = false;
    skip(packed > 0 ? static_cast<std::uint64_t>(packed) : bytes);
  }

  /// Skips a mask; the number of its bits that are set.
  std::uint64_t mask(int level) {
    const std::size_t first = at_;
    skip(kMaskBytes[level]);
    std::uint64_t bits = 0;
    for (std::size_t i = first; i < at_; ++i) bits += std::popcount(static_cast<unsigned char>(bytes_[i]));
    return bits;
  }

  std::uint64_t number(std::size_t width) {
    const std::size_t first = at_;
    skip(width);
    std::uint64_t value = 0;
    for (std::size_t i = at_; i > first; --i) value = value << 8 | static_cast<unsigned char>(bytes_[i - 1]);
    return value;
  }

  std::string text() {
    const std::uint64_t length = number(4);
    const std::size_t first = at_;
    skip(length);
    return bytes_.substr(first, at_ - first);
  }

  void skipMetadata() {
    const std::uint64_t entries = number(4);
    for (std::uint64_t entry = 0; good_ && entry < entries; ++entry)
      for (int part = 0; part < 3; ++part) skip(number(4));  // name, type, value
  }

  /// Stays where it is when the file ends before.
  void skip(std::uint64_t length) {
    good_ = good_ && at_ <= bytes_.size() && length <= bytes_.size() - at_;
    if (good_) at_ += length;
  }

  const std::string& bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
  std::uint32_t compression_ = 0;
  std::uint64_t value_bytes_ = 4;
};

}  // namespace

std::string flawOfVdb(const std::string& bytes) { return Walker(bytes).flaw(); }

}  // namespace osteo::levelset
