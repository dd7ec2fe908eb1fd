// The flags of one SQL statement, token by token: the exact half of Sniff, and what Examine builds on.
//
// What: FindVerb tells the first words that matter; IsTellingName the names that may matter anywhere; ReadStatement reads a whole
// statement and returns its flags. Sniff calls it only where its own quick look found such a word or name.
// Where a statement ends: at a ";" outside the parentheses and the BEGIN ATOMIC ... END of a CREATE (rules and functions hold
// statements), else at any ";".
// Threads: pure. Limits: nothing is allocated.
// Source: PostgreSQL's src/backend/parser/gram.y (12 to 18); psqlscan.l for the ";" inside a CREATE.
#pragma once

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

struct SetConfigCall {
  SqlToken name;  // the first argument without its casts, or kEnd when it is not one literal or parameter
  bool is_local = false;  // the third argument is literally true
};
// `arguments`: the lexer behind the "(". Arguments of more than 64 tokens are not read: nothing is known of such a call.
SetConfigCall ReadSetConfig(const SqlLexer& arguments);
// The value of a plain '...' or E'...' with nothing to unescape; false when it is another token.
bool ReadPlainString(const SqlToken& token, std::string_view& value);

}  // namespace protocol
