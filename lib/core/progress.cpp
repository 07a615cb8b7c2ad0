#include "core/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "core/execution.h"

namespace osteo::core {
namespace {

using Clock = std::chrono::steady_clock;
ProgressStyle chosen_style = ProgressStyle::None;

double secondsSince(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

ProgressStyle resolve(ProgressStyle style) {
  if (style != ProgressStyle::Auto) return style;
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) && !(term && std::strcmp(term, "dumb") == 0) ? ProgressStyle::Bar : ProgressStyle::Lines;
}

}  // namespace

struct Progress::State {
  std::string step;
  std::int64_t total;
  std::atomic<std::int64_t> done{0};
  Clock::time_point start = Clock::now(), shown = Clock::now();
  int shown_tenth = 0;
  bool any = false;
  std::mutex mutex;

  double fraction() const { return std::min(1.0, static_cast<double>(done) / static_cast<double>(total)); }
  double left() const { return fraction() > 0 ? secondsSince(start) * (1 - fraction()) / fraction() : 0; }

  void show() {
    const std::unique_lock lock(mutex, std::try_to_lock);
    if (!lock) return;
    if (chosen_style == ProgressStyle::Bar) showBar();
    if (chosen_style == ProgressStyle::Lines) showLine();
    if (chosen_style == ProgressStyle::Slicer && secondsSince(shown) > 0.2) {
      fmt::print(stderr, "<filter-progress>{:.3f}</filter-progress>\n", fraction());
      shown = Clock::now();
    }
  }
  void showBar() {
    if (secondsSince(shown) < 0.1) return;
    const int filled = static_cast<int>(fraction() * 30);
    fmt::print(stderr, "\r{:<24.24} [{:=<{}}{:>{}}] {:3.0f} % {:4.0f} s left ", step, "", filled, "", 30 - filled,
               fraction() * 100, left());
    std::fflush(stderr);
    shown = Clock::now();
    any = true;
  }
  void showLine() {
    const int tenth = static_cast<int>(fraction() * 10);
    if (secondsSince(start) < 2.0 || (tenth == shown_tenth && secondsSince(shown) < 30)) return;
    if (secondsSince(shown) < 1.0) return;
    fmt::print(stderr, "{}: {:.0f} %, {:.0f} s left\n", step, fraction() * 100, left());
    shown = Clock::now();
    shown_tenth = tenth;
  }
};

void configureProgress(ProgressStyle style) { chosen_style = resolve(style); }

Progress::Progress(const std::string& step, std::int64_t total) : state_(std::make_unique<State>()) {
  state_->step = step;
  state_->total = std::max<std::int64_t>(total, 1);
  if (chosen_style == ProgressStyle::Slicer)
    fmt::print(stderr, "<filter-start><filter-name>{}</filter-name></filter-start>\n", step);
}

Progress::~Progress() {
  if (chosen_style == ProgressStyle::Slicer)
    fmt::print(stderr, "<filter-end><filter-name>{}</filter-name></filter-end>\n", state_->step);
  if (state_->any) fmt::print(stderr, "\r{:78}\r", "");
  noteStep(state_->step, secondsSince(state_->start));
}

void Progress::advance(std::int64_t units) {
  state_->done += units;
  if (chosen_style != ProgressStyle::None) state_->show();
}

void Progress::set(std::int64_t done) {
  state_->done = done;
  if (chosen_style != ProgressStyle::None) state_->show();
}

}  // namespace osteo::core
