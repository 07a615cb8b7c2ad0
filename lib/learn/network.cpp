#include "learn/network.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <new>
#include <stdexcept>

#include "core/error.h"
#include "core/parallel.h"

namespace osteo::learn {

namespace {

using core::Error;
using core::Exit;

/// Where the build and the installation put the module, seen from the executable.
std::vector<std::string> places() {
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return {(folder / "../lib/osteo_learn.so").string(), (folder / "../../lib/osteoforge/osteo_learn.so").string()};
}

const Module* open() {
  // torch's threads would spin between two layers and starve whatever else runs on the machine.
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  std::string why = "osteo_learn.so is not installed";
  for (const std::string& place : places()) {
    if (!std::filesystem::exists(place)) continue;
    void* const library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      why = ::dlerror();
      continue;
    }
    const auto* const module = static_cast<const Module*>(::dlsym(library, "osteo_learn_module"));
    if (module != nullptr && module->version == kModuleVersion) return module;
    why = "osteo_learn.so is of another version";
  }
  throw Error(Exit::Unavailable, {.what = "networks need the module osteo_learn.so, which links torch",
                                  .got = why,
                                  .hint = "install Debian's package libtorch-dev and build again"});
}

/// Runs a call into the module; what torch throws becomes one message of ours.
template <class Call>
auto guarded(const Call& call) {
  const Module& opened = module();
  try {
    return call(opened);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::invalid_argument& e) {
    throw Error(Exit::DataError, {.what = "weights or input don't fit the network", .got = e.what()});
  } catch (const std::exception& e) {
    const std::string what = e.what();
    const bool memory = what.find("allocate memory") != std::string::npos;
    throw Error(memory ? Exit::Memory : Exit::Software,
                {.what = "torch failed", .got = what.substr(0, what.find('\n'))});
  }
}

}  // namespace

const Module& module() {
  static const Module* const opened = open();
  opened->start(core::threads());
  return *opened;
}

void train(Network& network, const Loop& loop) {
  guarded([&](const Module& opened) { opened.train(network, loop); });
}

std::vector<float> apply(const Network& network, const Batch& batch, const std::vector<float>& code) {
  return guarded([&](const Module& opened) { return opened.apply(network, batch, code); });
}

LatentFit fit(const Network& network, const Observations& seen, const LatentFitting& how) {
  return guarded([&](const Module& opened) { return opened.fit(network, seen, how); });
}

}  // namespace osteo::learn
