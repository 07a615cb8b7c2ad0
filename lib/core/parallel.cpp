#include "core/parallel.h"

#include <sched.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace osteo::core {
namespace {

int chosen_threads = 0;
std::unique_ptr<tbb::global_control> control;

int affinityThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

/// cgroup v2 "quota period" or v1's two files; 0 when there is no quota.
int cgroupThreads() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period && quota != "max" && period > 0)
    return std::max(1, static_cast<int>(std::atof(quota.c_str()) / period));
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double q = 0;
  if (v1_quota >> q && v1_period >> period && q > 0 && period > 0) return std::max(1, static_cast<int>(q / period));
  return 0;
}

int environmentThreads(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::max(0, std::atoi(value)) : 0;
}

}  // namespace

int availableThreads() {
  int count = affinityThreads();
  for (int limit : {cgroupThreads(), environmentThreads("SLURM_CPUS_PER_TASK"), environmentThreads("OMP_NUM_THREADS")})
    if (limit > 0) count = std::min(count, limit);
  return count;
}

void setThreads(int count) {
  chosen_threads = std::max(1, count);
  control.reset();
  control = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                                  static_cast<std::size_t>(chosen_threads));
}

int threads() { return chosen_threads > 0 ? chosen_threads : availableThreads(); }

void parallelFor(std::int64_t n, const std::function<void(std::int64_t)>& body) {
  tbb::parallel_for(std::int64_t{0}, n, body);
}

void parallelChunks(std::int64_t n, std::int64_t chunk,
                    const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) {
  if (n <= 0) return;
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  tbb::parallel_for(std::int64_t{0}, chunks, [&](std::int64_t c) { body(c * chunk, std::min(n, (c + 1) * chunk), c); });
}

double parallelSum(std::int64_t n, std::int64_t chunk,
                   const std::function<double(std::int64_t, std::int64_t)>& partial) {
  if (n <= 0) return 0.0;
  std::vector<double> sums(static_cast<std::size_t>((n + chunk - 1) / chunk));
  parallelChunks(n, chunk, [&](std::int64_t first, std::int64_t last, std::int64_t c) {
    sums[static_cast<std::size_t>(c)] = partial(first, last);
  });
  double total = 0.0;
  for (double s : sums) total += s;
  return total;
}

}  // namespace osteo::core
