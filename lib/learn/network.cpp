#include "learn/network.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <new>
#include <stdexcept>

#include "core/error.h"
#include "core/memory.h"
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
  // Layers ask for the same large blocks again and again: given back to the system, each would cost its page faults.
  core::keepFreedMemory();
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

const Module& loaded() {
  static const Module* const opened = open();
  return *opened;
}

/// Runs a call into the module; what torch throws becomes one message of ours.
template <class Call>
auto guarded(const Call& call, int threads = core::threads()) {
  const Module& opened = loaded();
  opened.start(threads);
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
  loaded().start(core::threads());
  return loaded();
}

void train(Network& network, const Loop& loop) {
  guarded([&](const Module& opened) { opened.train(network, loop); });
}

std::vector<float> apply(const Network& network, const Batch& batch, const std::vector<float>& code) {
  return guarded([&](const Module& opened) { return opened.apply(network, batch, code); });
}

std::vector<float> applyAlone(const Network& network, const Batch& batch) {
  return guarded([&](const Module& opened) { return opened.apply(network, batch, {}); }, 1);
}

LatentFit fit(const Network& network, const Observations& seen, const LatentFitting& how) {
  return guarded([&](const Module& opened) { return opened.fit(network, seen, how); });
}

Explained explain(const Network& network, const Question& question) {
  return guarded([&](const Module& opened) { return opened.explain(network, question); });
}

std::vector<float> runScript(const std::string& path, const std::vector<float>& input,
                             const std::vector<std::int64_t>& shape) {
  try {
    return guarded([&](const Module& opened) { return opened.script(path, input, shape); }, 1);
  } catch (const Error& e) {
    const std::string& got = e.complaint().got;
    const bool newer = got.find("maximum supported version") != std::string::npos ||
                       got.find("Unknown builtin op") != std::string::npos ||
                       got.find("Unknown type name") != std::string::npos;
    if (e.code() != Exit::DataError || !newer) throw;
    throw Error(Exit::DataError,
                {.what = "the TorchScript file was made by a newer torch than the one here",
                 .file = path.substr(path.rfind('/') + 1),
                 .expected = "a file of torch 1.13 or older",
                 .got = got,
                 .hint = "in an environment with torch 1.13: load the state dict into the network, then "
                         "torch.jit.trace(net.eval(), torch.zeros(1, 1, *patch_size)).save('model.pt')"});
  }
}

}  // namespace osteo::learn
