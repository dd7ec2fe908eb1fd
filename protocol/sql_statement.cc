#include "protocol/sql_statement.h"

#include <algorithm>
#include <array>

namespace protocol {
namespace {

struct Call {
  std::string_view function;
  SqlFlags flags;
};
constexpr std::array<Call, 10> kCalls = {{
    {"set_config", kSqlSet},
    {"pg_advisory_lock", kSqlAdvisoryLock},
    {"pg_advisory_lock_shared", kSqlAdvisoryLock},
    {"pg_try_advisory_lock", kSqlAdvisoryLock},
    {"pg_try_advisory_lock_shared", kSqlAdvisoryLock},
    {"pg_advisory_unlock", kSqlAdvisoryUnlock},
    {"pg_advisory_unlock_shared", kSqlAdvisoryUnlock},
    {"pg_advisory_unlock_all", kSqlAdvisoryUnlock},
    {"currval", kSqlSequence},
    {"lastval", kSqlSequence},
}};
constexpr std::string_view kTempSchema = "pg_temp";  // and pg_temp_3, its name in the catalogue

// Which sizes of names may tell at all, as bits, pg_temp_3 aside.
constexpr uint32_t MakeTellingSizes() {
  uint32_t sizes = 1u << std::string_view("temp").size() | 1u << std::string_view("temporary").size();
  for (const Call& call : kCalls) sizes |= 1u << call.function.size();
  return sizes;
}
constexpr uint32_t kTellingSizes = MakeTellingSizes();

bool IsTempSchemaName(std::string_view name) {
  if (name.size() < kTempSchema.size() || !EqualsLower(name.substr(0, kTempSchema.size()), kTempSchema)) return false;
  return name.size() == kTempSchema.size() || name[kTempSchema.size()] == '_';
}

bool IsTempSchema(const SqlToken& token) {
  NameRoom room;
  if (token.kind == SqlTokenKind::kQuotedName) return IsTempSchemaName(InsideQuotes(token, room));
  return token.kind == SqlTokenKind::kWord && IsTempSchemaName(token.text);
}

bool IsTempWord(const SqlToken& token) { return IsWord(token, "temp") || IsWord(token, "temporary"); }

// What may stand behind the INTO x of a SELECT: its end or a word that is no name without quotes.
bool IsBehindInto(const SqlToken& token) {
  if (token.kind == SqlTokenKind::kEnd || token.Is(';') || token.Is(')')) return true;
  constexpr std::array<std::string_view, 13> kClauses = {"except",    "fetch", "for",    "from",  "group", "having",
                                                         "intersect", "limit", "offset", "order", "union", "where",
                                                         "window"};
  return std::ranges::any_of(kClauses, [&token](std::string_view clause) { return IsWord(token, clause); });
}

bool IsPrefixOf(std::string_view text, std::string_view word) {
  return !text.empty() && EqualsLower(text, word.substr(0, text.size()));
}

// What PostgreSQL's parse_bool takes for true.
bool IsTrue(const SqlToken& token) {
  if (IsWord(token, "true")) return true;
  std::string_view value;
  if (!ReadPlainString(token, value)) return false;
  while (!value.empty() && IsSqlCharacter(value.front(), kSpace)) value.remove_prefix(1);
  while (!value.empty() && IsSqlCharacter(value.back(), kSpace)) value.remove_suffix(1);
  return IsPrefixOf(value, "true") || IsPrefixOf(value, "yes") || EqualsLower(value, "on") || value == "1";
}

// The arguments of one call of set_config. It looks ahead no further than to another one, so that a text of nothing but nested
// calls costs no square.
class ArgumentReader {
 public:
  explicit ArgumentReader(const SqlLexer& lexer) : lexer_(lexer) {}

  // What the next argument is when it is one token, harmless casts aside; else kEnd.
  SqlToken Read() {
    const SqlToken argument = Next();
    if (IsStop()) return {};
    if (argument.Is('(') || argument.Is('[')) return SkipRest(1);
    for (Next(); SkipCast();) {
    }
    if (IsAtEnd()) return {};
    return IsStop() ? argument : SkipRest(0);
  }
  const SqlToken& stop() const { return token_; }  // the "," or ")" behind the argument

 private:
  bool IsStop() const { return token_.Is(',') || token_.Is(')') || IsAtEnd(); }
  bool IsAtEnd() const { return token_.kind == SqlTokenKind::kEnd || token_.Is(';'); }
  // A cast to another type may change the value, as to "char", or hide that the argument goes on: 't'::bool AND f()
  static bool KeepsValue(const SqlToken& type) {
    return IsWord(type, "text") || IsWord(type, "varchar") || IsWord(type, "bool") || IsWord(type, "boolean");
  }
  bool SkipCast() {
    if (!token_.Is(':') || !Next().Is(':')) return false;
    if (IsWord(Next(), "pg_catalog") && Next().Is('.')) Next();
    if (!KeepsValue(token_)) return false;
    Next();
    return true;
  }
  // To the argument's end; `depth` parentheses are open.
  SqlToken SkipRest(int depth) {
    if (depth > 0) Next();
    for (; depth > 0 || !IsStop(); Next()) {
      if (IsAtEnd()) return {};
      if (token_.Is('(') || token_.Is('[')) ++depth;
      if (token_.Is(')') || token_.Is(']')) --depth;
    }
    return {};
  }
  const SqlToken& Next() {
    token_ = lexer_.Next();
    if (token_.IsName() && FlagsOfCall(token_) == kSqlSet) token_ = {};
    return token_;
  }

  SqlLexer lexer_;
  SqlToken token_;
};

// Reads a statement to its end and collects flags on the way.
class StatementReader {
 public:
  StatementReader(SqlLexer& lexer, const SqlToken& first) : lexer_(lexer), first_(first), token_(first) {}

  StatementRead Read(SqlVerb verb) {
    ReadVerb(verb);
    while (Advance()) {
    }
    return {flags_, token_};
  }

 private:
  bool Advance();
  void NoteCall();
  void NoteInto();
  static SqlToken BehindName(SqlLexer& ahead, SqlToken token);
  SqlToken Peek() const { return SqlLexer(lexer_).Next(); }

  void ReadVerb(SqlVerb verb);
  void ReadCommit();
  void ReadRollback();
  void ReadSet();
  void ReadPrepare();
  void ReadExplain();
  void ReadDeclare();
  void ReadCreate();
  void ReadCreatedBody(bool is_table, bool is_routine);
  void NoteCreatedRoutine();
  bool SkipWord(std::string_view word);
  bool SkipSetWord(std::string_view word);

  SqlLexer& lexer_;
  const SqlToken first_;
  SqlToken token_;
  SqlToken before_;
  SqlFlags flags_ = 0;
  bool is_at_end_ = false;
  int open_ = 0;  // parentheses of a CREATE
  const char* body_ = nullptr;  // the ATOMIC of BEGIN ATOMIC, until its END
};

// To the statement's next token; false, and token_ stays, when there is none.
bool StatementReader::Advance() {
  if (is_at_end_) return false;
  const SqlToken next = lexer_.Next();
  if (next.kind == SqlTokenKind::kEnd || (next.Is(';') && open_ == 0 && body_ == nullptr)) {
    is_at_end_ = true;
    return false;
  }
  before_ = token_;
  token_ = next;
  if (token_.Is('(')) NoteCall();
  else if (IsWord(token_, "into")) NoteInto();
  return true;
}

// No statement begins with a call.
void StatementReader::NoteCall() {
  if (!before_.IsName() || before_.begin() == first_.begin()) return;
  const SqlFlags flags = FlagsOfCall(before_);
  flags_ |= flags == kSqlSet && ReadSetConfig(lexer_).is_local ? SqlFlags{kSqlSetLocal} : flags;
}

// SELECT ... INTO [LOCAL|GLOBAL] TEMP [TABLE] x, INTO ... pg_temp.x; but a table may be called temp: INSERT INTO temp
void StatementReader::NoteInto() {
  SqlLexer ahead = lexer_;
  SqlToken token = ahead.Next();
  for (const std::string_view word : {"local", "global", "unlogged", "table"}) {
    if (IsWord(token, word)) token = ahead.Next();
  }
  const bool is_temp = IsTempWord(token);
  if (!is_temp && !IsTempSchema(token)) return;
  token = ahead.Next();
  if (is_temp ? !token.IsName() || IsBehindInto(token) : !token.Is('.')) return;
  // These two may be the name of a column: SELECT insert INTO TEMP x
  const bool may_be_verb = IsWord(before_, "insert") || IsWord(before_, "merge");
  if (may_be_verb && !IsBehindInto(BehindName(ahead, token))) return;
  flags_ |= kSqlTemp;
}

// `token`: the "." or the first name behind TEMP, which may be TABLE.
SqlToken StatementReader::BehindName(SqlLexer& ahead, SqlToken token) {
  if (IsWord(token, "table")) token = ahead.Next();
  if (token.IsName()) token = ahead.Next();
  while (token.Is('.') && ahead.Next().IsName()) token = ahead.Next();
  return token;
}

bool StatementReader::SkipWord(std::string_view word) { return IsWord(Peek(), word) && Advance(); }

// token_ is the verb: the first word, or the one after EXPLAIN's options.
void StatementReader::ReadVerb(SqlVerb verb) {
  switch (verb) {
    case SqlVerb::kOther: return;
    case SqlVerb::kBegin:
    case SqlVerb::kStart: flags_ |= kSqlBegin; return;
    case SqlVerb::kEnd:
    case SqlVerb::kCommit: return ReadCommit();
    case SqlVerb::kAbort:
    case SqlVerb::kRollback: return ReadRollback();
    case SqlVerb::kSet: return ReadSet();
    case SqlVerb::kReset: flags_ |= kSqlSet; return;
    case SqlVerb::kDiscard: flags_ |= kSqlDiscard; return;
    case SqlVerb::kPrepare: return ReadPrepare();
    case SqlVerb::kExecute: flags_ |= kSqlExecute; return;
    case SqlVerb::kExplain: return ReadExplain();
    case SqlVerb::kDeallocate: flags_ |= kSqlDeallocate; return;
    case SqlVerb::kListen: flags_ |= kSqlListen; return;
    case SqlVerb::kUnlisten: flags_ |= kSqlUnlisten; return;
    case SqlVerb::kCreate: return ReadCreate();
    case SqlVerb::kAlter: flags_ |= kSqlDdl; return;
    case SqlVerb::kDrop: flags_ |= kSqlDdl | kSqlTempEnd; return;
    case SqlVerb::kDeclare: return ReadDeclare();
    case SqlVerb::kClose: flags_ |= kSqlClose; return;
    case SqlVerb::kLoad: flags_ |= kSqlLoad; return;
  }
}

// COMMIT PREPARED ends another transaction than this session's.
void StatementReader::ReadCommit() {
  if (!IsWord(Peek(), "prepared")) flags_ |= kSqlEnd;
}

void StatementReader::ReadRollback() {
  if (IsWord(Peek(), "prepared")) return;
  if (!SkipWord("work")) SkipWord("transaction");
  if (!IsWord(Peek(), "to")) flags_ |= kSqlEnd;
}

bool StatementReader::SkipSetWord(std::string_view word) { return SkipWord(word) && !IsBehindParameter(Peek()); }

void StatementReader::ReadSet() {
  const bool is_local = SkipSetWord("local");
  if (!is_local) SkipSetWord("session");
  const bool is_of_transaction = SkipSetWord("transaction") || SkipSetWord("constraints");
  flags_ |= is_local || is_of_transaction ? kSqlSetLocal : kSqlSet;
}

void StatementReader::ReadPrepare() {
  const bool is_two_phase = SkipWord("transaction") && Peek().kind == SqlTokenKind::kString;
  flags_ |= is_two_phase ? kSqlEnd : kSqlPrepare;
}

// EXPLAIN [ANALYZE] [VERBOSE] or EXPLAIN ( options ), then a statement. With ANALYZE it is run: nothing of it is left out.
void StatementReader::ReadExplain() {
  if (Peek().Is('(')) {
    for (int depth = 0; Advance();) {
      if (token_.Is('(')) ++depth;
      if (token_.Is(')') && --depth == 0) break;
    }
  } else {
    while (SkipWord("analyze") || SkipWord("analyse") || SkipWord("verbose")) {
    }
  }
  const SqlVerb verb = FindVerb(Peek());
  if (verb != SqlVerb::kExecute && verb != SqlVerb::kCreate) return;
  if (Advance()) ReadVerb(verb);
}

// The options stand before FOR; the query behind it may well say WITH hold AS (...).
void StatementReader::ReadDeclare() {
  while (Advance() && !IsWord(token_, "for")) {
    if (IsWord(token_, "hold") && IsWord(before_, "with")) flags_ |= kSqlHold;
  }
}

// CREATE [OR REPLACE] [LOCAL|GLOBAL] [TEMP|TEMPORARY|UNLOGGED] [RECURSIVE] what ...
void StatementReader::ReadCreate() {
  if (SkipWord("or")) SkipWord("replace");
  if (!SkipWord("local")) SkipWord("global");
  const bool is_temp = SkipWord("temp") || SkipWord("temporary");
  flags_ |= is_temp ? kSqlTemp : kSqlDdl;
  if (!is_temp) SkipWord("unlogged");
  const bool is_table = SkipWord("table");
  const bool is_routine = !is_table && (SkipWord("function") || SkipWord("procedure"));
  ReadCreatedBody(is_table, is_routine);
}

void StatementReader::ReadCreatedBody(bool is_table, bool is_routine) {
  bool is_before_as = true;
  while (Advance()) {
    if (token_.Is('(')) {
      ++open_;
    } else if (token_.Is(')')) {
      open_ = std::max(0, open_ - 1);
    } else if (token_.Is('.') && IsTempSchema(before_)) {
      flags_ |= kSqlTemp;
    } else if (is_table && is_before_as && open_ == 0 && IsWord(token_, "as") && !before_.Is('.')) {
      is_before_as = false;
      if (IsWord(Peek(), "execute")) flags_ |= kSqlExecute;
    } else if (is_routine) {
      NoteCreatedRoutine();
    }
  }
}

// CREATE FUNCTION ... BEGIN ATOMIC ...; ...; END. The END of a CASE, or of a column, stands in a statement, not behind one.
void StatementReader::NoteCreatedRoutine() {
  if (body_ == nullptr) {
    if (open_ == 0 && IsWord(token_, "atomic") && IsWord(before_, "begin")) body_ = token_.begin();
  } else if (IsWord(token_, "end") && (before_.Is(';') || before_.begin() == body_)) {
    body_ = nullptr;
  }
}

}  // namespace

SqlVerb FindVerb(const SqlToken& first) {
  if (first.kind != SqlTokenKind::kWord || !MayBeVerb(first.text)) return SqlVerb::kOther;
  for (const Verb& verb : kVerbs) {
    if (verb.word[0] == (first.text[0] | 0x20) && EqualsLower(first.text, verb.word)) return verb.verb;
  }
  return SqlVerb::kOther;
}

SqlFlags FlagsOfCall(const SqlToken& name) {
  NameRoom room;
  const bool is_quoted = name.kind == SqlTokenKind::kQuotedName;
  const std::string_view text = is_quoted ? InsideQuotes(name, room) : name.text;
  for (const Call& call : kCalls) {
    if (is_quoted ? text == call.function : EqualsLower(text, call.function)) return call.flags;
  }
  return 0;
}

bool IsBehindParameter(const SqlToken& next) {
  return next.Is('.') || next.Is('=') || IsWord(next, "to") || IsWord(next, "from");
}

bool IsTellingName(std::string_view name) {
  if (IsTempSchemaName(name)) return true;
  if (name.size() >= 32 || (kTellingSizes >> name.size() & 1) == 0) return false;
  return EqualsLower(name, "temp") || EqualsLower(name, "temporary") ||
         std::ranges::any_of(kCalls, [name](const Call& call) { return EqualsLower(name, call.function); });
}

StatementRead ReadStatement(SqlLexer& lexer, const SqlToken& first, SqlVerb verb) {
  return StatementReader(lexer, first).Read(verb);
}

bool ReadPlainString(const SqlToken& token, std::string_view& value) {
  if (token.kind != SqlTokenKind::kString) return false;
  value = token.text;
  if (LowerAscii(value.front()) == 'e') value.remove_prefix(1);
  if (value.size() < 2 || value.front() != '\'' || value.back() != '\'') return false;
  value = value.substr(1, value.size() - 2);
  return value.find_first_of("'\\") == std::string_view::npos;
}

SetConfigCall ReadSetConfig(const SqlLexer& arguments) {
  SetConfigCall call;
  ArgumentReader reader(arguments);
  const SqlToken name = reader.Read();
  if (name.kind == SqlTokenKind::kString || name.kind == SqlTokenKind::kParameter) call.name = name;
  if (reader.stop().Is(',')) reader.Read();
  if (reader.stop().Is(',')) call.is_local = IsTrue(reader.Read()) && reader.stop().Is(')');
  return call;
}

}  // namespace protocol
