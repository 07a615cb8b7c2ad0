#pragma once
#include <string>

#include "picture/canvas.h"
#include "picture/rasterizer.h"

/// What is written over pictures; for this folder's .cpp files.
namespace osteo::picture {

constexpr Color kInk = {40, 40, 40};

/// "12.5" or "3e+05": at most four significant digits.
std::string shortNumber(double value);
/// The largest of 1, 2 or 5 times a power of ten that is not above the limit.
double niceBelow(double limit);
int textWidth(const std::string& text, int scale);
/// Text over a light halo, readable on any ground.
void haloText(Canvas& canvas, int x, int y, const std::string& text, int scale = 1);

/// A bar of a round length in mm in the lower left corner.
void drawScaleBar(Canvas& canvas, double pixels_per_mm, Color ink = kInk);
/// The directions L, P and S in the lower right corner.
void drawTriad(Canvas& canvas, const Camera& camera);
/// The colour map with its ends and title at the right edge.
void drawColorBar(Canvas& canvas, double low, double high, const std::string& title);

}  // namespace osteo::picture
