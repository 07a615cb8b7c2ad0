#pragma once
#include <string>

namespace osteo::slice_print {

/// Text with the five characters escaped that XML and HTML give a meaning.
std::string escaped(const std::string& text);

/// Valid UTF-8 without control characters; what is not becomes U+FFFD or a space.
std::string cleanText(const std::string& text);

}  // namespace osteo::slice_print
