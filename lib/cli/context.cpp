#include "cli/context.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "cli/record.h"
#include "core/error.h"
#include "core/execution.h"
#include "core/files.h"
#include "core/log.h"

using nlohmann::json;

namespace osteo::cli {

struct Context::State {
  const App& app;
  const Job& job;
  json parameters;
  json results = json::object();
  std::vector<std::unique_ptr<core::AtomicOutput>> outputs;
  std::vector<bool> is_folder;
  std::string printed;
  bool dry = false, differs = false;

  const Parameter& row(const std::string& name) const {
    for (const Parameter& p : job.parameters)
      if (p.name == name) return p;
    for (const Parameter& p : kCommon)
      if (p.name == name) return p;
    throw core::Error(core::Exit::Software, {.what = "parameter '" + name + "' is not in the table of " + app.name});
  }
  const json& value(const std::string& name) const {
    static const json kNull;
    const auto at = parameters.find(keyOf(row(name).name));
    return at == parameters.end() ? kNull : *at;
  }
  std::string open(const std::string& path, core::AtomicOutput::Type type) {
    for (const auto& other : outputs)
      if (std::filesystem::path(other->path()).lexically_normal() == std::filesystem::path(path).lexically_normal())
        throw core::Error(core::Exit::Usage, {.what = "two outputs have the same path", .file = path});
    outputs.push_back(std::make_unique<core::AtomicOutput>(path, parameters.value("force", false), type));
    is_folder.push_back(type == core::AtomicOutput::Type::Folder);
    return outputs.back()->temporaryPath();
  }
  const std::vector<Parameter> kCommon = commonParameters();
};

Context::Context(const App& app, const Job& job, json parameters)
    : state_(new State{.app = app, .job = job, .parameters = std::move(parameters)}) {
  state_->dry = state_->parameters.value("dry_run", false);
}
Context::~Context() = default;

bool Context::given(const std::string& name) const { return !state_->value(name).is_null(); }
bool Context::changed(const std::string& name) const {
  return state_->value(name) != json::parse(state_->row(name).default_json);
}
bool Context::flag(const std::string& name) const { return given(name) && state_->value(name).get<bool>(); }
long long Context::integer(const std::string& name) const { return state_->value(name).get<long long>(); }
double Context::number(const std::string& name) const { return state_->value(name).get<double>(); }
std::optional<double> Context::maybe(const std::string& name) const {
  return given(name) ? std::optional<double>(number(name)) : std::nullopt;
}
unsigned long long Context::seed() const { return state_->value("seed").get<unsigned long long>(); }

std::vector<double> Context::numbers(const std::string& name) const {
  return given(name) ? state_->value(name).get<std::vector<double>>() : std::vector<double>{};
}

std::string Context::text(const std::string& name) const {
  return given(name) ? state_->value(name).get<std::string>() : std::string{};
}

void Context::refuse(const std::vector<std::string>& names, const std::string& why) const {
  for (const std::string& name : names)
    if (changed(name)) throw core::Error(core::Exit::Usage, {.what = "--" + name + " " + why});
}

std::vector<std::string> Context::texts(const std::string& name) const {
  if (!given(name)) return {};
  const json& value = state_->value(name);
  return value.is_array() ? value.get<std::vector<std::string>>() : std::vector<std::string>{value.get<std::string>()};
}

std::string Context::input(const std::string& name) const {
  const std::string path = text(name);
  if (!path.empty()) core::requireInput(path, state_->row(name).type == Type::Folder);
  return path;
}

std::vector<std::string> Context::inputs(const std::string& name) const {
  const std::vector<std::string> paths = texts(name);
  for (const std::string& path : paths) core::requireInput(path, state_->row(name).type == Type::Folder);
  return paths;
}

std::string Context::output(const std::string& name) {
  const Parameter& row = state_->row(name);
  const std::string path = text(name);
  if (path.empty()) return {};
  if (!row.extensions.empty() &&
      std::find(row.extensions.begin(), row.extensions.end(), core::extension(path)) == row.extensions.end()) {
    throw core::Error(core::Exit::Usage, {.what = "--" + name + " has an ending that can't be written",
                                          .file = path,
                                          .expected = fmt::format("{}", fmt::join(row.extensions, ", ")),
                                          .got = core::extension(path).empty() ? "none" : core::extension(path)});
  }
  return state_->open(path, core::AtomicOutput::Type::File);
}

std::string Context::outputFolder(const std::string& name) {
  const std::string path = text(name);
  return path.empty() ? std::string{} : state_->open(path, core::AtomicOutput::Type::Folder);
}

std::string Context::outputPath(const std::string& path) { return state_->open(path, core::AtomicOutput::Type::File); }
std::string Context::finalPath(const std::string& name) const { return text(name); }
json& Context::results() { return state_->results; }
void Context::print(const std::string& text_for_stdout) { state_->printed += text_for_stdout; }
void Context::differs() { state_->differs = true; }

bool Context::dryRun(double estimated_peak_bytes) {
  if (!state_->dry) return false;
  print(json{{"parameters", state_->parameters},
             {"estimated_peak_memory_bytes", static_cast<long long>(estimated_peak_bytes)}}
            .dump(2) +
        "\n");
  state_->outputs.clear();
  return true;
}

int Context::finish() {
  State& s = *state_;
  if (s.dry) s.outputs.clear();
  if (!s.outputs.empty()) {
    const std::string main_path = s.outputs.front()->path();
    const bool folder = s.is_folder.front(), main_is_record = !folder && core::extension(main_path) == ".json";
    json result = json::array();
    for (std::size_t i = main_is_record ? 1 : 0; i < s.outputs.size(); ++i)
      result.push_back({{"name", core::baseName(s.outputs[i]->path())},
                        {"sha256", core::sha256File(s.outputs[i]->temporaryPath())}});
    const json record = makeRecord({s.app, s.job, s.parameters}, result, s.results);
    const std::string text = record.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
    if (folder) core::writeFile(s.outputs.front()->temporaryPath() + "/record.json", text);
    if (main_is_record) core::writeFile(s.outputs.front()->temporaryPath(), text);
    // The record comes last, so that its presence says that everything beside it is whole.
    for (std::size_t i = 1; i < s.outputs.size(); ++i) s.outputs[i]->commit();
    s.outputs.front()->commit();
    if (!folder && !main_is_record) core::writeFileAtomic(main_path + ".json", text, true);
  }
  if (std::fwrite(s.printed.data(), 1, s.printed.size(), stdout) != s.printed.size() || std::fflush(stdout) != 0)
    throw core::Error(core::Exit::IoError, {.what = "writing to standard output failed"});
  return static_cast<int>(s.differs ? core::Exit::Differs : core::Exit::Ok);
}

}  // namespace osteo::cli
