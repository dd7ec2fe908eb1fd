// A statement without its values, to name it where its text must not be seen: in logs and in SHOW HOLDERS.
//
// What: WithoutValues writes the tokens of a text with strings and numbers as "?", lists of them as one "?", comments and
// superfluous space left out and words in lower case; so `SELECT * FROM t WHERE a IN (1, 2) -- x` becomes `select * from t where a in
// (?)`. DigestOf is a hash of that, 16 hexadecimal digits: equal for texts that differ in their values alone. Names stay: who must not
// tell them shows the digest only.
// Threads: pure functions. Limits: what a text says behind kDigestedBytes is not read; a literal that is cut there is a literal.
#pragma once

#include <string>
#include <string_view>

#include "protocol/sql_sniffer.h"

namespace protocol {

inline constexpr size_t kDigestedBytes = 512;

std::string WithoutValues(std::string_view sql, Backslash backslash);
std::string DigestOf(std::string_view without_values);

}  // namespace protocol
