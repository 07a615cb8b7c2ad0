#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "cli/pages.h"

namespace osteo::cli {
namespace {

constexpr int kColumn = 34, kWidth = 110;

std::string placeholder(const Parameter& p) {
  if (p.type == Type::Flag) return "";
  std::string word;
  switch (p.type) {
    case Type::Integer:
      word = "N";
      break;
    case Type::Number:
      word = "X";
      break;
    case Type::Folder:
      word = "FOLDER";
      break;
    case Type::File:
      word = "FILE";
      break;
    case Type::Choice:
      return fmt::format("{}", fmt::join(p.choices, "|"));
    default:
      word = "TEXT";
  }
  if (p.count > 1) {
    std::string list = word;
    for (int i = 1; i < p.count; ++i) list += "," + word;
    return list;
  }
  return p.count == 0 && !p.positional ? word + ",…" : word;
}

std::string notes(const Parameter& p) {
  std::vector<std::string> parts;
  if (!p.unit.empty()) parts.push_back(p.unit);
  if (p.default_json != "null" && p.type != Type::Flag) {
    const auto value = nlohmann::json::parse(p.default_json);
    parts.push_back("default " + (value.is_string()   ? value.get<std::string>()
                                  : value.is_number() ? fmt::format("{}", value.get<double>())
                                                      : value.dump()));
  }
  if (std::isfinite(p.range.min) && std::isfinite(p.range.max))
    parts.push_back(fmt::format("{} to {}", p.range.min, p.range.max));
  else if (std::isfinite(p.range.min))
    parts.push_back(fmt::format("at least {}", p.range.min));
  else if (std::isfinite(p.range.max))
    parts.push_back(fmt::format("at most {}", p.range.max));
  if (!p.extensions.empty()) parts.push_back(fmt::format("{}", fmt::join(p.extensions, " ")));
  return parts.empty() ? "" : fmt::format(" [{}]", fmt::join(parts, "; "));
}

/// Characters of a UTF-8 text, for columns.
std::size_t widthOf(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string wrapped(const std::string& left, const std::string& right) {
  std::string out = fmt::format("  {}", left);
  std::size_t column = widthOf(left) + 2;
  if (column >= kColumn) {
    out += "\n";
    column = 0;
  }
  out += std::string(kColumn - column, ' ');
  std::size_t used = kColumn;
  std::size_t begin = 0;
  while (begin < right.size()) {
    const std::size_t end = std::min(right.find(' ', begin), right.size());
    if (used + (end - begin) > kWidth && used > kColumn) {
      out.pop_back();
      out += "\n" + std::string(kColumn, ' ');
      used = kColumn;
    }
    out += right.substr(begin, end - begin) + " ";
    used += end - begin + 1;
    begin = end + 1;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out + "\n";
}

std::string row(const Parameter& p) {
  std::string left = p.positional ? p.name : (p.short_name ? fmt::format("-{}, ", p.short_name) : "") + "--" + p.name;
  if (!p.positional && p.type != Type::Flag) left += " " + placeholder(p);
  return wrapped(left, p.help + notes(p));
}

std::string usageLine(const App& app, const Job& job) {
  std::string line = commandOf(app, job);
  for (const Parameter& p : job.parameters)
    if (p.positional) line += " " + p.name + (p.count != 1 ? "..." : "");
  for (const Parameter& p : job.parameters)
    if (!p.positional && p.required)
      line += p.short_name ? fmt::format(" -{} {}", p.short_name, placeholder(p))
                           : fmt::format(" --{} {}", p.name, placeholder(p));
  return line + " [options]";
}

template <class Filter>
std::string section(const std::string& title, const std::vector<Parameter>& rows, Filter keep) {
  std::string text;
  for (const Parameter& p : rows)
    if (keep(p)) text += row(p);
  return text.empty() ? "" : "\n" + title + "\n" + text;
}

std::string jobRows(const App& app) {
  std::string rows;
  for (const Job& job : app.jobs)
    if (!job.name.empty()) rows += wrapped(job.name, job.summary);
  return rows;
}

std::string disclaimer() { return "\nOsteoforge is research software, not a medical device.\n"; }

}  // namespace

std::string helpPage(const App& app, const Job& job) {
  std::string page = fmt::format("{}: {}\n", commandOf(app, job), job.summary);
  if (!job.examples.empty()) page += "\nExamples:\n";
  for (const std::string& example : job.examples) page += "  $ " + example + "\n";
  page += "\nUsage: " + usageLine(app, job) + "\n";
  page += section("Inputs:", job.parameters, [](const Parameter& p) { return p.channel == Channel::Input; });
  page += section("Outputs:", job.parameters, [](const Parameter& p) { return p.channel == Channel::Output; });
  page += section("Parameters:", job.parameters,
                  [](const Parameter& p) { return p.channel == Channel::None && !p.is_advanced; });
  page += section("Advanced:", job.parameters,
                  [](const Parameter& p) { return p.channel == Channel::None && p.is_advanced; });
  page += section("Common:", commonParameters(), [](const Parameter&) { return true; });
  page += wrapped("--config FILE", "parameters as JSON, keys as in --schema [.json]");
  for (const Switch& s : switches()) page += wrapped(std::string("--") + s.name, s.help);
  if (job.name.empty() && app.jobs.size() > 1)
    page += fmt::format("\nOther jobs: {} JOB ... ; {} JOB --help\n", app.name, app.name) + jobRows(app);
  return page + disclaimer();
}

std::string helpPage(const App& app) {
  std::string page =
      fmt::format("{}: {}\n\nUsage: {} JOB ... ; {} JOB --help\n\nJobs:\n", app.name, app.summary, app.name, app.name) +
      jobRows(app);
  return page + disclaimer();
}

std::string guideHead(const App& app) {
  std::string page = fmt::format("# {}\n\n{}\n", app.name, app.summary);
  for (const Job& job : app.jobs) {
    if (!job.name.empty()) page += fmt::format("\n## {} {}\n\n{}\n", app.name, job.name, job.summary);
    page += "\n```sh\n";
    for (const std::string& example : job.examples) page += example + "\n";
    page += "```\n\n| option | what | unit, default, range |\n|---|---|---|\n";
    for (const Parameter& p : job.parameters) {
      std::string note = notes(p);
      if (!note.empty()) note = note.substr(2, note.size() - 3);
      std::string value = placeholder(p);
      for (std::size_t at = 0; (at = value.find('|', at)) != std::string::npos; at += 2) value.replace(at, 1, "\\|");
      page += fmt::format("| `{}{}{}` | {} | {} |\n",
                          p.positional   ? ""
                          : p.short_name ? fmt::format("-{}, --", p.short_name)
                                         : "--",
                          p.name, p.positional || value.empty() ? "" : " " + value, p.help, note);
    }
  }
  return page;
}

std::string manPage(const App& app) {
  const auto escape = [](const std::string& text) {
    std::string out;
    for (char c : text) out += c == '-' ? std::string("\\-") : c == '\\' ? std::string("\\e") : std::string(1, c);
    return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
  };
  std::string page = fmt::format(".TH {} 1 \"\" Osteoforge \"Osteoforge\"\n.SH NAME\n{} \\- {}\n", app.name,
                                 escape(app.name), escape(app.summary));
  for (const Job& job : app.jobs) {
    page += fmt::format(".SH {}\n{}\n.PP\n.B {}\n", job.name.empty() ? "USE" : escape(job.name), escape(job.summary),
                        escape(usageLine(app, job)));
    for (const Parameter& p : allParameters(job))
      page +=
          fmt::format(".TP\n.B {}{}\n{}\n", p.positional ? "" : "\\-\\-", escape(p.name), escape(p.help + notes(p)));
    page += ".PP\nExamples:\n.nf\n";
    for (const std::string& example : job.examples) page += escape(example) + "\n";
    page += ".fi\n";
  }
  page +=
      ".SH EXIT STATUS\nBSD sysexits: 0 ok, 64 usage, 65 input data unfit, 66 input missing, 69 needed thing absent, "
      "70 bug, 71 memory, 73 output "
      "can't be created, 74 write failed, 75 try again, 77 permission, 78 bad configuration, 130/143 interrupted.\n";
  return page + ".SH NOTE\nOsteoforge is research software, not a medical device.\n";
}

std::string bashCompletion(const App& app) {
  std::string script = fmt::format(
      "_osteo_{0}() {{\n  local current=${{COMP_WORDS[COMP_CWORD]}} words=\n  case ${{COMP_WORDS[1]:-}} in\n",
      keyOf(app.name));
  std::string otherwise;  // the names of jobs, and the options of one without a name
  for (const Job& job : app.jobs) {
    std::string words = "--config";
    for (const Parameter& p : allParameters(job))
      if (!p.positional) words += " --" + p.name;
    for (const Switch& s : switches()) words += std::string(" --") + s.name;
    if (!job.name.empty()) script += fmt::format("    {}) words='{}' ;;\n", job.name, words);
    otherwise += (otherwise.empty() ? "" : " ") + (job.name.empty() ? words : job.name);
  }
  script += fmt::format("    *) words='{}' ;;\n", otherwise);
  return script + fmt::format(
                      "  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\"; compgen -f -- "
                      "\"$current\")\n}}\n"
                      "complete -o filenames -F _osteo_{} {}\n",
                      keyOf(app.name), app.name);
}

}  // namespace osteo::cli
