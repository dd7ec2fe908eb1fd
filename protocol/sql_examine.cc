// Examine: what each statement is, with the names in it. The flags are ReadStatement's, so that both halves agree.
#include <charconv>

#include "protocol/sql_lexer.h"
#include "protocol/sql_sniffer.h"
#include "protocol/sql_statement.h"

namespace protocol {
namespace {

// Reads one statement's tokens against an expected form. A Skip moves on only when the expected stands there.
class TokenCursor {
 public:
  TokenCursor(std::string_view statement, Backslash backslash) : lexer_(statement, backslash), token_(lexer_.Next()) {}

  const SqlToken& token() const { return token_; }
  SqlToken Peek() const { return SqlLexer(lexer_).Next(); }
  const SqlLexer& behind() const { return lexer_; }
  bool IsAtEnd() const { return token_.kind == SqlTokenKind::kEnd; }
  void Advance() { token_ = lexer_.Next(); }

  bool Skip(std::string_view word) { return SkipIf(IsWord(token_, word)); }
  bool Skip(char c) { return SkipIf(token_.Is(c)); }
  bool Skip(std::string_view first, std::string_view second) {
    if (!IsWord(token_, first) || !IsWord(Peek(), second)) return false;
    Advance();
    Advance();
    return true;
  }
  bool ReadName(std::string& name) {
    if (!token_.IsName()) return false;
    name = IdentifierOf(token_);
    Advance();
    return true;
  }
  // name[.name]...
  bool ReadParameterName(std::string& name) {
    if (!ReadName(name)) return false;
    std::string part;
    while (Skip('.')) {
      if (!ReadName(part)) return false;
      name += "." + part;
    }
    return true;
  }

 private:
  bool SkipIf(bool is_there) {
    if (is_there) Advance();
    return is_there;
  }

  SqlLexer lexer_;
  SqlToken token_;
};

bool SkipTransactionMode(TokenCursor& cursor) {
  if (cursor.Skip("isolation", "level")) {
    return cursor.Skip("serializable") || cursor.Skip("repeatable", "read") || cursor.Skip("read", "committed") ||
           cursor.Skip("read", "uncommitted");
  }
  return cursor.Skip("read", "only") || cursor.Skip("read", "write") || cursor.Skip("not", "deferrable") ||
         cursor.Skip("deferrable");
}

void SkipWorkOrTransaction(TokenCursor& cursor) {
  if (!cursor.Skip("work")) cursor.Skip("transaction");
}

// [mode [[,] mode]...]
SqlKind ReadBegin(TokenCursor& cursor) {
  while (!cursor.IsAtEnd()) {
    if (!SkipTransactionMode(cursor)) return SqlKind::kOther;
    if (cursor.Skip(',') && cursor.IsAtEnd()) return SqlKind::kOther;
  }
  return SqlKind::kBegin;
}

// [WORK|TRANSACTION] [AND NO CHAIN]
SqlKind ReadEnd(TokenCursor& cursor, SqlKind kind) {
  SkipWorkOrTransaction(cursor);
  if (cursor.Skip("and") && !cursor.Skip("no", "chain")) return SqlKind::kOther;
  return cursor.IsAtEnd() ? kind : SqlKind::kOther;
}

SqlKind IfDefault(TokenCursor& cursor, SqlKind otherwise) {
  if (cursor.IsAtEnd()) return SqlKind::kOther;
  return IsWord(cursor.token(), "default") && cursor.Peek().kind == SqlTokenKind::kEnd ? SqlKind::kReset : otherwise;
}

// name {TO|=} value, name FROM CURRENT
SqlKind ReadAssignment(TokenCursor& cursor, SqlStatement& statement) {
  std::string name;
  if (!cursor.ReadParameterName(name)) return SqlKind::kOther;
  statement.names = {name};
  if (cursor.Skip("to") || cursor.Skip('=')) return IfDefault(cursor, SqlKind::kSet);
  return cursor.Skip("from", "current") ? SqlKind::kSet : SqlKind::kOther;
}

// The forms of SET that name no parameter but have one. False when it is none of them.
bool ReadSpokenSet(TokenCursor& cursor, SqlStatement& statement) {
  if (IsBehindParameter(cursor.Peek())) return false;
  const auto found = [&](std::string_view parameter, SqlKind kind) {
    statement.names = {std::string(parameter)};
    statement.kind = kind;
    return true;
  };
  if (cursor.Skip("time", "zone")) {
    const SqlKind kind = IfDefault(cursor, SqlKind::kSet);
    const bool is_local = IsWord(cursor.token(), "local") && cursor.Peek().kind == SqlTokenKind::kEnd;
    return found("timezone", is_local ? SqlKind::kReset : kind);
  }
  if (cursor.Skip("names")) {
    return found("client_encoding", cursor.IsAtEnd() ? SqlKind::kReset : IfDefault(cursor, SqlKind::kSet));
  }
  if (cursor.Skip("role")) return found("role", cursor.IsAtEnd() ? SqlKind::kOther : SqlKind::kSet);
  if (cursor.Skip("schema")) return found("search_path", cursor.IsAtEnd() ? SqlKind::kOther : SqlKind::kSet);
  TokenCursor ahead = cursor;
  if (ahead.Skip("session", "characteristics") && ahead.Skip("as")) {
    statement.names = {"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"};
    statement.kind = SqlKind::kSet;
    return true;
  }
  if (cursor.Skip("session", "authorization")) return found("session_authorization", IfDefault(cursor, SqlKind::kSet));
  if (cursor.Skip("xml", "option")) return found("xmloption", cursor.IsAtEnd() ? SqlKind::kOther : SqlKind::kSet);
  return false;
}

// Behind SET. What is local to the transaction stays kOther.
void ReadSet(TokenCursor& cursor, SqlStatement& statement) {
  if ((statement.flags & kSqlSet) == 0) return;
  if (ReadSpokenSet(cursor, statement)) return;
  if (!IsBehindParameter(cursor.Peek()) && cursor.Skip("session") && ReadSpokenSet(cursor, statement)) return;
  statement.kind = ReadAssignment(cursor, statement);
}

SqlKind ReadReset(TokenCursor& cursor, SqlStatement& statement) {
  if (IsWord(cursor.token(), "all") && cursor.Peek().kind == SqlTokenKind::kEnd) return SqlKind::kResetAll;
  std::string name;
  if (cursor.Skip("time", "zone")) name = "timezone";
  else if (cursor.Skip("session", "authorization")) name = "session_authorization";
  else if (cursor.Skip("transaction", "isolation")) name = cursor.Skip("level") ? "transaction_isolation" : "";
  else if (!cursor.ReadParameterName(name)) return SqlKind::kOther;
  statement.names = {name};
  return cursor.IsAtEnd() ? SqlKind::kReset : SqlKind::kOther;
}

SqlKind ReadDiscard(TokenCursor& cursor) {
  if (cursor.Skip("all")) return SqlKind::kDiscardAll;
  const bool is_known =
      cursor.Skip("plans") || cursor.Skip("sequences") || cursor.Skip("temp") || cursor.Skip("temporary");
  return is_known ? SqlKind::kDiscard : SqlKind::kOther;
}

SqlKind ReadNamed(TokenCursor& cursor, SqlStatement& statement, SqlKind kind) {
  std::string name;
  if (!cursor.ReadName(name)) return SqlKind::kOther;
  statement.names = {std::move(name)};
  return kind;
}

SqlKind ReadDeallocate(TokenCursor& cursor, SqlStatement& statement) {
  if (cursor.Peek().kind != SqlTokenKind::kEnd) cursor.Skip("prepare");
  if (cursor.Skip("all")) return SqlKind::kDeallocateAll;
  return ReadNamed(cursor, statement, SqlKind::kDeallocate);
}

// EXPLAIN ... EXECUTE name, CREATE TABLE ... AS EXECUTE name. Which EXECUTE it is, the flag has settled: the first that may be.
SqlKind FindExecute(TokenCursor& cursor, SqlStatement& statement) {
  if ((statement.flags & kSqlExecute) == 0) return SqlKind::kOther;
  int depth = 0;
  bool is_behind_as = false;
  bool is_explain = IsWord(cursor.token(), "explain");
  for (; !cursor.IsAtEnd(); cursor.Advance()) {
    const SqlToken& token = cursor.token();
    if (token.Is('(')) ++depth;
    if (token.Is(')')) --depth;
    if (depth == 0 && IsWord(token, "create")) is_explain = false;
    if (depth == 0 && IsWord(token, "execute") && (is_explain || is_behind_as)) break;
    is_behind_as = IsWord(token, "as");
  }
  cursor.Skip("execute");
  return ReadNamed(cursor, statement, SqlKind::kExecute);
}

void ReadKind(TokenCursor& cursor, SqlStatement& statement) {
  const SqlVerb verb = FindVerb(cursor.token());
  if (verb == SqlVerb::kExplain || verb == SqlVerb::kCreate) {
    statement.kind = FindExecute(cursor, statement);
    return;
  }
  cursor.Advance();
  switch (verb) {
    case SqlVerb::kBegin:
      SkipWorkOrTransaction(cursor);
      statement.kind = ReadBegin(cursor);
      return;
    case SqlVerb::kStart: statement.kind = cursor.Skip("transaction") ? ReadBegin(cursor) : SqlKind::kOther; return;
    case SqlVerb::kCommit:
    case SqlVerb::kEnd: statement.kind = ReadEnd(cursor, SqlKind::kCommit); return;
    case SqlVerb::kRollback:
    case SqlVerb::kAbort: statement.kind = ReadEnd(cursor, SqlKind::kRollback); return;
    case SqlVerb::kSet: ReadSet(cursor, statement); return;
    case SqlVerb::kReset: statement.kind = ReadReset(cursor, statement); return;
    case SqlVerb::kDiscard: statement.kind = ReadDiscard(cursor); return;
    case SqlVerb::kPrepare:
      if ((statement.flags & kSqlPrepare) != 0) statement.kind = ReadNamed(cursor, statement, SqlKind::kPrepare);
      return;
    case SqlVerb::kExecute: statement.kind = ReadNamed(cursor, statement, SqlKind::kExecute); return;
    case SqlVerb::kDeallocate: statement.kind = ReadDeallocate(cursor, statement); return;
    case SqlVerb::kListen: statement.kind = ReadNamed(cursor, statement, SqlKind::kListen); return;
    case SqlVerb::kUnlisten:
      statement.kind = cursor.Skip('*') ? SqlKind::kUnlistenAll : ReadNamed(cursor, statement, SqlKind::kUnlisten);
      return;
    default: return;
  }
}

void NoteSetConfig(const SetConfigCall& call, SqlStatement& statement) {
  if (call.is_local) return;
  std::string_view name;
  if (ReadPlainString(call.name, name)) {
    std::string lower;
    for (const char c : name) lower += LowerAscii(c);
    statement.set_config_names.push_back(std::move(lower));
    return;
  }
  int number = 0;
  if (call.name.kind == SqlTokenKind::kParameter &&
      std::from_chars(call.name.begin() + 1, call.name.end(), number).ec == std::errc{}) {
    statement.set_config_parameters.push_back(number);
    return;
  }
  statement.set_config_unknown = true;
}

// The statement's first token is none: no statement begins with a call.
void ReadSetConfigCalls(TokenCursor& cursor, SqlStatement& statement) {
  if ((statement.flags & kSqlSet) == 0) return;
  for (cursor.Advance(); !cursor.IsAtEnd(); cursor.Advance()) {
    if (!cursor.token().IsName() || FlagsOfCall(cursor.token()) != kSqlSet || !cursor.Peek().Is('(')) continue;
    cursor.Advance();
    NoteSetConfig(ReadSetConfig(cursor.behind()), statement);
  }
}

}  // namespace

std::vector<SqlStatement> Examine(std::string_view sql, Backslash backslash) {
  std::vector<SqlStatement> statements;
  SqlLexer lexer(sql, backslash);
  for (SqlToken first = lexer.Next(); first.kind != SqlTokenKind::kEnd; first = lexer.Next()) {
    if (first.Is(';')) continue;
    const StatementRead read = ReadStatement(lexer, first, FindVerb(first));
    SqlStatement& statement = statements.emplace_back();
    statement.flags = read.flags;
    statement.begin = static_cast<size_t>(first.begin() - sql.data());
    statement.end = static_cast<size_t>(read.last.end() - sql.data());
    const std::string_view text = sql.substr(statement.begin, statement.end - statement.begin);
    TokenCursor cursor(text, backslash);
    ReadKind(cursor, statement);
    if (statement.kind == SqlKind::kOther) statement.names.clear();
    TokenCursor calls(text, backslash);
    ReadSetConfigCalls(calls, statement);
  }
  return statements;
}

}  // namespace protocol
