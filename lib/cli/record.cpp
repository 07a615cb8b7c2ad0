#include "cli/record.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "core/execution.h"
#include "core/files.h"
#include "core/log.h"
#include "core/version.h"

using nlohmann::json;

namespace osteo::cli {
namespace {

/// Steers talk and speed, never the result: it belongs to the execution block.
bool isExecution(const std::string& name) {
  for (const char* e : {"force", "dry-run", "threads", "quiet", "verbose", "debug", "log", "progress"})
    if (name == e) return true;
  return false;
}

/// What a record may say of a path: a folder's own name can hold a patient's.
std::string publicName(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::is_directory(path, unknown) ? "folder" : core::baseName(path);
}

/// The same for an output given as name=path.
std::string publicPair(const std::string& pair) {
  const auto path = pair.find('=') + 1;
  return pair.substr(0, path) + publicName(pair.substr(path));
}

json baseNames(const json& value, bool are_pairs) {
  if (value.is_string()) return are_pairs ? publicPair(value.get<std::string>()) : publicName(value.get<std::string>());
  json names = json::array();
  for (const json& v : value) names.push_back(baseNames(v, are_pairs));
  return names;
}

void addInputs(const json& value, const std::string& role, json& object) {
  if (value.is_array()) {
    for (const json& v : value) addInputs(v, role, object);
    return;
  }
  const std::string path = value.get<std::string>();
  object.push_back({{"role", role}, {"name", publicName(path)}, {"sha256", core::sha256File(path)}});
}

}  // namespace

json makeRecord(const Call& call, const json& result, const json& results) {
  json parameters = json::object(), object = json::array();
  for (const Parameter& p : allParameters(call.job)) {
    const auto at = call.parameters.find(keyOf(p.name));
    if (at == call.parameters.end() || at->is_null() || isExecution(p.name)) continue;
    const bool path = p.type == Type::File || p.type == Type::Folder, pair = !path && p.channel == Channel::Output;
    parameters[keyOf(p.name)] = path || pair ? baseNames(*at, pair) : *at;
    if (p.channel == Channel::Input) addInputs(*at, keyOf(p.name), object);
  }
  return {{"@type", "CreateAction"},
          {"space", "LPS"},
          {"instrument",
           {{"name", "osteoforge " + commandOf(call.app, call.job)},
            {"version", core::version()},
            {"commit", core::commit()}}},
          {"object", object},
          {"result", result},
          {"parameters", parameters},
          {"seed", call.parameters.value("seed", 0ULL)},
          {"warnings", core::warnings()},
          {"results", results},
          {"execution", core::execution()}};
}

}  // namespace osteo::cli
