#pragma once
#include <string>

namespace osteo::core {

/// The open temporaries of this process, for the clean-up on signals.
void rememberTemporary(const std::string& path);
void forgetTemporary(const std::string& path);
void removeTemporaries();

}  // namespace osteo::core
