#pragma once

namespace osteo::core {

/// Blocks SIGINT and SIGTERM in all threads and starts one that waits for them: it removes all temporaries of
/// AtomicOutput, says so in one line and ends the process with 130 or 143. Call once, before any other thread starts.
void catchSignals();

}  // namespace osteo::core
