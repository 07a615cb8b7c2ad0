#pragma once
#include <exception>
#include <string>

namespace osteo::core {

/// Exit codes of every executable, after BSD sysexits(3).
enum class Exit : int {
  Ok = 0,
  Differs = 1,        ///< `compare` alone: the two files differ
  Usage = 64,         ///< wrong flag or argument
  DataError = 65,     ///< the input data are unfit
  NoInput = 66,       ///< an input is missing
  Unavailable = 69,   ///< something needed is absent
  Software = 70,      ///< our bug
  Memory = 71,        ///< out of memory
  CantCreate = 73,    ///< the output exists or can't be created
  IoError = 74,       ///< writing failed
  TryAgain = 75,      ///< a passing failure
  NoPermission = 77,  ///< not allowed
  Config = 78,        ///< bad configuration
  Interrupted = 130,  ///< SIGINT, after clean-up
  Terminated = 143,   ///< SIGTERM, after clean-up
};

/// What a user needs to mend a failure; empty parts are left out of the message.
struct Complaint {
  std::string what = {};
  std::string file = {};
  std::string expected = {};
  std::string got = {};
  std::string hint = {};
};

/// The one exception that the toolkit throws: an exit code and one message for the user.
class Error : public std::exception {
 public:
  Error(Exit code, Complaint complaint);
  const char* what() const noexcept override { return message_.c_str(); }
  Exit code() const noexcept { return code_; }
  const Complaint& complaint() const noexcept { return complaint_; }

 private:
  Exit code_;
  Complaint complaint_;
  std::string message_;
};

}  // namespace osteo::core
