#pragma once
#include <array>
#include <vector>

#include "design_scaffold/density_filter.h"

namespace osteo::design_scaffold {

/// What a printer makes of a design: layer after layer along +axis, an element is as dense as the densest of the five
/// below it at most, so that faces are 45° steep or steeper (Langelaar, An additive manufacturing filter for topology
/// optimization of print-ready designs, Struct Multidiscip Optim 55 (2017) 871-883). Supports may stand outside of the
/// body: where nothing of it lies straight below, an element rests on them.
class OverhangFilter {
 public:
  /// `axis` 0 to 2, `up` whether layers rise along it.
  OverhangFilter(const ElementGrid& grid, int axis, bool up);
  std::vector<double> apply(const std::vector<double>& density) const;
  /// The derivative by the densities that came in of what has the given one by those that went out.
  std::vector<double> transposed(const std::vector<double>& density, const std::vector<double>& derivative) const;

 private:
  std::vector<std::vector<std::int64_t>> layers_;               ///< elements from the lowest layer up
  std::vector<std::array<std::int64_t, 5>> below_;              ///< of each element; −1: none
  bool rests(std::size_t e) const { return below_[e][0] < 0; }  ///< on supports or the plate
};

/// Share of the solid volume of a design that overhangs: elements above one half whose five below are all less.
double overhangingShare(const ElementGrid& grid, const std::vector<double>& density, int axis, bool up);

}  // namespace osteo::design_scaffold
