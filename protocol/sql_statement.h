// The flags of one SQL statement, token by token: the exact half of Sniff, and what Examine builds on.
//
// What: FindVerb tells the first words that matter; IsTellingName the names that may matter anywhere; ReadStatement reads a
// whole statement and returns its flags. Sniff calls it only where its own quick look found such a word or name.
// Where a statement ends: at a ";" outside the parentheses and the BEGIN ATOMIC ... END of a CREATE (rules and functions hold
// statements), else at any ";".
// Threads: pure. Limits: nothing is allocated.
// Source: PostgreSQL's src/backend/parser/gram.y (12 to 18); psqlscan.l for the ";" inside a CREATE.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "protocol/sql_lexer.h"

namespace protocol {

enum class SqlVerb : uint8_t {
  kOther,
  kAbort,
  kAlter,
  kBegin,
  kClose,
  kCommit,
  kCreate,
  kDeallocate,
  kDeclare,
  kDiscard,
  kDrop,
  kEnd,
  kExecute,
  kExplain,
  kListen,
  kLoad,
  kPrepare,
  kReset,
  kRollback,
  kSet,
  kStart,
  kUnlisten,
};
struct Verb {
  std::string_view word;
  SqlVerb verb;
};
inline constexpr std::array<Verb, 21> kVerbs = {{
    {"abort", SqlVerb::kAbort},       {"alter", SqlVerb::kAlter},     {"begin", SqlVerb::kBegin},
    {"close", SqlVerb::kClose},       {"commit", SqlVerb::kCommit},   {"create", SqlVerb::kCreate},
    {"deallocate", SqlVerb::kDeallocate}, {"declare", SqlVerb::kDeclare}, {"discard", SqlVerb::kDiscard},
    {"drop", SqlVerb::kDrop},         {"end", SqlVerb::kEnd},         {"execute", SqlVerb::kExecute},
    {"explain", SqlVerb::kExplain},   {"listen", SqlVerb::kListen},   {"load", SqlVerb::kLoad},
    {"prepare", SqlVerb::kPrepare},   {"reset", SqlVerb::kReset},     {"rollback", SqlVerb::kRollback},
    {"set", SqlVerb::kSet},           {"start", SqlVerb::kStart},     {"unlisten", SqlVerb::kUnlisten},
}};

// The sizes of the verbs of each first letter, as bits.
constexpr std::array<uint32_t, 32> MakeVerbSizes() {
  std::array<uint32_t, 32> sizes{};
  for (const Verb& verb : kVerbs) sizes[verb.word[0] & 31] |= 1u << verb.word.size();
  return sizes;
}
inline constexpr std::array<uint32_t, 32> kVerbSizes = MakeVerbSizes();
// One look tells nearly every word from the verbs.
inline bool MayBeVerb(std::string_view word) {
  return word.size() < 32 && (kVerbSizes[word[0] & 31] >> word.size() & 1) != 0;
}
SqlVerb FindVerb(const SqlToken& first);

// Whether this word, or what stands between double quotes, may raise a flag: a function of kCalls, temp, temporary, pg_temp...
// Case does not count here.
bool IsTellingName(std::string_view name);

struct StatementRead {
  SqlFlags flags = 0;
  SqlToken last;  // the statement's last token
};
// Reads the statement that begins with `first`, which `lexer` has just read, and is this verb; leaves the lexer behind the ";".
StatementRead ReadStatement(SqlLexer& lexer, const SqlToken& first, SqlVerb verb);

// The flags a call of this function raises; 0 for nearly all. For set_config: kSqlSet.
SqlFlags FlagsOfCall(const SqlToken& name);

// Whether what stands before is a parameter's name, or its first part, though it may be a word of SET: SET local.x = 1
bool IsBehindParameter(const SqlToken& next);

struct SetConfigCall {
  SqlToken name;  // the first argument without casts to text, or kEnd when it is not one literal or parameter
  bool is_local = false;  // the third argument is literally true
};
// `arguments`: the lexer behind the "(". Reads no further than to another set_config: what is behind it counts as not known.
SetConfigCall ReadSetConfig(const SqlLexer& arguments);
// The value of a plain '...' or E'...' with nothing to unescape; false when it is another token.
bool ReadPlainString(const SqlToken& token, std::string_view& value);

}  // namespace protocol
