// Readers of foreign formats under mutated files. Usage:
//   fuzz_readers FORMAT|all [FIRST [COUNT [SECONDS]]]     e.g. fuzz_readers nrrd 0 500; fuzz_readers all 1000 1000000
//   60
// Round k of a format depends on k alone; SECONDS ends a format early. A reader may succeed or throw our Error; another
// exception, a crash, 5 s of processor time or 1 GiB of memory is a failure: its file is kept and the round is named.
// Rounds run in forked batches, so that a crash costs its round only. Ends with 1 when any round failed.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "formats.h"
#include "mutate.h"

namespace fs = std::filesystem;
using namespace osteo;

#ifdef __SANITIZE_ADDRESS__
// A limit on address space would stop the sanitizer itself; OpenVDB asks for up to 4 GiB that it never touches.
extern "C" const char* __asan_default_options() {
  return "max_allocation_size_mb=6000:hard_rss_limit_mb=3000:detect_leaks=0:allocator_may_return_null=0";
}
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace {

constexpr rlim_t kMostMemory = rlim_t{1} << 30;
constexpr long kBatch = 500;
constexpr int kRoundSeconds = kSanitized ? 20 : 5;

/// What parent and child share.
struct Board {
  long round;
  long read, refused;
  char complaint[400];
};

struct Run {
  const fuzz::Format& format;
  std::string path;
  std::vector<std::string> seeds;
  Board* board;
};

void limitRound(int seconds) {
  const itimerval timer{{}, {seconds, 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);
  alarm(static_cast<unsigned>(12 * seconds));  // for one that waits for ever; others may be using the machine
}

void complain(Board& board, const std::string& text) {
  std::strncpy(board.complaint, text.c_str(), sizeof board.complaint - 1);
}

void mutateFile(const Run& run) {
  fuzz::Dice dice(static_cast<std::uint64_t>(run.board->round));
  const auto& seeds = run.seeds;
  const std::string& good = seeds[dice.below(seeds.size())];
  const std::string bytes = fuzz::mutate(good, seeds[dice.below(seeds.size())], dice);
  if (run.format.pack)
    run.format.pack(bytes, run.path);
  else
    core::writeFile(run.path, bytes);
}

/// False when the round failed.
bool playRound(const Run& run) {
  Board& board = *run.board;
  try {
    mutateFile(run);
    run.format.read(run.path);
    ++board.read;
    return true;
  } catch (const core::Error& e) {
    ++board.refused;
    if (e.code() == core::Exit::DataError || e.code() == core::Exit::NoInput) return true;
    complain(board, "exit code " + std::to_string(static_cast<int>(e.code())) + ": " + e.what());
  } catch (const std::bad_alloc&) {
    complain(board, "out of memory");
  } catch (const std::exception& e) {
    complain(board, std::string("a foreign exception: ") + e.what());
  } catch (...) {
    complain(board, "an unknown exception");
  }
  return false;
}

[[noreturn]] void playBatch(const Run& run, long end) {
  const rlimit none{0, 0}, memory{kMostMemory, kMostMemory};
  setrlimit(RLIMIT_CORE, &none);
  if (!kSanitized) setrlimit(RLIMIT_DATA, &memory);
  core::configureLog(core::Level::Off);
  core::setThreads(1);
  for (; run.board->round < end; ++run.board->round) {
    limitRound(kRoundSeconds);
    if (!playRound(run)) _exit(1);
  }
  _exit(0);
}

std::string endOf(int status, const Board& board) {
  if (WIFEXITED(status) && board.complaint[0] != '\0') return board.complaint;
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  if (signal == SIGPROF || signal == SIGALRM) return "it takes too long";
  return std::string("signal ") + strsignal(signal);
}

/// Seeds are written by a child: its writers' threads must not stand in the way of later forks.
std::vector<std::string> makeSeeds(const fuzz::Format& format, const std::string& folder) {
  const std::string kept = folder + "-seeds";
  fs::create_directories(kept);
  const pid_t child = fork();
  if (child == 0) {
    int code = 1;
    try {
      core::setThreads(1);
      int number = 0;
      for (const std::string& seed : format.seeds(folder)) core::writeFile(kept + "/" + std::to_string(number++), seed);
      code = 0;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s: no seeds: %s\n", format.name.c_str(), e.what());
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::vector<std::string> seeds;
  for (int number = 0; fs::exists(kept + "/" + std::to_string(number)); ++number)
    seeds.push_back(core::readFile(kept + "/" + std::to_string(number)));
  return status == 0 ? seeds : std::vector<std::string>{};
}

/// Number of failed rounds.
int fuzzFormat(const fuzz::Format& format, const fs::path& work, Board& board, long first, long count, double seconds) {
  const fs::path folder = work / format.name, path = folder / format.file;
  fs::create_directories(path.parent_path());
  const Run run{format, path.string(), makeSeeds(format, path.parent_path().string()), &board};
  if (run.seeds.empty()) return 1;
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  board = {.round = first};
  int failures = 0;
  while (board.round < first + count && passed() < seconds) {
    board.complaint[0] = '\0';
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) playBatch(run, std::min(first + count, board.round + kBatch));
    int status = 0;
    waitpid(child, &status, 0);
    if (status == 0) continue;
    const std::string kept =
        "fuzz-" + format.name + "-" + std::to_string(board.round) + fs::path(format.file).extension().string();
    fs::copy_file(path, kept, fs::copy_options::overwrite_existing);
    std::printf("FAILED %s round %ld: %s (%s)\n", format.name.c_str(), board.round, endOf(status, board).c_str(),
                kept.c_str());
    ++failures, ++board.round;
  }
  std::printf("%-12s rounds %ld to %ld: %ld read, %ld refused, %d failed, %.1f s\n", format.name.c_str(), first,
              board.round - 1, board.read, board.refused, failures, passed());
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  const long first = argc > 2 ? std::atol(argv[2]) : 0, count = argc > 3 ? std::atol(argv[3]) : 500;
  const double seconds = argc > 4 ? std::atof(argv[4]) : 1e9;
  std::string pattern =
      (fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) / "osteo-fuzz-XXXXXX";
  const fs::path work = mkdtemp(pattern.data());
  void* shared = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int failures = 0, played = 0;
  for (const fuzz::Format& format : fuzz::formats()) {
    if (wanted != "all" && wanted != format.name) continue;
    ++played;
    failures += fuzzFormat(format, work, *static_cast<Board*>(shared), first, count, seconds);
  }
  fs::remove_all(work);
  if (played > 0) return failures == 0 ? 0 : 1;
  std::fprintf(stderr, "usage: fuzz_readers FORMAT|all [FIRST [COUNT [SECONDS]]]; formats:");
  for (const fuzz::Format& format : fuzz::formats()) std::fprintf(stderr, " %s", format.name.c_str());
  std::fprintf(stderr, "\n");
  return 64;
}
