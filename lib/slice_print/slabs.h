#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace osteo::slice_print {

/// Things with a lower and an upper end, found again by height without looking at all of them.
class Slabs {
 public:
  explicit Slabs(double height_mm = 2) : height_(height_mm) {}
  /// Things are numbered in the order in which they are added.
  void add(double low_mm, double high_mm) {
    const auto first = static_cast<std::size_t>(std::max(0.0, std::floor(low_mm / height_)));
    const auto last = static_cast<std::size_t>(std::max(0.0, std::floor(high_mm / height_)));
    if (slabs_.size() <= last) slabs_.resize(last + 1);
    for (std::size_t s = first; s <= last; ++s) slabs_[s].push_back(count_);
    ++count_;
  }
  /// Those that may span a height, in ascending order.
  const std::vector<std::uint32_t>& at(double z_mm) const {
    static const std::vector<std::uint32_t> none;
    const auto slab = static_cast<std::size_t>(std::max(0.0, std::floor(z_mm / height_)));
    return slab < slabs_.size() ? slabs_[slab] : none;
  }

 private:
  double height_;
  std::uint32_t count_ = 0;
  std::vector<std::vector<std::uint32_t>> slabs_;
};

}  // namespace osteo::slice_print
