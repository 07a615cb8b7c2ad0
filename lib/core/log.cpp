#include "core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace osteo::core {
namespace {

struct LogState {
  std::mutex mutex;
  std::vector<std::string> warnings;
  std::shared_ptr<spdlog::logger> terminal;
  std::shared_ptr<spdlog::logger> file;
};

LogState& state() {
  static LogState s;
  return s;
}

bool wantsColor() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) && !std::getenv("NO_COLOR") && !(term && std::strcmp(term, "dumb") == 0);
}

spdlog::level::level_enum convert(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warning:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
    case Level::Off:
      break;
  }
  return spdlog::level::off;
}

void emit(Level level, const std::string& message) {
  LogState& s = state();
  if (!s.terminal) configureLog(Level::Info);
  s.terminal->log(convert(level), message);
  if (s.file)
    s.file->log(convert(level), nlohmann::json(message).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void configureLog(Level stderr_level, const std::string& jsonl_path) {
  LogState& s = state();
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(wantsColor() ? spdlog::color_mode::automatic
                                                                                 : spdlog::color_mode::never);
  s.terminal = std::make_shared<spdlog::logger>("terminal", sink);
  s.terminal->set_pattern("%^%l%$: %v");
  s.terminal->set_level(convert(stderr_level));
  s.file.reset();
  if (jsonl_path.empty()) return;
  try {
    s.file =
        std::make_shared<spdlog::logger>("file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(jsonl_path, true));
  } catch (const spdlog::spdlog_ex&) {
    throw Error(Exit::CantCreate, {.what = "the log file can't be written", .file = jsonl_path});
  }
  s.file->set_pattern(R"({"time": "%Y-%m-%dT%H:%M:%S.%e%z", "level": "%l", "message": %v})");
  s.file->set_level(spdlog::level::debug);
  s.file->flush_on(spdlog::level::debug);
}

void debug(const std::string& message) { emit(Level::Debug, message); }
void info(const std::string& message) { emit(Level::Info, message); }
void error(const std::string& message) { emit(Level::Error, message); }

void warn(const std::string& message) {
  {
    const std::lock_guard lock(state().mutex);
    state().warnings.push_back(message);
  }
  emit(Level::Warning, message);
}

std::vector<std::string> warnings() {
  const std::lock_guard lock(state().mutex);
  return state().warnings;
}

}  // namespace osteo::core
