#include "core/version.h"

#include "version_stamp.h"

namespace osteo::core {

const char* version() { return OSTEO_VERSION; }
const char* commit() { return OSTEO_COMMIT; }

}  // namespace osteo::core
