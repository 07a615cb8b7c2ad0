#include "slice_print/process.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "slice_print/job.h"
#include "slice_print/mask_process.h"

namespace osteo::slice_print {

namespace {

// A row for each process that can be asked for.
struct Family {
  Process process;
  const char* name;
  std::vector<std::string> endings;
};

const std::vector<Family>& families() {
  static const std::vector<Family> kFamilies = {
      {Process::PbfLb, "pbf-lb", {".cli", ".svg", ".3mf", ".amf", ".stl", "/"}},
      {Process::Mex, "mex", {".gcode", ".svg", ".3mf", ".amf", ".stl"}},
      {Process::Vpp, "vpp", {"/", ".svg", ".3mf", ".amf", ".stl"}},
      {Process::Bjt, "bjt", {"/", ".svg", ".3mf", ".amf", ".stl"}},
      {Process::Mjt, "mjt", {"/", ".svg", ".3mf", ".amf", ".stl"}},
  };
  return kFamilies;
}

const Family& familyOf(Process process) {
  for (const Family& family : families()) {
    if (family.process == process) return family;
  }
  throw core::Error(core::Exit::Software, {.what = "a process without a family"});
}

}  // namespace

std::vector<std::string> processNames() {
  std::vector<std::string> names;
  for (const Family& family : families()) names.emplace_back(family.name);
  return names;
}

const char* nameOf(Process process) { return familyOf(process).name; }

Process processNamed(const std::string& name) {
  for (const Family& family : families()) {
    if (name == family.name) return family.process;
  }
  throw core::Error(
      core::Exit::Usage,
      {.what = "unknown process", .expected = fmt::format("{}", fmt::join(processNames(), ", ")), .got = name});
}

Settings defaultsOf(Process process) {
  Settings settings;
  settings.process = process;
  settings.mask = maskDefaults(process);
  if (process == Process::Mex) settings.layer_mm = 0.2, settings.density_g_cm3 = 1.145;
  if (process == Process::Vpp) settings.layer_mm = 0.05, settings.density_g_cm3 = 1.1;
  if (process == Process::Bjt) settings.layer_mm = 0.1;
  if (process == Process::Mjt) settings.layer_mm = 0.03, settings.density_g_cm3 = 1.18;
  return settings;
}

void requireEnding(Process process, const std::string& ending) {
  const Family& family = familyOf(process);
  if (std::find(family.endings.begin(), family.endings.end(), ending) != family.endings.end()) return;
  std::vector<std::string> others;
  for (const Family& other : families()) {
    if (std::find(other.endings.begin(), other.endings.end(), ending) != other.endings.end())
      others.push_back(std::string("--process ") + other.name);
  }
  throw core::Error(core::Exit::Usage, {.what = fmt::format("{} does not write this kind of output", family.name),
                                        .expected = fmt::format("{} (/ is a folder)", fmt::join(family.endings, " ")),
                                        .got = ending.empty() ? "no ending" : ending,
                                        .hint = others.empty() ? "" : fmt::format("{} does", fmt::join(others, ", "))});
}

}  // namespace osteo::slice_print
