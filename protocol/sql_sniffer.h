// What a string of SQL does to the session that runs it, as far as its words tell.
//
// What: Sniff is the cheap look that every Query and Parse gets: a set of flags over all statements of the string, 0 for the
// usual query. Only when flags are set, Examine is asked for the statements one by one, with names. Neither decides anything:
// they say when to ask the server, which knows. A false alarm costs a round trip; what hides in a function is not seen.
// How: first words of each statement, and a few names followed by "(" anywhere. Sniff runs over bytes and reads a statement
// token by token (sql_statement.h) only where one of them stands. Comments (nested), '...', E'...' (backslashes), U&'...',
// "...", $tag$...$tag$, and standard_conforming_strings are honoured (sql_lexer.h). A ";" inside the body of a CREATE FUNCTION
// ... BEGIN ATOMIC or the parentheses of a CREATE RULE ends no statement.
// Threads: pure. Limits: Sniff allocates nothing; an unterminated string, comment or quote runs to the end of the text. The
// cost is linear in the text; tests/bench/sql_sniffer_instructions counts it.
// Why no libpg_query: it knows the grammar of one server version, strings that conform and UTF-8, and builds a tree of the whole
// text. That took 49 us for a query of 200 bytes, 3 us for a SET and 58 ms for an INSERT of 1 MB; Sniff took 0.07 us, Examine
// 0.4 us, Sniff 0.2 ms. The unit tests hold both halves against it: tests/unit/protocol/sql_oracle.h.
// Source: PostgreSQL documentation, "Lexical Structure"; the SQL commands named below; scan.l and gram.y (12 to 18).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace protocol {

using SqlFlags = uint32_t;

enum SqlFlag : SqlFlags {
  kSqlBegin = 1u << 0,           // BEGIN, START TRANSACTION
  kSqlEnd = 1u << 1,             // COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION; not ROLLBACK TO, COMMIT PREPARED
  kSqlSet = 1u << 2,             // SET [SESSION] ..., SET TIME ZONE/NAMES/ROLE/..., RESET, set_config(..., not literally true)
  kSqlSetLocal = 1u << 3,        // SET LOCAL ..., SET TRANSACTION, SET CONSTRAINTS, set_config(..., ..., true)
  kSqlDiscard = 1u << 4,         // DISCARD anything
  kSqlPrepare = 1u << 5,         // PREPARE name AS ...; not PREPARE TRANSACTION
  kSqlExecute = 1u << 6,         // EXECUTE name, EXPLAIN ... EXECUTE name, CREATE TABLE ... AS EXECUTE name
  kSqlDeallocate = 1u << 7,      // DEALLOCATE [PREPARE] name | ALL
  kSqlListen = 1u << 8,          // LISTEN
  kSqlUnlisten = 1u << 9,        // UNLISTEN name | *
  kSqlTemp = 1u << 10,           // CREATE ... TEMP|TEMPORARY ..., SELECT ... INTO TEMP, CREATE ... pg_temp.x (kSqlDdl too)
  kSqlTempEnd = 1u << 11,        // DROP anything (a temp table may be gone)
  kSqlHold = 1u << 12,           // DECLARE ... WITH HOLD
  kSqlClose = 1u << 13,          // CLOSE name | ALL
  kSqlAdvisoryLock = 1u << 14,   // pg_advisory_lock, pg_try_advisory_lock, and both with _shared; not ..._xact_...
  kSqlAdvisoryUnlock = 1u << 15, // pg_advisory_unlock, and with _shared, _all
  kSqlLoad = 1u << 16,           // LOAD
  kSqlSequence = 1u << 17,       // currval(, lastval(
  kSqlDdl = 1u << 18,            // ALTER, DROP, CREATE (not temp): what may change a cached plan's result type
  kSqlSeveral = 1u << 19,        // more than one statement in the string
};

// The words of every query that concern no session but, at most, its transaction.
inline constexpr SqlFlags kSqlHarmless = kSqlBegin | kSqlEnd | kSqlSetLocal | kSqlDdl | kSqlSeveral | kSqlTempEnd | kSqlClose;

// `standard_conforming_strings`: as the session has it; off = backslashes escape in plain '...' too.
enum class Backslash : uint8_t { kLiteral, kEscapes };
SqlFlags Sniff(std::string_view sql, Backslash backslash);

enum class SqlKind : uint8_t {
  kOther,
  kBegin,            // plain: nothing but known words (BEGIN [WORK|TRANSACTION] [modes], START TRANSACTION [modes])
  kCommit,           // COMMIT/END [WORK|TRANSACTION] [AND NO CHAIN], nothing else
  kRollback,         // ROLLBACK/ABORT [WORK|TRANSACTION] [AND NO CHAIN], nothing else
  kSet,              // names: what is set; SET NAMES -> client_encoding, TIME ZONE -> timezone, ROLE -> role,
                     // SCHEMA -> search_path, SESSION AUTHORIZATION -> session_authorization, XML OPTION -> xmloption,
                     // SESSION CHARACTERISTICS -> the default_transaction_* three. What is local to a transaction is kOther.
  kReset,            // RESET name, SET name TO DEFAULT, SET TIME ZONE LOCAL, SET NAMES; names as above
  kResetAll,         // RESET ALL
  kDiscardAll,
  kDiscard,          // PLANS, SEQUENCES, TEMP
  kPrepare,          // names[0]: the statement's name
  kExecute,          // names[0]; also of EXPLAIN ... EXECUTE and CREATE TABLE ... AS EXECUTE
  kDeallocate,       // names[0]
  kDeallocateAll,
  kListen,           // names[0]: the channel
  kUnlisten,         // names[0]
  kUnlistenAll,
};

struct SqlStatement {
  SqlKind kind = SqlKind::kOther;
  SqlFlags flags = 0;               // of this statement alone
  size_t begin = 0, end = 0;        // in the text, from the first token to the last, without the ";"
  std::vector<std::string> names;   // folded and unquoted as PostgreSQL does (ASCII lower case, "" -> ", U& escapes to UTF-8,
                                    // each cut at 63 bytes);
                                    // a name with a dot as written between the parts: app.x
  // set_config calls that last (third argument not literally true):
  std::vector<std::string> set_config_names;  // first argument as a literal, lower-cased
  std::vector<int> set_config_parameters;     // first argument is $n: n
  bool set_config_unknown = false;            // first argument is something else
};
// Empty statements are left out. kSqlSeveral is never in a statement's own flags.
std::vector<SqlStatement> Examine(std::string_view sql, Backslash backslash);

}  // namespace protocol
