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

}  // namespace osteo::core
