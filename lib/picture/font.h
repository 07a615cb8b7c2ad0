#pragma once
#include <array>
#include <cstdint>

namespace osteo::picture {

/// Five columns of seven bits each (bit 0 on top) of a printable ASCII character; others give a box.
std::array<std::uint8_t, 5> glyph(char c);

constexpr int kGlyphAdvance = 6, kGlyphHeight = 7;

}  // namespace osteo::picture
