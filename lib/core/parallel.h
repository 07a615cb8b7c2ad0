#pragma once
#include <cstdint>
#include <functional>

namespace osteo::core {

/// The number of threads that this process may use: the smallest of affinity mask, cgroup quota, SLURM_CPUS_PER_TASK
/// and OMP_NUM_THREADS, at least 1.
int availableThreads();

/// Sets the thread count of TBB (and of OpenVDB, which runs on it); image and learn read threads() for theirs.
void setThreads(int count);
int threads();

/// Runs body(i) for i in [0, n) on all threads; an exception in a body reaches the caller.
void parallelFor(std::int64_t n, const std::function<void(std::int64_t)>& body);

/// Cuts [0, n) into chunks of fixed size (independent of the thread count) and runs body(first, last, chunk_index).
void parallelChunks(std::int64_t n, std::int64_t chunk,
                    const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body);

/// Sum of partial(first, last) over fixed chunks, added in chunk order: the same bits for any thread count.
double parallelSum(std::int64_t n, std::int64_t chunk,
                   const std::function<double(std::int64_t, std::int64_t)>& partial);

}  // namespace osteo::core
