#include <fmt/format.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <new>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/common.h"
#include "cli/context.h"
#include "cli/document.h"
#include "cli/pages.h"
#include "cli/parse.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/schema.h"
#include "core/signals.h"
#include "core/temporaries.h"
#include "core/version.h"

using nlohmann::json;

namespace osteo::cli {
namespace {

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : static_cast<int>(core::Exit::IoError);
}

std::string versionLine(const App& app) {
  return fmt::format("osteoforge {} {} ({})\n", app.name, core::version(), core::commit());
}

/// The answers that need the table alone.
std::string answer(const std::string& question, const App& app, const Job& job) {
  if (question == "help") return helpPage(app, job);
  if (question == "schema") return schema(app, job).dump(2) + "\n";
  if (question == "xml") return slicerXml(app, job);
  if (question == "completion") return bashCompletion(app);
  if (question == "man") return manPage(app);
  if (question == "guide") return guideHead(app);
  return versionLine(app);
}

/// The same for an app of many jobs that was asked without naming one.
std::string answer(const std::vector<std::string>& words, const App& app) {
  const std::string question = words.front() == "-h" ? "help" : words.front().substr(2);
  if (question == "help" || question == "dump-config") return helpPage(app);
  if (question != "schema") return answer(question, app, app.jobs.front());
  json all = json::object();
  for (const Job& job : app.jobs) all[job.name] = schema(app, job);
  return all.dump(2) + "\n";
}

void configureTalk(const json& document) {
  core::Level level = core::Level::Info;
  if (document.value("quiet", false)) level = core::Level::Warning;
  if (document.value("verbose", false) || document.value("debug", false)) level = core::Level::Debug;
  core::configureLog(level, document.value("log", std::string{}));
  const std::string style = document.value("progress", std::string("auto"));
  const json names = {{"auto", 0}, {"bar", 1}, {"lines", 2}, {"none", 3}, {"slicer", 4}};
  core::configureProgress(level == core::Level::Warning ? core::ProgressStyle::None
                                                        : static_cast<core::ProgressStyle>(names.at(style).get<int>()));
}

int runApp(std::vector<std::string> words) {
  const App app = describe();
  const Job* job = chooseJob(app, words);
  if (!job) return print(answer(words, app));
  json given = json::object();
  const Request request = parseWords(app, *job, words, given);
  if (!request.immediate.empty() && request.immediate != "dump-config")
    return print(answer(request.immediate, app, *job));
  json document = defaults(*job);
  if (!request.config_path.empty()) document.update(readConfig(*job, request.config_path));
  document.update(given);
  if (request.immediate == "dump-config") {
    core::validateJson(schema(app, *job), document, "parameters", core::Exit::Config);
    return print(document.dump(2) + "\n");
  }
  validate(app, *job, document);
  configureTalk(document);
  core::setThreads(document.value("threads", core::availableThreads()));
  Context context(app, *job, document);
  job->run(context);
  return context.finish();
}

int fail(core::Exit code, const std::string& message) {
  core::removeTemporaries();
  core::error(message);
  return static_cast<int>(code);
}

}  // namespace
}  // namespace osteo::cli

int main(int argc, char** argv) {
  using namespace osteo;
  core::catchSignals();
  int code = 0;
  try {
    code = cli::runApp(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const core::Error& e) {
    code = cli::fail(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    code = cli::fail(core::Exit::Memory, "out of memory (use a coarser grid or a machine with more memory)");
  } catch (const std::exception& e) {
    code = cli::fail(core::Exit::Software, fmt::format("internal error, please report it: {}", e.what()));
  }
  // Leaves without running static destructors of loaded libraries, which may race with the signal thread.
  std::fflush(nullptr);
  _exit(code);
}
