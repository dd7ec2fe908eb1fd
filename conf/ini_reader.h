// PgBouncer's ini grammar: text to sections and keys with file and line. Which of them mean something is apply_ini's matter.
//
// What: comments (; or #) at the start of a line only; [section]; key = value, the value being the rest of the line; a key
// outside [A-Za-z0-9_.*-] stands in single or double quotes, without an escape; %include PATH, relative to the working
// folder. As in PgBouncer the section in force goes on into an included file and out of it again. Values of [databases] and
// [users] are connection strings: key=value key='value with blanks', a quote inside written twice.
// Limits: includes nest kMaxIncludeDepth deep, kMaxIncludes in all; each file kMaxFileSize (read_file.h).
// Threads: none. Errors: one Mistake per wrong line, and the lines after it are still read; none quotes a value, since that
// may be a password.
// Source: pgbouncer-facts.md, section 1.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/loader.h"
#include "conf/units.h"

namespace conf {

inline constexpr int kMaxIncludeDepth = 10;
inline constexpr int kMaxIncludes = 200;

struct IniEntry {
  std::string key, value;
  std::string file;
  int line = 0;
};

struct IniSection {
  std::string name;
  std::string file;
  int line = 0;
  std::vector<IniEntry> entries;  // in the order of reading; a key may stand there twice
};

struct IniDocument {
  std::vector<IniSection> sections;  // one per header, in the order of reading
  std::vector<Mistake> mistakes;
};

IniDocument ReadIni(std::string_view text, const std::string& file,
                    const std::function<Parsed<std::string>(const std::string& path)>& read_file);

struct IniPair {
  std::string key, value;
};

// The text of a refusal completes "the connection string ...".
Parsed<std::vector<IniPair>> ParseConnectString(std::string_view text);

}  // namespace conf
