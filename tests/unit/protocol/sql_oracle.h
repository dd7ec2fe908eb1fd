// What PostgreSQL's own parser says of a text, in the words of Examine, so that the two can be compared.
//
// What: AskParser parses a text with libpg_query (PostgreSQL 15's gram.y and scan.l) and derives kind, names, flags and the
// set_config calls of each statement from the parse tree. Nothing of our lexer or reader is used. Compare asks both and says
// where they differ: a miss is something that Examine or Sniff does not see or names wrongly; an alarm is something they see
// where there is nothing, or do not know exactly: that costs a question to the server, no more.
// Limits: standard_conforming_strings = on, UTF-8. What is executed by a function or a later statement is seen by neither.
// Threads: libpg_query keeps its memory per thread; else pure.
#pragma once

#include <string>
#include <vector>

#include "protocol/sql_sniffer.h"

namespace protocol {

struct ParserJudgement {
  std::string refusal;                   // the parser's words when it refuses the text, else empty
  std::vector<SqlStatement> statements;  // begin and end: with the space and the comments around
};
ParserJudgement AskParser(const std::string& sql);

struct Comparison {
  std::string refusal;              // as above: then nothing was compared
  std::vector<std::string> misses;  // one sentence each
  std::vector<std::string> alarms;
};
// `escaping`: the same text as it is written, in as many bytes, where a "\" in a plain '...' escapes; empty for none. It must be
// judged alike under that setting, which the parser itself does not know.
Comparison Compare(const std::string& sql, const std::string& escaping = "");

}  // namespace protocol
