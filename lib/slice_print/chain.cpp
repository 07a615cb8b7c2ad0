#include "slice_print/chain.h"

#include <bit>
#include <cmath>

#include "core/random.h"

namespace osteo::slice_print {

namespace {

constexpr double kSamePoint_mm = 1e-7;
constexpr double kNoArea_mm2 = 1e-10;

// Finds cuts by the edge on which they start: open addressing, at most half full; a cut is taken out once it is found.
class CutTable {
 public:
  explicit CutTable(const std::vector<Cut>& cuts)
      : cuts_(cuts), mask_(std::bit_ceil(2 * cuts.size() + 1) - 1), slots_(mask_ + 1, 0), used_(cuts.size(), 0) {
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      std::size_t slot = core::mix(cuts[i].from) & mask_;
      while (slots_[slot] != 0) slot = (slot + 1) & mask_;
      slots_[slot] = static_cast<std::uint32_t>(i + 1);
    }
  }
  bool used(std::size_t cut) const { return used_[cut]; }
  void use(std::size_t cut) { used_[cut] = 1; }
  // Index of the first unused cut that starts on the edge, or −1.
  std::int64_t find(std::uint64_t edge) const {
    for (std::size_t slot = core::mix(edge) & mask_; slots_[slot] != 0; slot = (slot + 1) & mask_) {
      const std::size_t cut = slots_[slot] - 1;
      if (!used_[cut] && cuts_[cut].from == edge) return static_cast<std::int64_t>(cut);
    }
    return -1;
  }

 private:
  const std::vector<Cut>& cuts_;
  std::size_t mask_;
  std::vector<std::uint32_t> slots_;
  std::vector<char> used_;
};

void append(Ring& ring, const Point& p) {
  if (ring.empty() || (ring.back() - p).squaredNorm() > kSamePoint_mm * kSamePoint_mm) ring.push_back(p);
}

bool hasArea(Ring& ring) {
  while (ring.size() > 1 && (ring.back() - ring.front()).squaredNorm() <= kSamePoint_mm * kSamePoint_mm)
    ring.pop_back();
  return ring.size() >= 3 && std::abs(signedArea_mm2(ring)) > kNoArea_mm2;
}

}  // namespace

Rings chainRings(const std::vector<Cut>& cuts, std::int64_t& open) {
  CutTable table(cuts);
  Rings rings;
  for (std::size_t first = 0; first < cuts.size(); ++first) {
    if (table.used(first)) continue;
    Ring ring;
    std::int64_t cut = static_cast<std::int64_t>(first);
    bool closed = false;
    while (cut >= 0 && !closed) {
      table.use(static_cast<std::size_t>(cut));
      append(ring, cuts[static_cast<std::size_t>(cut)].at_from);
      const std::uint64_t edge = cuts[static_cast<std::size_t>(cut)].to;
      closed = edge == cuts[first].from;
      if (!closed) cut = table.find(edge);
    }
    if (!closed) ++open;
    if (closed && hasArea(ring)) rings.push_back(std::move(ring));
  }
  return rings;
}

}  // namespace osteo::slice_print
