#include "core/error.h"

#include <utility>

namespace osteo::core {

Error::Error(Exit code, Complaint complaint) : code_(code), complaint_(std::move(complaint)) {
  const Complaint& c = complaint_;
  if (!c.file.empty()) message_ = c.file + ": ";
  message_ += c.what;
  if (!c.expected.empty()) message_ += "; expected " + c.expected;
  if (!c.got.empty()) message_ += (c.expected.empty() ? "; got " : ", got ") + c.got;
  if (!c.hint.empty()) message_ += " (" + c.hint + ")";
}

}  // namespace osteo::core
