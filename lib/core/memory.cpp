#include "core/memory.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "core/error.h"

namespace osteo::core {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

/// The number after a key in a file of "key value" lines; −1 when there is none.
double lookUp(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string word; in >> word;)
    if (word == key) {
      double value = -1;
      return in >> value ? value : -1;
    }
  return -1;
}

double machine() {
  const double kilobytes = lookUp("/proc/meminfo", "MemAvailable:");
  return kilobytes < 0 ? kUnlimited : 1024 * kilobytes;
}

/// What the cgroups (version 2) of this process leave; files that are only cached count as free.
double cgroups() {
  std::ifstream in("/proc/self/cgroup");
  std::string line, own;
  while (std::getline(in, line))
    if (line.starts_with("0::")) own = line.substr(3);
  double least = kUnlimited;
  for (std::filesystem::path folder = "/sys/fs/cgroup" + own; folder.string().size() >= 14;
       folder = folder.parent_path()) {
    double most = 0, current = 0;
    if (!(std::ifstream(folder / "memory.max") >> most) || !(std::ifstream(folder / "memory.current") >> current))
      continue;
    const double cached = lookUp((folder / "memory.stat").string(), "inactive_file");
    least = std::min(least, most - current + std::max(0.0, cached));
  }
  return least;
}

/// The n-th number of this process's memory sizes, in bytes: 0 the address space, 1 what is resident.
double ownSize(int n) {
  double pages[2] = {0, 0};
  std::ifstream("/proc/self/statm") >> pages[0] >> pages[1];
  return pages[n] * double(sysconf(_SC_PAGESIZE));
}

double addressSpace() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  return double(limit.rlim_cur) - ownSize(0);
}

}  // namespace

double residentMemoryBytes() { return ownSize(1); }

double availableMemoryBytes() { return std::max(0.0, std::min({machine(), cgroups(), addressSpace()})); }

void requireMemory(double bytes, const std::string& what) {
  const double available = availableMemoryBytes();
  if (bytes <= available) return;
  throw Error(Exit::Memory, {.what = what + " needs more memory than there is",
                             .expected = fmt::format("about {:.2f} GiB free", bytes / 1073741824),
                             .got = fmt::format("{:.2f} GiB", available / 1073741824),
                             .hint = "use a coarser grid, a smaller part, or a machine with more memory"});
}

void keepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

}  // namespace osteo::core
