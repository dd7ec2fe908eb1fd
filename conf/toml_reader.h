// TOML text to a neutral document with the line of every key. The one place that knows toml++.
//
// What: syntax only. Which sections and keys exist is the caller's business.
// Threads: none. Errors: one Mistake for a syntax error, since nothing after it can be trusted; its text never quotes a
// line that holds a password.
// Limits: kMaxFileSize from read_file.h bounds the text; toml++ bounds nesting at 256.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "conf/loader.h"
#include "conf/value.h"

namespace conf {

struct Entry {
  std::string key;
  Value value;
  int line = 0;
};

struct Section {
  std::string group;  // "pgweir", "databases", "users", "peers", or what the file says
  std::string name;   // "shop" of [databases.shop]; empty for [pgweir]
  int line = 0;
  std::vector<Entry> entries;  // in the order of the file
};

struct Document {
  std::vector<Section> sections;  // [pgweir], each [databases.X], [users.X] and [peers.X], and unknown ones without their entries
  std::vector<Entry> strays;      // keys outside any section: group "" or directly under [databases], [users] or [peers]
};

tl::expected<Document, Mistake> ReadToml(std::string_view text, const std::string& file);

}  // namespace conf
