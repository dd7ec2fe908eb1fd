// The words of a line of auth_hba_file and auth_ident_file, as PostgreSQL cuts them.
//
// What: a pure function. Fields are separated by blanks; words with commas between them are one field, also over blanks behind
// a comma. Double quotes keep blanks, commas and # in a word, "" inside of them is one quote. A # outside of quotes ends the
// line. A word of which any part was quoted is a name and never a keyword.
// Not here: what a word means. A backslash at the end, with which newer versions of PostgreSQL continue a line, is refused:
// PgBouncer reads such a file as two lines.
// Limits: kLongestWord. Threads: none. Source: PostgreSQL documentation, "The pg_hba.conf File".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/units.h"

namespace conf {

inline constexpr size_t kLongestWord = 4096;

struct HbaWord {
  std::string text;
  bool is_quoted = false;
  bool Is(std::string_view keyword) const { return !is_quoted && text == keyword; }
};
using HbaField = std::vector<HbaWord>;  // never empty

// The refusal completes "a line that ...".
Parsed<std::vector<HbaField>> SplitFields(std::string_view line);

}  // namespace conf
