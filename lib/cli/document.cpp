#include "cli/document.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/schema.h"

using nlohmann::json;

namespace osteo::cli {
namespace {

const char* jsonType(Type type) {
  switch (type) {
    case Type::Flag:
      return "boolean";
    case Type::Integer:
      return "integer";
    case Type::Number:
      return "number";
    default:
      return "string";
  }
}

json valueSchema(const Parameter& p) {
  json s = {{"type", jsonType(p.type)}};
  if (std::isfinite(p.range.min)) s["minimum"] = p.range.min;
  if (std::isfinite(p.range.max)) s["maximum"] = p.range.max;
  if (!p.choices.empty()) s["enum"] = p.choices;
  return s;
}

json propertySchema(const Parameter& p) {
  json s = valueSchema(p);
  if (p.count != 1) {
    s = {{"type", "array"}, {"items", s}};
    if (p.count > 1) s["minItems"] = s["maxItems"] = p.count;
  }
  s["description"] = p.help;
  if (!p.unit.empty()) s["x-unit"] = p.unit;
  if (p.default_json != "null") s["default"] = json::parse(p.default_json);
  return s;
}

[[noreturn]] void throwUsage(const Parameter& p, const std::string& expected, const std::string& got) {
  throw core::Error(core::Exit::Usage,
                    {.what = "bad value for --" + p.name, .expected = expected, .got = "'" + got + "'"});
}

std::string rangeText(const Parameter& p) {
  std::string text = p.type == Type::Integer ? "a whole number" : "a number";
  if (std::isfinite(p.range.min) && std::isfinite(p.range.max))
    text += fmt::format(" from {} to {}", p.range.min, p.range.max);
  else if (std::isfinite(p.range.min))
    text += fmt::format(" of at least {}", p.range.min);
  else if (std::isfinite(p.range.max))
    text += fmt::format(" of at most {}", p.range.max);
  if (!p.unit.empty()) text += " (" + p.unit + ")";
  return text;
}

json parseNumber(const Parameter& p, const std::string& word) {
  double value = 0;
  const char* end = word.data() + word.size();
  const char* begin = word.data() + (word.starts_with('+') ? 1 : 0);
  const auto [stop, failure] = std::from_chars(begin, end, value);
  if (failure != std::errc{} || stop != end || !std::isfinite(value) || value < p.range.min || value > p.range.max)
    throwUsage(p, rangeText(p), word);
  if (p.type == Type::Number) return value;
  if (value != std::floor(value) || std::abs(value) > 9007199254740992.0) throwUsage(p, rangeText(p), word);
  return static_cast<long long>(value);
}

json parseOne(const Parameter& p, const std::string& word) {
  switch (p.type) {
    case Type::Flag:
      if (word == "true" || word == "false") return word == "true";
      throwUsage(p, "true or false", word);
    case Type::Integer:
    case Type::Number:
      return parseNumber(p, word);
    case Type::Choice:
      for (const std::string& c : p.choices)
        if (c == word) return word;
      throwUsage(p, fmt::format("one of {}", fmt::join(p.choices, ", ")), word);
    default:
      break;
  }
  return word;
}

std::vector<std::string> splitCommas(const std::string& text) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

}  // namespace

json defaults(const Job& job) {
  json document = json::object();
  for (const Parameter& p : allParameters(job))
    if (p.default_json != "null") document[keyOf(p.name)] = json::parse(p.default_json);
  return document;
}

json schema(const App& app, const Job& job) {
  json properties = json::object();
  for (const Parameter& p : allParameters(job)) properties[keyOf(p.name)] = propertySchema(p);
  return {{"$schema", "http://json-schema.org/draft-07/schema#"},
          {"title", commandOf(app, job)},
          {"description", job.summary},
          {"type", "object"},
          {"additionalProperties", false},
          {"properties", properties}};
}

json readConfig(const Job& job, const std::string& path) {
  const json document = core::parseJson(core::readFile(path, std::size_t{1} << 24), path, core::Exit::Config);
  if (!document.is_object())
    throw core::Error(core::Exit::Config,
                      {.what = "a configuration is an object", .file = path, .got = document.type_name()});
  std::vector<std::string> known;
  for (const Parameter& p : allParameters(job)) known.push_back(keyOf(p.name));
  for (const auto& [key, value] : document.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = didYouMean(key, known);
    throw core::Error(core::Exit::Config,
                      {.what = "unknown key '" + key + "'",
                       .file = path,
                       .hint = near.empty() ? "--schema prints the known keys" : "did you mean '" + near + "'?"});
  }
  return document;
}

json parseValue(const Parameter& p, const std::vector<std::string>& words) {
  if (p.count == 1) return parseOne(p, words.back());
  json list = json::array();
  for (const std::string& word : words)
    for (const std::string& part : p.positional ? std::vector<std::string>{word} : splitCommas(word))
      list.push_back(parseOne(p, part));
  if (p.count > 1 && static_cast<int>(list.size()) != p.count)
    throwUsage(p, fmt::format("{} values, comma-separated", p.count), fmt::format("{}", fmt::join(words, " ")));
  return list;
}

void validate(const App& app, const Job& job, const json& document) {
  for (const Parameter& p : allParameters(job))
    if (p.required && !document.contains(keyOf(p.name)))
      throw core::Error(core::Exit::Usage,
                        {.what = p.positional ? "the input " + p.name + " is missing" : "--" + p.name + " is missing",
                         .hint = "see " + commandOf(app, job) + " --help"});
  core::validateJson(schema(app, job), document, "parameters", core::Exit::Config);
}

}  // namespace osteo::cli
