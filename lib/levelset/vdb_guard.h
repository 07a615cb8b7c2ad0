#pragma once
#include <string>

namespace osteo::levelset {

/// Walks a VDB file of float grids (format 222 to 224) without building them. OpenVDB takes memory for as much as a
/// length says before it looks whether the file holds it, and writes beyond its buffer where a block that is not
/// compressed is longer than its node: only files whose lengths agree are given to it. Returns what is wrong, or "".
std::string flawOfVdb(const std::string& bytes);

}  // namespace osteo::levelset
