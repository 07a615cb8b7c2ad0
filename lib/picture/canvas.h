#pragma once
#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace osteo::picture {

using Color = std::array<std::uint8_t, 3>;

/// A small RGB raster with what our pictures need; (0,0) is the upper left.
class Canvas {
 public:
  Canvas(int width, int height, Color background = {255, 255, 255});
  int width() const { return width_; }
  int height() const { return height_; }
  Color& at(int x, int y) { return pixels_[static_cast<std::size_t>(y) * width_ + x]; }
  const Color& at(int x, int y) const { return pixels_[static_cast<std::size_t>(y) * width_ + x]; }
  void blend(int x, int y, Color color, double alpha);                                  ///< ignores points outside
  void line(Eigen::Vector2d a, Eigen::Vector2d b, Color color, double width_px = 1.0);  ///< anti-aliased
  void polygon(const std::vector<std::vector<Eigen::Vector2d>>& rings, Color fill, double alpha = 1.0);  ///< even-odd
  void text(int x, int y, const std::string& ascii, Color color,
            int scale = 1);  ///< built-in 5×7 font, upper-left anchor
  void paste(const Canvas& other, int x, int y);

 private:
  int width_, height_;
  std::vector<Color> pixels_;
};

/// Pastes canvases side by side in rows of `columns`, each with its caption above.
Canvas tile(const std::vector<Canvas>& parts, const std::vector<std::string>& captions, int columns);

/// Pastes canvases of unlike heights into columns, each below what is in the shortest one, with its caption above.
Canvas stack(const std::vector<Canvas>& parts, const std::vector<std::string>& captions, int columns);

/// A picture made smaller by a whole factor, averaging, until it is at most `width_px` wide.
Canvas shrink(const Canvas& picture, int width_px);

/// Writes a PNG without clock or tool chunks. Throws IoError.
void writePng(const Canvas& canvas, const std::string& path);
/// Reads an 8-bit RGB, grey or RGBA PNG. Throws NoInput, DataError.
Canvas readPng(const std::string& path);

}  // namespace osteo::picture
