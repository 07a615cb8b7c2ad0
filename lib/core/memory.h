#pragma once
#include <string>

namespace osteo::core {

/// Bytes that this process may still take: the least of the machine's free memory, what its cgroups leave and what the
/// limit of its address space leaves.
double availableMemoryBytes();

/// Resident memory of this process now, in bytes.
double residentMemoryBytes();

/// Throws Memory, before anything is started, when `bytes` more than now are wanted and can't be had; `what` needs
/// them.
void requireMemory(double bytes, const std::string& what);

/// From now on what is freed stays with the process for its next step, where the allocator can do that: given back, the
/// system would have to clear it anew, a tenth of the time where steps of some hundred MB follow one another.
void keepFreedMemory();

}  // namespace osteo::core
