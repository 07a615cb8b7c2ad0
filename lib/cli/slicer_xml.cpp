#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "cli/pages.h"
#include "core/version.h"

namespace osteo::cli {
namespace {

std::string escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// Element name in the Slicer Execution Model.
std::string element(const Parameter& p) {
  const bool list = p.count != 1;
  switch (p.type) {
    case Type::Flag:
      return "boolean";
    case Type::Integer:
      return list ? "integer-vector" : "integer";
    case Type::Number:
      return list ? "double-vector" : "double";
    case Type::Choice:
      return "string-enumeration";
    case Type::Folder:
      return "directory";
    case Type::Text:
      return list ? "string-vector" : "string";
    case Type::File:
      break;
  }
  for (const std::string& e : p.extensions)
    if (e == ".nrrd" || e == ".seg.nrrd" || e == ".nii.gz") return "image";
  return "file";
}

std::string parameterXml(const Parameter& p, int& index) {
  const std::string tag = element(p);
  std::string attributes;
  if (tag == "image" && p.help.find("label") != std::string::npos) attributes += " type=\"label\"";
  if ((tag == "image" || tag == "file") && !p.extensions.empty())
    attributes += fmt::format(" fileExtensions=\"{}\"", fmt::join(p.extensions, ","));
  if (p.count == 0 && p.type == Type::File) attributes += " multiple=\"true\"";
  std::string xml = fmt::format("    <{}{}>\n      <name>{}</name>\n", tag, attributes, keyOf(p.name));
  if (p.positional)
    xml += fmt::format("      <index>{}</index>\n", index++);
  else {
    if (p.short_name) xml += fmt::format("      <flag>-{}</flag>\n", p.short_name);
    xml += fmt::format("      <longflag>--{}</longflag>\n", keyOf(p.name));
  }
  xml += fmt::format("      <label>{}</label>\n      <description>{}</description>\n",
                     escape(p.name + (p.unit.empty() ? "" : " (" + p.unit + ")")), escape(p.help));
  if (p.channel != Channel::None && (p.type == Type::File || p.type == Type::Folder))
    xml += fmt::format("      <channel>{}</channel>\n", p.channel == Channel::Input ? "input" : "output");
  if (p.default_json != "null") {
    const auto value = nlohmann::json::parse(p.default_json);
    xml += fmt::format("      <default>{}</default>\n",
                       escape(value.is_string() ? value.get<std::string>() : value.dump()));
  }
  for (const std::string& c : p.choices) xml += fmt::format("      <element>{}</element>\n", escape(c));
  if (std::isfinite(p.range.min) || std::isfinite(p.range.max)) {
    xml += "      <constraints>\n";
    if (std::isfinite(p.range.min)) xml += fmt::format("        <minimum>{}</minimum>\n", p.range.min);
    if (std::isfinite(p.range.max)) xml += fmt::format("        <maximum>{}</maximum>\n", p.range.max);
    xml += "      </constraints>\n";
  }
  return xml + fmt::format("    </{}>\n", tag);
}

std::string group(const std::string& label, const std::vector<Parameter>& rows, bool advanced, int& index) {
  if (rows.empty()) return "";
  std::string xml = fmt::format("  <parameters{}>\n    <label>{}</label>\n    <description>{}</description>\n",
                                advanced ? " advanced=\"true\"" : "", label, label);
  for (const Parameter& p : rows) xml += parameterXml(p, index);
  return xml + "  </parameters>\n";
}

}  // namespace

std::string slicerXml(const App& app, const Job& job) {
  std::string xml = fmt::format(
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<executable>\n  <category>Osteoforge</category>\n  "
      "<title>{}</title>\n"
      "  <description>{} Research software, not a medical device.</description>\n  <version>{}</version>\n  "
      "<license>Apache-2.0</license>\n",
      escape(commandOf(app, job)), escape(job.summary), core::version());
  std::vector<Parameter> files, plain, advanced;
  for (const Parameter& p : job.parameters)
    (p.channel != Channel::None ? files : p.is_advanced ? advanced : plain).push_back(p);
  for (const Parameter& p : commonParameters()) advanced.push_back(p);
  int index = 0;
  return xml + group("Files", files, false, index) + group("Parameters", plain, false, index) +
         group("Advanced", advanced, true, index) + "</executable>\n";
}

std::string slicerXml(const App& app) { return slicerXml(app, app.jobs.front()); }

}  // namespace osteo::cli
