#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/json.h"

using namespace osteo::core;

namespace {

std::string complaintAbout(const std::string& text, bool comments = false) {
  try {
    parseJson(text, "c.json", Exit::Config, comments);
  } catch (const Error& e) {
    CHECK(e.code() == Exit::Config);
    return e.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("what is no JSON is said by line and column, without the library's words") {
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"", "c.json:1:1: the file is empty; expected a JSON document, got the end of the file"},
      {"{\"a\": 1,\n  \"b\": }", "c.json:2:8: this is not JSON; expected a value, got }"},
      {"{\"a\": 1,}",
       "c.json:1:9: this is not JSON; expected a key in double quotes, got } (remove the comma before it)"},
      {"{\"a\" 1}", "c.json:1:6: this is not JSON; expected a colon after the key, got 1"},
      {"{\"a\": 1 \"b\": 2}", "c.json:1:9: this is not JSON; expected a comma or }, got \"b\""},
      {"{\"a\": 1 true}", "c.json:1:9: this is not JSON; expected a comma or }, got true"},
      {"{\n\"a", "c.json:2:1: this is not JSON; expected a closing quote on its line, got \"a"},
      {"[1, 2", "c.json:1:6: this is not JSON; expected a comma or ], got the end of the file"},
      {"{\"a\": 'b'}", "c.json:1:7: this is not JSON; expected a value, got ' (strings stand in double quotes)"},
      {"{\"a\": NaN}", "c.json:1:7: this is not JSON; expected a value, got NaN (JSON has no NaN and no infinity)"},
      {"{\"a\": 1e999}", "c.json:1:7: this is not JSON; expected a number that a double can hold, got 1e999"},
      {"{} x", "c.json:1:4: this is not JSON; expected nothing after the document, got x"},
      {"\xff\xfe{", "c.json:1:1: this is not JSON; expected a value, got byte 0xff (save it as UTF-8)"},
      {"// a\n{}", "c.json:1:1: this is not JSON; expected a value, got / (comments are not allowed here)"},
  };
  for (const auto& [text, message] : kCases) CHECK(complaintAbout(text) == message);
  CHECK(complaintAbout("// a\n{}", true) == "none");
}

TEST_CASE("no bytes bring the parser to anything but its complaint") {
  const std::string seed = R"({"a": [1, -2.5e3, "x\u00e4\n"], "b": {"c": null, "d": true}})";
  for (std::size_t at = 0; at < seed.size(); ++at) {
    CHECK(complaintAbout(seed.substr(0, at)).find("exception") == std::string::npos);
    for (int byte = 0; byte < 256; ++byte) {
      std::string bad = seed;
      bad[at] = static_cast<char>(byte);
      complaintAbout(bad);
    }
  }
}
