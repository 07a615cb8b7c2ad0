#include <nlohmann/json.hpp>

#include "cli/app.h"

namespace osteo::cli {
namespace {

Parameter file(std::string name, std::vector<std::string> extensions, std::string help, Channel channel) {
  return {.name = std::move(name),
          .type = Type::File,
          .help = std::move(help),
          .extensions = std::move(extensions),
          .channel = channel};
}

}  // namespace

Parameter Parameter::advanced() const {
  Parameter p = *this;
  p.is_advanced = true;
  return p;
}

Parameter Parameter::must() const {
  Parameter p = *this;
  p.required = true;
  return p;
}

Parameter input(std::string name, std::vector<std::string> extensions, std::string help) {
  Parameter p = file(std::move(name), std::move(extensions), std::move(help), Channel::Input);
  p.positional = p.required = true;
  return p;
}

Parameter inputs(std::string name, std::vector<std::string> extensions, std::string help) {
  Parameter p = input(std::move(name), std::move(extensions), std::move(help));
  p.count = 0;
  return p;
}

Parameter inputFolder(std::string name, std::string help) {
  Parameter p = input(std::move(name), {}, std::move(help));
  p.type = Type::Folder;
  return p;
}

Parameter inputOption(std::string name, std::vector<std::string> extensions, std::string help) {
  return file(std::move(name), std::move(extensions), std::move(help), Channel::Input);
}

Parameter output(std::vector<std::string> extensions, std::string help) {
  Parameter p = file("output", std::move(extensions), std::move(help), Channel::Output);
  p.short_name = 'o';
  p.required = true;
  return p;
}

Parameter outputOption(std::string name, std::vector<std::string> extensions, std::string help) {
  return file(std::move(name), std::move(extensions), std::move(help), Channel::Output);
}

Parameter folderOption(std::string name, Channel channel, std::string help) {
  Parameter p = file(std::move(name), {}, std::move(help), channel);
  p.type = Type::Folder;
  return p;
}

Parameter flag(std::string name, std::string help) {
  return {.name = std::move(name), .type = Type::Flag, .help = std::move(help), .default_json = "false"};
}

Parameter integer(std::string name, std::string unit, long long standard, Range range, std::string help) {
  return {.name = std::move(name),
          .type = Type::Integer,
          .help = std::move(help),
          .unit = std::move(unit),
          .default_json = std::to_string(standard),
          .range = range};
}

Parameter number(std::string name, std::string unit, double standard, Range range, std::string help) {
  return {.name = std::move(name),
          .type = Type::Number,
          .help = std::move(help),
          .unit = std::move(unit),
          .default_json = nlohmann::json(standard).dump(),
          .range = range};
}

Parameter optionalNumber(std::string name, std::string unit, Range range, std::string help) {
  return {
      .name = std::move(name), .type = Type::Number, .help = std::move(help), .unit = std::move(unit), .range = range};
}

Parameter numbers(std::string name, std::string unit, int count, Range range, std::string help) {
  Parameter p = optionalNumber(std::move(name), std::move(unit), range, std::move(help));
  p.count = count;
  return p;
}

Parameter text(std::string name, std::string standard, std::string help) {
  return {.name = std::move(name),
          .type = Type::Text,
          .help = std::move(help),
          .default_json = standard.empty() ? "null" : nlohmann::json(standard).dump()};
}

Parameter texts(std::string name, std::string help) {
  Parameter p = text(std::move(name), "", std::move(help));
  p.count = 0;
  return p;
}

std::vector<Parameter> joined(std::vector<Parameter> rows, const std::vector<Parameter>& more) {
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

Parameter choice(std::string name, std::vector<std::string> choices, std::string standard, std::string help) {
  return {.name = std::move(name),
          .type = Type::Choice,
          .help = std::move(help),
          .default_json = standard.empty() ? "null" : nlohmann::json(standard).dump(),
          .choices = std::move(choices)};
}

Parameter picture(std::string help) { return outputOption("picture", {".png"}, std::move(help)); }

}  // namespace osteo::cli
