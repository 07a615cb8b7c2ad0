#include "core/execution.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <chrono>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/parallel.h"

namespace osteo::core {
namespace {

struct Steps {
  std::mutex mutex;
  nlohmann::ordered_json seconds = nlohmann::ordered_json::object();
};

Steps& steps() {
  static Steps s;
  return s;
}

const auto kProcessStart = std::chrono::system_clock::now();

std::string isoTime(std::chrono::system_clock::time_point time) {
  const std::time_t t = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&t, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

void noteStep(const std::string& step, double seconds) {
  const std::lock_guard lock(steps().mutex);
  auto& value = steps().seconds[step];
  value = (value.is_number() ? value.get<double>() : 0.0) + seconds;
}

long long peakMemoryBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024LL;
}

nlohmann::json execution() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  utsname host{};
  uname(&host);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  const std::lock_guard lock(steps().mutex);
  return {{"start", isoTime(kProcessStart)},
          {"wall_s", std::chrono::duration<double>(std::chrono::system_clock::now() - kProcessStart).count()},
          {"user_s", seconds(usage.ru_utime)},
          {"system_s", seconds(usage.ru_stime)},
          {"steps_s", steps().seconds},
          {"threads", threads()},
          {"peak_memory_bytes", peakMemoryBytes()},
          {"host", host.nodename}};
}

}  // namespace osteo::core
