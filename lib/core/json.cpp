#include "core/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

using nlohmann::json;

namespace osteo::core {
namespace {

constexpr const char* kSpace = " \t\r\n";

bool has(const std::string& message, const char* part) { return message.find(part) != std::string::npos; }

/// Where the token begins whose last byte is at `at`, which is where the parser stops.
std::size_t tokenStart(const std::string& text, std::size_t at, const std::string& message) {
  const bool open = has(message, "missing closing quote") || has(message, "control character");
  if (open || has(message, "unexpected string literal")) {
    const std::size_t quote = at > 0 ? text.rfind('"', at - 1) : std::string::npos;
    return quote == std::string::npos ? at : quote;
  }
  const auto inWord = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '+'; };
  if (has(message, "literal; expected"))  // an unexpected number, true, false or null
    while (at > 0 && at < text.size() && inWord(static_cast<unsigned char>(text[at - 1]))) --at;
  return at;
}

std::size_t placeOf(const std::string& text, const json::exception& error) {
  const std::string message = error.what();
  if (const auto* parse = dynamic_cast<const json::parse_error*>(&error))
    return tokenStart(text, std::min(text.size(), parse->byte == 0 ? 0 : parse->byte - 1), message);
  const auto quote = message.find('\'');  // a number out of range stands in quotes, without its place
  if (quote == std::string::npos) return 0;
  return std::min(text.find(message.substr(quote + 1, message.rfind('\'') - quote - 1)), text.size());
}

std::string expectedBy(const std::string& message) {
  if (has(message, "missing closing quote") || has(message, "control character")) return "a closing quote on its line";
  if (has(message, "UTF-8")) return "text in UTF-8";
  if (has(message, "backslash") || has(message, "hex digits")) return "an escape such as \\n, \\\\ or \\u00e4";
  if (has(message, "out_of_range")) return "a number that a double can hold";
  if (has(message, "; expected end of input")) return "nothing after the document";
  if (has(message, "parsing object key")) return "a key in double quotes";
  if (has(message, "parsing object separator")) return "a colon after the key";
  if (has(message, "while parsing object")) return "a comma or }";
  if (has(message, "while parsing array")) return "a comma or ]";
  return has(message, "while parsing value") ? "a value" : "JSON";
}

/// What stands there: the word or the one character.
std::string gotAt(const std::string& text, std::size_t at) {
  constexpr std::size_t kShown = 20;
  if (text.find_first_not_of(kSpace, at) == std::string::npos) return "the end of the file";
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x20 || byte >= 0x7f) return fmt::format("byte 0x{:02x}", byte);
  const auto end = std::isalnum(byte) || byte == '"' ? text.find_first_of(" \t\r\n,:{}[]", at) : at + 1;
  std::string word = text.substr(at, std::min(end - at, kShown));
  word.erase(std::find_if(word.begin(), word.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }), word.end());
  return word;
}

std::string hintFor(const std::string& text, std::size_t at, bool comments) {
  const auto before = at == 0 ? std::string::npos : text.find_last_not_of(kSpace, at - 1);
  const bool after_comma = before != std::string::npos && text[before] == ',';
  const char here = at < text.size() ? text[at] : '\0';
  if (after_comma && (here == '}' || here == ']')) return "remove the comma before it";
  if (static_cast<unsigned char>(here) >= 0x80) return "save it as UTF-8";
  if (here == '\'') return "strings stand in double quotes";
  if ((here == '/' || here == '#') && !comments) return "comments are not allowed here";
  for (const char* word : {"NaN", "nan", "Infinity", "inf", "-Infinity", "-inf"})
    if (text.compare(std::min(at, text.size()), std::char_traits<char>::length(word), word) == 0)
      return "JSON has no NaN and no infinity";
  for (const char* word : {"True", "False", "None"})
    if (text.compare(std::min(at, text.size()), std::char_traits<char>::length(word), word) == 0)
      return "true, false and null are written small";
  return {};
}

}  // namespace

json parseJson(const std::string& text, const std::string& file, Exit code, bool comments) {
  try {
    return json::parse(text, nullptr, true, comments);
  } catch (const json::exception& error) {
    const std::size_t at = placeOf(text, error);
    const auto here = text.begin() + static_cast<std::ptrdiff_t>(at);
    const auto line = std::count(text.begin(), here, '\n') + 1;
    const auto last = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
    const std::size_t column = last == std::string::npos ? at + 1 : at - last;
    const bool empty = text.find_first_not_of(kSpace) == std::string::npos;
    throw Error(code, {.what = empty ? "the file is empty" : "this is not JSON",
                       .file = fmt::format("{}:{}:{}", file, line, column),
                       .expected = empty ? "a JSON document" : expectedBy(error.what()),
                       .got = gotAt(text, at),
                       .hint = hintFor(text, at, comments)});
  }
}

}  // namespace osteo::core
