// A value as some source gave it, before the key it is for has said what type it must be.
//
// What: the neutral form between the TOML reader and the key table, so that toml++ is known to the reader alone.
// PlainText comes from the environment or the command line, where everything is text and the key's type decides how to
// read it; a std::string is text by the file's own word (quoted), which a number key refuses.
// Threads: plain values. Secrets pass through here on their way to conf::Secret and are not wiped.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace conf {

struct PlainText {
  std::string text;
};

// A TOML type that no key takes: a table, a date, an array of anything but strings.
struct Unusable {
  std::string what;  // "a table", "a date", ...
};

using Value = std::variant<PlainText, std::string, int64_t, double, bool, std::vector<std::string>, Unusable>;

}  // namespace conf
