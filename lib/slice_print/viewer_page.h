#pragma once

namespace osteo::slice_print {

/// The page before and after the data of the layers; kViewerTail reads the constants `job` and `data`.
extern const char* const kViewerHead;
extern const char* const kViewerTail;

}  // namespace osteo::slice_print
