#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "inspect/compare.h"

using nlohmann::json;

namespace osteo::inspect {
namespace {

constexpr std::size_t kMostNamed = 20;

std::string shortText(const json& value) {
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

/// Walks two documents in step; counts every difference and names the first ones by their path.
struct Walk {
  double tolerance;
  Verdict verdict = {};
  std::int64_t count = 0;
  double largest_relative = 0;

  void note(const std::string& path, const std::string& text) {
    if (++count <= static_cast<std::int64_t>(kMostNamed))
      verdict.differences.push_back((path.empty() ? "/" : path) + ": " + text);
  }

  void numbers(const json& a, const json& b, const std::string& path) {
    const double x = a.get<double>(), y = b.get<double>(), scale = std::max(std::abs(x), std::abs(y));
    const double relative = x == y ? 0.0 : std::abs(x - y) / scale;
    largest_relative = std::max(largest_relative, relative);
    if (relative > tolerance) note(path, fmt::format("{} and {}", shortText(a), shortText(b)));
  }

  void objects(const json& a, const json& b, const std::string& path) {
    for (const auto& [key, value] : a.items()) {
      if (path.empty() && key == "execution") continue;
      if (b.contains(key))
        values(value, b[key], path + "/" + key);
      else
        note(path + "/" + key, "only in the first");
    }
    for (const auto& [key, value] : b.items())
      if (!(path.empty() && key == "execution") && !a.contains(key)) note(path + "/" + key, "only in the second");
  }

  void values(const json& a, const json& b, const std::string& path) {
    if (a.is_number() && b.is_number()) return numbers(a, b, path);
    if (a.is_object() && b.is_object()) return objects(a, b, path);
    if (!a.is_array() || !b.is_array()) {
      if (a != b) note(path, fmt::format("{} and {}", shortText(a), shortText(b)));
      return;
    }
    if (a.size() != b.size()) return note(path, fmt::format("{} and {} entries", a.size(), b.size()));
    for (std::size_t i = 0; i < a.size(); ++i) values(a[i], b[i], path + "/" + std::to_string(i));
  }
};

}  // namespace

Verdict compareJson(const json& a, const json& b, double tolerance) {
  Walk walk{.tolerance = tolerance};
  walk.values(a, b, "");
  walk.verdict.measures = {{"differences", walk.count}, {"largest_relative_difference", walk.largest_relative}};
  return std::move(walk.verdict);
}

}  // namespace osteo::inspect
