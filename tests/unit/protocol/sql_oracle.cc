// The parse tree is read as JSON: {"SelectStmt": {...}} and the like; what is false, zero or empty is left out there.
#include "tests/unit/protocol/sql_oracle.h"

#include <pg_query.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace protocol {
namespace {

using nlohmann::json;

const json& Null() {
  static const json null;
  return null;
}
const json& At(const json& node, const char* key) {
  if (!node.is_object()) return Null();
  const auto found = node.find(key);
  return found != node.end() ? *found : Null();
}
const json& At(const json& list, size_t index) { return list.is_array() && index < list.size() ? list[index] : Null(); }
std::string TextAt(const json& node, const char* key) {
  const json& text = At(node, key);
  return text.is_string() ? text.get<std::string>() : "";
}
bool IsTrueAt(const json& node, const char* key) { return At(node, key) == true; }
int NumberAt(const json& node, const char* key) {
  const json& number = At(node, key);
  return number.is_number_integer() ? number.get<int>() : 0;
}
// A name of one or more parts: [{"String": {"sval": "pg_catalog"}}, ...]
std::vector<std::string> PartsOf(const json& list) {
  std::vector<std::string> parts;
  for (const json& part : list) parts.push_back(TextAt(At(part, "String"), "sval"));
  return parts;
}
std::string LowerOf(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

bool IsTempSchema(const std::string& name) { return name == "pg_temp" || name.starts_with("pg_temp_"); }

// --- constants

// A cast that may change a text to another one is none that can be left out: char(1), varchar(3), "char".
const json& WithoutCasts(const json& node) {
  const json& cast = At(node, "TypeCast");
  if (cast.is_null()) return node;
  const json& type = At(cast, "typeName");
  const std::vector<std::string> parts = PartsOf(At(type, "names"));
  if (!At(type, "typmods").is_null() || !At(type, "arrayBounds").is_null() || parts.back() == "char") return node;
  return WithoutCasts(At(cast, "arg"));
}

// parse_bool: any beginning of true and yes, "on", "1"
bool MeansTrue(const json& node) {
  const json& constant = At(WithoutCasts(node), "A_Const");
  if (IsTrueAt(At(constant, "boolval"), "boolval")) return true;
  std::string text = LowerOf(TextAt(At(constant, "sval"), "sval"));
  while (!text.empty() && std::string_view(" \t\n\v\f\r").find(text.front()) != std::string_view::npos) text.erase(0, 1);
  while (!text.empty() && std::string_view(" \t\n\v\f\r").find(text.back()) != std::string_view::npos) text.pop_back();
  const auto begins = [&](std::string_view word) { return !text.empty() && word.starts_with(text); };
  return begins("true") || begins("yes") || text == "on" || text == "1";
}

// --- calls, wherever they stand

SqlFlags FlagsOfFunction(const std::string& name) {
  if (name == "currval" || name == "lastval") return kSqlSequence;
  std::string_view rest = name;
  const auto skip = [&rest](std::string_view part) {
    if (!rest.starts_with(part)) return false;
    rest.remove_prefix(part.size());
    return true;
  };
  if (!skip("pg_")) return 0;
  const bool tries = skip("try_");
  if (!skip("advisory_")) return 0;
  if (rest == "lock" || rest == "lock_shared") return kSqlAdvisoryLock;
  const bool unlocks = rest == "unlock" || rest == "unlock_shared" || rest == "unlock_all";
  return unlocks && !tries ? SqlFlags{kSqlAdvisoryUnlock} : 0;
}

// The argument of this name or, without names, at this place.
const json& ArgumentOf(const json& call, const char* name, size_t place) {
  const json& arguments = At(call, "args");
  for (const json& argument : arguments) {
    const json& named = At(argument, "NamedArgExpr");
    if (TextAt(named, "name") == name) return At(named, "arg");
  }
  return At(arguments, place);
}

void NoteSetConfig(const json& call, SqlStatement& statement) {
  if (MeansTrue(ArgumentOf(call, "is_local", 2))) {
    statement.flags |= kSqlSetLocal;
    return;
  }
  statement.flags |= kSqlSet;
  const json& name = WithoutCasts(ArgumentOf(call, "setting_name", 0));
  const json& text = At(At(name, "A_Const"), "sval");
  const json& parameter = At(name, "ParamRef");
  if (!text.is_null()) statement.set_config_names.push_back(LowerOf(TextAt(text, "sval")));
  else if (!parameter.is_null()) statement.set_config_parameters.push_back(NumberAt(parameter, "number"));
  else statement.set_config_unknown = true;
}

void NoteCall(const json& call, SqlStatement& statement) {
  const std::vector<std::string> parts = PartsOf(At(call, "funcname"));
  if (parts.empty() || (parts.size() > 1 && parts.front() != "pg_catalog")) return;
  if (parts.back() == "set_config") NoteSetConfig(call, statement);
  else statement.flags |= FlagsOfFunction(parts.back());
}

// SELECT ... INTO
void NoteInto(const json& into, SqlStatement& statement) {
  const json& relation = At(into, "rel");
  const bool is_temp = TextAt(relation, "relpersistence") == "t" || IsTempSchema(TextAt(relation, "schemaname"));
  if (is_temp) statement.flags |= kSqlTemp;
}

void Walk(const json& node, SqlStatement& statement) {
  if (node.is_object()) {
    for (const auto& [key, child] : node.items()) {
      if (key == "FuncCall" || key == "funccall") NoteCall(child, statement);
      if (key == "intoClause") NoteInto(child, statement);
      Walk(child, statement);
    }
  } else if (node.is_array()) {
    for (const json& child : node) Walk(child, statement);
  }
}

// --- the statements that matter

void Name(SqlStatement& statement, SqlKind kind, const json& body, const char* key) {
  statement.kind = kind;
  statement.names = {TextAt(body, key)};
}

void ReadTransaction(const json& body, SqlStatement& statement) {
  const std::string kind = TextAt(body, "kind").substr(std::string_view("TRANS_STMT_").size());
  const bool chains = IsTrueAt(body, "chain");
  if (kind == "BEGIN" || kind == "START") {
    statement.flags |= kSqlBegin;
    statement.kind = SqlKind::kBegin;
  } else if (kind == "COMMIT") {
    statement.flags |= kSqlEnd;
    statement.kind = chains ? SqlKind::kOther : SqlKind::kCommit;
  } else if (kind == "ROLLBACK") {
    statement.flags |= kSqlEnd;
    statement.kind = chains ? SqlKind::kOther : SqlKind::kRollback;
  } else if (kind == "PREPARE") {
    statement.flags |= kSqlEnd;
  }
}

void ReadSet(const json& body, SqlStatement& statement) {
  const std::string kind = TextAt(body, "kind");
  const std::string name = TextAt(body, "name");
  const bool is_of_transaction = kind == "VAR_SET_MULTI" && name != "SESSION CHARACTERISTICS";
  if (IsTrueAt(body, "is_local") || is_of_transaction) {
    statement.flags |= kSqlSetLocal;
    return;
  }
  statement.flags |= kSqlSet;
  if (kind == "VAR_RESET_ALL") {
    statement.kind = SqlKind::kResetAll;
  } else if (kind == "VAR_SET_MULTI") {
    statement.kind = SqlKind::kSet;
    statement.names = {"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"};
  } else {
    const bool resets = kind == "VAR_RESET" || kind == "VAR_SET_DEFAULT";
    Name(statement, resets ? SqlKind::kReset : SqlKind::kSet, body, "name");
  }
}

void ReadDeallocate(const json& body, SqlStatement& statement) {
  statement.flags |= kSqlDeallocate;
  if (At(body, "name").is_null()) statement.kind = SqlKind::kDeallocateAll;
  else Name(statement, SqlKind::kDeallocate, body, "name");
}

void ReadUnlisten(const json& body, SqlStatement& statement) {
  statement.flags |= kSqlUnlisten;
  if (At(body, "conditionname").is_null()) statement.kind = SqlKind::kUnlistenAll;
  else Name(statement, SqlKind::kUnlisten, body, "conditionname");
}

void ReadDiscard(const json& body, SqlStatement& statement) {
  statement.flags |= kSqlDiscard;
  const std::string target = TextAt(body, "target");
  statement.kind = target.empty() || target == "DISCARD_ALL" ? SqlKind::kDiscardAll : SqlKind::kDiscard;
}

void ReadExecute(const json& body, SqlStatement& statement) {
  statement.flags |= kSqlExecute;
  Name(statement, SqlKind::kExecute, body, "name");
}

// The relation that a CREATE makes; null when it makes something else.
const json& CreatedRelation(const json& body) {
  for (const char* key : {"relation", "sequence", "view", "typevar"}) {
    if (!At(body, key).is_null()) return At(body, key);
  }
  if (!At(body, "base").is_null()) return At(At(body, "base"), "relation");
  return At(At(body, "into"), "rel");
}

// What stands in pg_temp by its name and is no relation: functions, types, operator classes and the like.
bool IsCreatedInTempSchema(const json& body) {
  for (const char* key :
       {"funcname", "defnames", "domainname", "typeName", "opclassname", "opfamilyname", "conversion_name"}) {
    const json& name = At(body, key);
    if (name.is_array() && name.size() > 1 && IsTempSchema(PartsOf(name).front())) return true;
  }
  return false;
}

void ReadCreate(const std::string& tag, const json& body, SqlStatement& statement) {
  // These name the relation that they belong to: it is there already.
  const bool is_upon_another =
      tag == "IndexStmt" || tag == "RuleStmt" || tag == "CreateTrigStmt" || tag == "CreatePolicyStmt";
  const json& relation = is_upon_another ? Null() : CreatedRelation(body);
  const bool is_temp = TextAt(relation, "relpersistence") == "t";
  statement.flags |= is_temp ? kSqlTemp : kSqlDdl;
  if (IsTempSchema(TextAt(relation, "schemaname")) || IsCreatedInTempSchema(body)) statement.flags |= kSqlTemp;
  const json& executed = At(At(body, "query"), "ExecuteStmt");
  if (tag == "CreateTableAsStmt" && !executed.is_null()) ReadExecute(executed, statement);
}

bool IsCreate(const std::string& tag) {
  return tag.starts_with("Create") || tag == "ViewStmt" || tag == "IndexStmt" || tag == "RuleStmt" ||
         tag == "CompositeTypeStmt" || tag == "DefineStmt";
}

void ReadStatement(const std::string& tag, const json& body, SqlStatement& statement);

// What EXPLAIN ANALYZE would run. A cursor is not opened by it.
void ReadExplained(const json& query, SqlStatement& statement) {
  for (const char* tag : {"ExecuteStmt", "CreateTableAsStmt"}) {
    if (!At(query, tag).is_null()) ReadStatement(tag, At(query, tag), statement);
  }
}

void ReadDeclare(const json& body, SqlStatement& statement) {
  constexpr int kHolds = 0x20;  // CURSOR_OPT_HOLD
  if ((NumberAt(body, "options") & kHolds) != 0) statement.flags |= kSqlHold;
}

void ReadStatement(const std::string& tag, const json& body, SqlStatement& statement) {
  if (tag == "TransactionStmt") ReadTransaction(body, statement);
  else if (tag == "VariableSetStmt") ReadSet(body, statement);
  else if (tag == "ConstraintsSetStmt") statement.flags |= kSqlSetLocal;
  else if (tag == "DiscardStmt") ReadDiscard(body, statement);
  else if (tag == "ExecuteStmt") ReadExecute(body, statement);
  else if (tag == "DeallocateStmt") ReadDeallocate(body, statement);
  else if (tag == "UnlistenStmt") ReadUnlisten(body, statement);
  else if (tag == "ClosePortalStmt") statement.flags |= kSqlClose;
  else if (tag == "LoadStmt") statement.flags |= kSqlLoad;
  else if (tag == "ExplainStmt") ReadExplained(At(body, "query"), statement);
  else if (tag == "DeclareCursorStmt") ReadDeclare(body, statement);
  else if (tag.starts_with("Drop")) statement.flags |= kSqlDdl | kSqlTempEnd;
  else if (tag.starts_with("Alter") || tag == "RenameStmt") statement.flags |= kSqlDdl;
  else if (IsCreate(tag)) ReadCreate(tag, body, statement);
  else if (tag == "PrepareStmt") {
    statement.flags |= kSqlPrepare;
    Name(statement, SqlKind::kPrepare, body, "name");
  } else if (tag == "ListenStmt") {
    statement.flags |= kSqlListen;
    Name(statement, SqlKind::kListen, body, "conditionname");
  }
}

// --- the comparison

std::string Quoted(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all.append(" '").append(text).append("'");
  return all;
}

std::string FlagsText(SqlFlags flags) {
  constexpr std::array<const char*, 20> kNames = {
      "Begin",    "End",  "Set",     "SetLocal", "Discard", "Prepare",      "Execute",        "Deallocate", "Listen",
      "Unlisten", "Temp", "TempEnd", "Hold",     "Close",   "AdvisoryLock", "AdvisoryUnlock", "Load",       "Sequence",
      "Ddl",      "Several"};
  std::string text;
  for (size_t bit = 0; bit < kNames.size(); ++bit) {
    if (flags >> bit & 1) text.append(" ").append(kNames[bit]);
  }
  return text;
}

class Comparer {
 public:
  Comparer(const std::string& sql, Comparison& found) : sql_(sql), found_(found) {}

  void CompareAll(const std::vector<SqlStatement>& ours, const std::vector<SqlStatement>& theirs) {
    if (ours.size() != theirs.size()) {
      Miss(std::to_string(ours.size()) + " statements, but the parser has " + std::to_string(theirs.size()));
      return;
    }
    for (size_t i = 0; i < ours.size(); ++i) CompareOne(ours[i], theirs[i]);
  }
  void CompareFlags(const char* whose, SqlFlags ours, SqlFlags theirs) {
    // To take something local for lasting is to ask once too often.
    const SqlFlags covered = (ours & kSqlSet) != 0 ? SqlFlags{kSqlSetLocal} : 0;
    const std::string what = std::string(whose) + " has" + FlagsText(ours) + ", but the parser" + FlagsText(theirs);
    if ((theirs & ~ours & ~covered) != 0) Miss(what);
    else if (ours != theirs) found_.alarms.push_back(what);
  }

 private:
  void Miss(const std::string& what) { found_.misses.push_back(what); }

  void CompareOne(const SqlStatement& ours, const SqlStatement& theirs) {
    CompareFlags("Examine", ours.flags, theirs.flags);
    const auto number = [](SqlKind kind) { return std::to_string(static_cast<int>(kind)); };
    if (ours.kind != theirs.kind) Miss("kind " + number(ours.kind) + ", but the parser has " + number(theirs.kind));
    if (ours.names != theirs.names) Miss("names" + Quoted(ours.names) + ", but the parser has" + Quoted(theirs.names));
    CompareSetConfig(ours, theirs);
    const bool lies_inside = theirs.begin <= ours.begin && ours.begin < ours.end && ours.end <= theirs.end;
    if (!lies_inside || !IsBlank(theirs.begin, ours.begin) || !IsBlank(ours.end, theirs.end)) {
      Miss("statement from " + std::to_string(ours.begin) + " to " + std::to_string(ours.end));
    }
  }

  // What Examine says must be so; what it does not say it must call unknown. The parser may have one call more than once.
  void CompareSetConfig(const SqlStatement& ours, const SqlStatement& theirs) {
    const bool has_all = Holds(ours.set_config_names, theirs.set_config_names) &&
                         Holds(ours.set_config_parameters, theirs.set_config_parameters) &&
                         (ours.set_config_unknown || !theirs.set_config_unknown);
    const bool has_more = !Holds(theirs.set_config_names, ours.set_config_names) ||
                          !Holds(theirs.set_config_parameters, ours.set_config_parameters) ||
                          (ours.set_config_unknown && !theirs.set_config_unknown);
    const std::string what = "set_config of" + Told(ours) + ", but the parser has" + Told(theirs);
    if (!has_all && !ours.set_config_unknown) Miss(what);
    else if (has_more) found_.alarms.push_back(what);
  }
  static std::string Told(const SqlStatement& statement) {
    std::string all = Quoted(statement.set_config_names);
    for (const int number : statement.set_config_parameters) all.append(" $").append(std::to_string(number));
    return all.append(statement.set_config_unknown ? " unknown" : "");
  }
  template <typename Value>
  static bool Holds(const std::vector<Value>& all, const std::vector<Value>& some) {
    return std::ranges::all_of(some, [&all](const Value& one) { return std::ranges::find(all, one) != all.end(); });
  }

  // Nothing but space and comments, in the parser's eyes.
  bool IsBlank(size_t begin, size_t end) const {
    const std::string between = sql_.substr(begin, end - begin);
    if (between.find_first_not_of(" \n\t") == std::string::npos) return true;
    const ParserJudgement judgement = AskParser(between);
    return judgement.refusal.empty() && judgement.statements.empty();
  }

  const std::string& sql_;
  Comparison& found_;
};

}  // namespace

ParserJudgement AskParser(const std::string& sql) {
  ParserJudgement judgement;
  const PgQueryParseResult result = pg_query_parse(sql.c_str());
  const json tree = result.error == nullptr ? json::parse(result.parse_tree, nullptr, false) : json();
  if (result.error != nullptr) judgement.refusal = result.error->message;
  else if (tree.is_discarded()) judgement.refusal = "a tree that is no JSON";
  pg_query_free_parse_result(result);
  if (!judgement.refusal.empty()) return judgement;
  for (const json& raw : At(tree, "stmts")) {
    SqlStatement& statement = judgement.statements.emplace_back();
    statement.begin = static_cast<size_t>(NumberAt(raw, "stmt_location"));
    const int size = NumberAt(raw, "stmt_len");
    statement.end = size != 0 ? statement.begin + static_cast<size_t>(size) : sql.size();
    for (const auto& [tag, body] : At(raw, "stmt").items()) {
      ReadStatement(tag, body, statement);
      Walk(body, statement);
    }
  }
  return judgement;
}

Comparison Compare(const std::string& sql, const std::string& escaping) {
  Comparison found;
  const ParserJudgement theirs = AskParser(sql);
  found.refusal = theirs.refusal;
  if (!theirs.refusal.empty()) return found;
  SqlFlags flags = theirs.statements.size() > 1 ? SqlFlags{kSqlSeveral} : 0;
  for (const SqlStatement& statement : theirs.statements) flags |= statement.flags;
  Comparer comparer(sql, found);
  comparer.CompareAll(Examine(sql, Backslash::kLiteral), theirs.statements);
  comparer.CompareFlags("Sniff", Sniff(sql, Backslash::kLiteral), flags);
  if (escaping.empty()) return found;
  comparer.CompareAll(Examine(escaping, Backslash::kEscapes), theirs.statements);
  comparer.CompareFlags("Sniff with escapes", Sniff(escaping, Backslash::kEscapes), flags);
  return found;
}

}  // namespace protocol
