#pragma once
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

/// The parameter table of an executable, from which flags, --config, --schema, --xml, --help, completion, the man page
/// and the guide's head are made.
namespace osteo::cli {

enum class Type { Flag, Integer, Number, Text, Choice, File, Folder };
enum class Channel { None, Input, Output };

struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

/// One row of the table. The long option is the name; the JSON key is the name with `_` for `-`.
struct Parameter {
  std::string name;
  Type type = Type::Text;
  std::string help;
  std::string unit = {};
  std::string default_json = "null";  ///< JSON text; "null" means: absent unless given
  Range range = {};
  std::vector<std::string> choices = {};
  std::vector<std::string> extensions = {};  ///< accepted endings of files, for help and checks
  Channel channel = Channel::None;
  char short_name = 0;
  int count = 1;  ///< values: 1 scalar, n > 1 a list of exactly n, 0 a list of any length
  bool positional = false, required = false, is_advanced = false;

  Parameter advanced() const;
  Parameter must() const;  ///< required
};

// Rows. Lists are given on the command line as comma-separated values.
Parameter input(std::string name, std::vector<std::string> extensions, std::string help);   ///< positional, required
Parameter inputs(std::string name, std::vector<std::string> extensions, std::string help);  ///< positional, one or more
Parameter inputFolder(std::string name, std::string help);  ///< positional file or folder
Parameter inputOption(std::string name, std::vector<std::string> extensions, std::string help);  ///< --name FILE
Parameter output(std::vector<std::string> extensions, std::string help);  ///< -o, --output, required
Parameter outputOption(std::string name, std::vector<std::string> extensions, std::string help);  ///< --name FILE
Parameter folderOption(std::string name, Channel channel, std::string help);                      ///< --name FOLDER
Parameter flag(std::string name, std::string help);                                               ///< default false
Parameter integer(std::string name, std::string unit, long long standard, Range range, std::string help);
Parameter number(std::string name, std::string unit, double standard, Range range, std::string help);
Parameter optionalNumber(std::string name, std::string unit, Range range, std::string help);  ///< absent unless given
Parameter numbers(std::string name, std::string unit, int count, Range range,
                  std::string help);  ///< absent unless given
Parameter text(std::string name, std::string standard, std::string help);
Parameter texts(std::string name, std::string help);  ///< a list, absent unless given
Parameter choice(std::string name, std::vector<std::string> choices, std::string standard, std::string help);
/// --picture FILE.png, the same in every app that draws.
Parameter picture(std::string help);
/// Rows, then rows that several jobs share.
std::vector<Parameter> joined(std::vector<Parameter> rows, const std::vector<Parameter>& more);

class Context;

/// One job of an executable: most have one with an empty name; `phantom sphere` is a job named sphere. A job without a
/// name comes first and takes every call that names no other. A job with an option of its own name also takes the calls
/// that give this option: `design-scaffold --inverse target.json` is `design-scaffold inverse --inverse target.json`.
struct Job {
  std::string name;
  std::string summary;
  std::vector<std::string> examples;  ///< whole command lines that run as they stand in a folder with the demo's files
  std::vector<Parameter> parameters;
  void (*run)(Context&);
};

struct App {
  std::string name;
  std::string summary;
  std::vector<Job> jobs;
};

/// Defined once by each apps/*.cpp.
App describe();

}  // namespace osteo::cli
