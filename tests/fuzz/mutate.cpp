#include "mutate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>

namespace osteo::fuzz {
namespace {

constexpr std::array<const char*, 16> kNumbers = {
    "-1",  "0",   "1",     "255",    "65536",  "2147483648", "4294967295", "1e308",
    "nan", "inf", "-1e-9", "1e-320", "1e9999", "0x7f",       "",           "99999999999999999999"};

std::size_t blockLength(const std::string& bytes, Dice& dice) {
  constexpr std::array<std::size_t, 5> kLongest = {4, 16, 64, 1024, 65536};
  return 1 + dice.below(std::min(bytes.size(), kLongest[dice.below(kLongest.size())]));
}

/// Half of the places lie in the first bytes, where headers are.
std::size_t place(const std::string& bytes, Dice& dice) {
  return dice.below(dice.below(2) == 0 ? std::min<std::size_t>(bytes.size(), 512) : bytes.size());
}

void setInteger(std::string& bytes, Dice& dice) {
  constexpr std::array<std::uint64_t, 12> kExtremes = {0,
                                                       1,
                                                       0xff,
                                                       0x7fff,
                                                       0x8000,
                                                       0xffff,
                                                       0x7fffffff,
                                                       0x80000000,
                                                       0xffffffff,
                                                       0x40000000,
                                                       ~std::uint64_t{0},
                                                       std::uint64_t{1} << 63};
  const std::size_t width = std::size_t{1} << dice.below(4), at = place(bytes, dice);
  std::uint64_t value = kExtremes[dice.below(kExtremes.size())];
  if (dice.below(4) == 0) value = bytes.size() + dice.below(3) - 1;
  const bool big = dice.below(4) == 0;
  for (std::size_t i = 0; i < width && at + i < bytes.size(); ++i)
    bytes[at + i] = static_cast<char>(value >> (8 * (big ? width - 1 - i : i)));
}

void setReal(std::string& bytes, Dice& dice) {
  const std::array<float, 8> kExtremes = {std::numeric_limits<float>::quiet_NaN(),
                                          std::numeric_limits<float>::infinity(),
                                          -std::numeric_limits<float>::infinity(),
                                          3e38F,
                                          -3e38F,
                                          1e-42F,
                                          -0.0F,
                                          1e10F};
  const float value = kExtremes[dice.below(kExtremes.size())];
  const auto wide = static_cast<double>(value);
  const bool is_double = dice.below(2) == 0;
  const std::size_t width = is_double ? 8 : 4, at = place(bytes, dice);
  if (at + width > bytes.size()) return;
  std::memcpy(&bytes[at], is_double ? static_cast<const void*>(&wide) : &value, width);
}

/// The next run of digits from a place on gives way to another number.
void setNumber(std::string& bytes, Dice& dice) {
  const std::size_t first = bytes.find_first_of("0123456789", place(bytes, dice));
  if (first == std::string::npos) return;
  const std::size_t end = std::min(bytes.find_first_not_of("0123456789.eE", first), bytes.size());
  bytes.replace(first, end - first, kNumbers[dice.below(kNumbers.size())]);
}

void insertNoise(std::string& bytes, Dice& dice) {
  std::string noise(1 + dice.below(32), '\0');
  for (char& c : noise) c = static_cast<char>(dice.below(256));
  bytes.insert(place(bytes, dice), noise);
}

void moveBlock(std::string& bytes, const std::string& from, Dice& dice) {
  if (from.empty()) return;
  const std::size_t length = blockLength(from, dice), source = place(from, dice), target = place(bytes, dice);
  const std::string block = from.substr(source, length);
  if (dice.below(2) == 0)
    bytes.insert(target, block);
  else
    bytes.replace(target, block.size(), block);
}

/// A line or an XML element's text: what stands between two equal separators is repeated many times.
void repeatBlock(std::string& bytes, Dice& dice) {
  const std::size_t length = std::min<std::size_t>(blockLength(bytes, dice), 256), at = place(bytes, dice);
  const std::string block = bytes.substr(at, length);
  std::string many;
  for (std::size_t n = 2 + dice.below(400); n > 0; --n) many += block;
  bytes.insert(at, many);
}

void changeOnce(std::string& bytes, const std::string& other, Dice& dice) {
  const std::size_t at = place(bytes, dice);
  switch (dice.below(13)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8)));
      return;
    case 1:
      bytes[at] = static_cast<char>(dice.below(256));
      return;
    case 2:
    case 3:
      return setInteger(bytes, dice);
    case 4:
      return setReal(bytes, dice);
    case 5:
    case 6:
    case 7:
      return setNumber(bytes, dice);
    case 8:
      bytes.erase(at, blockLength(bytes, dice));
      return;
    case 9:
      return moveBlock(bytes, bytes, dice);
    case 10:
      return moveBlock(bytes, other, dice);
    case 11:
      return dice.below(8) == 0 ? repeatBlock(bytes, dice) : insertNoise(bytes, dice);
    default:
      bytes.resize(dice.below(4) == 0 ? dice.below(bytes.size())
                                      : bytes.size() - dice.below(std::min<std::size_t>(bytes.size(), 64)));
  }
}

}  // namespace

std::string mutate(const std::string& good, const std::string& other, Dice& dice) {
  std::string bytes = good;
  const std::size_t changes = 1 + dice.below(dice.below(2) == 0 ? 1 : 6);
  for (std::size_t i = 0; i < changes && !bytes.empty(); ++i) changeOnce(bytes, other, dice);
  if (bytes.size() > good.size() + 65536) bytes.resize(good.size() + 65536);
  return bytes;
}

}  // namespace osteo::fuzz
