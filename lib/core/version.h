#pragma once

namespace osteo::core {

const char* version();
/// Short git commit of the build, "unknown" outside a checkout.
const char* commit();

}  // namespace osteo::core
