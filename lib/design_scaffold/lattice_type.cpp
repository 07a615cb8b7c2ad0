#include "design_scaffold/lattice_type.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"

namespace osteo::design_scaffold {

const std::vector<std::string>& latticeNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = tpmsNames();
    for (const char* name : {"bcc", "fcc", "octet", "kelvin", "cubic", "voronoi", "spinodoid"}) all.emplace_back(name);
    return all;
  }();
  return names;
}

LatticeType latticeNamed(const std::string& name) {
  const auto& names = latticeNames();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw core::Error(
        core::Exit::Usage,
        {.what = "there is no such lattice", .expected = fmt::format("{}", fmt::join(names, ", ")), .got = name});
  return static_cast<LatticeType>(found - names.begin());
}

const std::string& nameOf(LatticeType type) { return latticeNames()[static_cast<std::size_t>(type)]; }

}  // namespace osteo::design_scaffold
