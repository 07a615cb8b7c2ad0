#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "cli/document.h"
#include "core/error.h"

namespace osteo::cli {
namespace {

/// `_` is a synonym of `-` in long options.
std::string normalise(std::string word) {
  if (!word.starts_with("--")) return word;
  const auto end = word.begin() + static_cast<std::ptrdiff_t>(std::min(word.find('='), word.size()));
  std::replace(word.begin(), end, '_', '-');
  return word;
}

void requireKnown(const App& app, const Job& job, const std::vector<std::string>& words) {
  std::vector<std::string> known = {"config"};
  for (const Parameter& p : allParameters(job))
    if (!p.positional) known.push_back(p.name);
  for (const Switch& s : switches()) known.push_back(s.name);
  for (const std::string& word : words) {
    if (word == "--") return;
    if (!word.starts_with("--")) continue;
    const std::string name = word.substr(2, word.find('=') == std::string::npos ? word.size() : word.find('=') - 2);
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = didYouMean(name, known);
    throw core::Error(core::Exit::Usage, {.what = "unknown option --" + name,
                                          .hint = near.empty() ? "see " + commandOf(app, job) + " --help"
                                                               : "did you mean --" + near + "?"});
  }
}

struct Slots {
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> flags;
};

void declare(CLI::App& parser, const std::vector<Parameter>& table, Slots& slots) {
  for (const Parameter& p : table) {
    const std::string names =
        p.positional ? keyOf(p.name) : (p.short_name ? std::string("-") + p.short_name + "," : "") + "--" + p.name;
    if (p.type == Type::Flag) {
      parser.add_flag(names, slots.flags[p.name]);
      continue;
    }
    CLI::Option* option = parser.add_option(names, slots.values[p.name]);
    option->allow_extra_args(p.positional && p.count != 1);
    if (p.positional && p.count == 1)
      option->expected(1);
    else if (p.positional)
      option->expected(1, 1 << 20);
    else
      option->expected(1)->multi_option_policy(p.count == 1 ? CLI::MultiOptionPolicy::Throw
                                                            : CLI::MultiOptionPolicy::TakeAll);
  }
}

}  // namespace

Request parseWords(const App& app, const Job& job, const std::vector<std::string>& raw_words, nlohmann::json& given) {
  std::vector<std::string> words;
  for (const std::string& word : raw_words) words.push_back(normalise(word));
  requireKnown(app, job, words);
  for (const std::string& word : words)
    for (const Switch& s : switches())
      if ((word == std::string("--") + s.name || (word == "-h" && std::string(s.name) == "help")) &&
          std::string(s.name) != "dump-config")
        return {.immediate = s.name};

  CLI::App parser;
  parser.set_help_flag();
  Slots slots;
  Request request;
  bool dump = false;
  const std::vector<Parameter> table = allParameters(job);
  declare(parser, table, slots);
  parser.add_option("--config", request.config_path)->expected(1);
  parser.add_flag("--dump-config", dump);
  std::reverse(words.begin(), words.end());  // CLI11 takes its words last first
  try {
    parser.parse(words);
  } catch (const CLI::Error& e) {
    throw core::Error(core::Exit::Usage, {.what = e.what(), .hint = "see " + commandOf(app, job) + " --help"});
  }
  for (const Parameter& p : table) {
    if (p.type == Type::Flag) {
      if (slots.flags[p.name]) given[keyOf(p.name)] = true;
    } else if (!slots.values[p.name].empty()) {
      given[keyOf(p.name)] = parseValue(p, slots.values[p.name]);
    }
  }
  if (dump) request.immediate = "dump-config";
  return request;
}

namespace {

/// The job that has its own name among its options, where that option stands among the words.
const Job* jobByOption(const App& app, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") break;
    const std::string option = normalise(word.substr(0, word.find('=')));
    for (const Job& job : app.jobs)
      for (const Parameter& p : job.parameters)
        if (!p.positional && p.name == job.name && option == "--" + p.name) return &job;
  }
  return nullptr;
}

}  // namespace

const Job* chooseJob(const App& app, std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const Job& job : app.jobs) names.push_back(job.name);
  if (!words.empty() && !words.front().starts_with("-"))
    for (const Job& job : app.jobs)
      if (job.name == words.front()) {
        words.erase(words.begin());
        return &job;
      }
  if (const Job* job = jobByOption(app, words)) return job;
  // A job without a name takes every other call.
  if (app.jobs.front().name.empty()) return &app.jobs.front();
  if (!words.empty() && !words.front().starts_with("-")) {
    const std::string near = didYouMean(words.front(), names);
    throw core::Error(core::Exit::Usage,
                      {.what = "unknown job '" + words.front() + "'",
                       .hint = near.empty() ? "see " + app.name + " --help" : "did you mean " + near + "?"});
  }
  for (const std::string& word : words)
    for (const Switch& s : switches())
      if (word == std::string("--") + s.name || word == "-h") return nullptr;
  throw core::Error(core::Exit::Usage, {.what = "a job is missing", .hint = "see " + app.name + " --help"});
}

}  // namespace osteo::cli
