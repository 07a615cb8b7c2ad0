#include "core/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "core/error.h"
#include "core/temporaries.h"

namespace osteo::core {

void catchSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::thread([set] {
    int which = 0;
    sigwait(&set, &which);
    removeTemporaries();
    std::fputs(which == SIGINT ? "\nerror: interrupted; nothing was left half-written\n"
                               : "error: terminated; nothing was left half-written\n",
               stderr);
    _exit(static_cast<int>(which == SIGINT ? Exit::Interrupted : Exit::Terminated));
  }).detach();
}

}  // namespace osteo::core
