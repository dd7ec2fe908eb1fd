#include "admin/select_parser.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "admin/show_tables.h"
#include "admin/text.h"
#include "conf/nearest.h"

namespace admin {
namespace {

using Kind = SelectTokenKind;
using protocol::ErrorReport;

// The words that end a list of columns or a condition; as names they need quotes.
constexpr std::array<std::string_view, 16> kReserved = {"select", "from", "where", "and",  "or", "not",  "order", "by",
                                                        "limit",  "is",   "in",    "like", "as", "null", "asc",   "desc"};

std::vector<std::string> TableNames() {
  std::vector<std::string> names;
  for (const Verb& verb : Verbs()) {
    if (verb.words.starts_with("SHOW ") && !ColumnsOf(Command{.verb = &verb}).empty()) names.push_back(Lower(verb.words.substr(5)));
  }
  return names;
}

std::string DidYouMean(const std::string& name, const std::vector<std::string>& valid) {
  const auto nearest = conf::NearestName(name, {valid.begin(), valid.end()});
  return nearest ? "Perhaps you meant \"" + *nearest + "\"." : std::string();
}

}  // namespace

std::string SelectParser::Quote(std::string_view text) { return '"' + Printable(text, kNearBytesMax) + '"'; }

bool SelectParser::Fail(std::string_view sqlstate, std::string message, size_t position, std::string hint) {
  ErrorReport report = protocol::MakeError(protocol::ErrorCode::kConsoleSyntax);
  report.sqlstate = sqlstate;
  report.message = std::move(message);
  report.hint = std::move(hint);
  report.position = position;
  error_ = std::move(report);
  return false;
}

bool SelectParser::SyntaxError() {
  const std::string_view usage = FindVerb(VerbId::kSelect)->usage;
  if (token_.kind == Kind::kEnd) return Fail("42601", "syntax error at end of input", token_.position, "Usage: " + std::string(usage) + '.');
  return Fail("42601", "syntax error at or near " + Quote(token_.raw), token_.position, "Usage: " + std::string(usage) + '.');
}

bool SelectParser::Advance() {
  token_ = lexer_.Next();
  if (token_.kind != Kind::kUnended) return true;
  return Fail("42601", "unterminated " + token_.text + " at or near " + Quote(token_.raw), token_.position);
}

bool SelectParser::IsName() const {
  if (token_.kind == Kind::kQuotedName) return true;
  return token_.kind == Kind::kWord && std::find(kReserved.begin(), kReserved.end(), token_.text) == kReserved.end();
}

bool SelectParser::Expect(std::string_view sign) { return IsSign(sign) ? Advance() : SyntaxError(); }

ParseResult SelectParser::Parse() {
  if (sql_.size() > kSelectBytesMax) {
    Fail("54000", "a statement of more than " + std::to_string(kSelectBytesMax) + " bytes", 0);
    return tl::unexpected(std::move(*error_));
  }
  auto select = std::make_shared<Select>();
  Command command{.verb = FindVerb(VerbId::kSelect)};
  bool is_sound = Advance();
  if (is_sound && IsWord("kill")) {
    command.verb = FindVerb(VerbId::kKillWhere);
    is_sound = Kill(*select);
  } else if (is_sound) {
    is_sound = Statement(*select);
  }
  if (!is_sound) return tl::unexpected(std::move(*error_));
  // PgBouncer's SELECT x is SHOW x.
  if (command.verb->id == VerbId::kSelect && select->table != nullptr && select->columns.empty()) return Command{.verb = select->table};
  command.select = std::move(select);
  return command;
}

// --- the statement -------------------------------------------------------------------------------------------------------

bool SelectParser::Statement(Select& select) {
  std::vector<Item> items;
  if (!Advance() || !Items(items)) return false;
  if (!IsWord("from")) return End() && TakeValues(std::move(items), select);
  if (!Advance() || !Table(select) || !Resolve(items, select)) return false;
  if (IsWord("where") && !(Advance() && AnyOf(select.where.emplace()))) return false;
  if (IsWord("order") && !OrderBy(items, select)) return false;
  if (IsWord("limit") && !Limit(select)) return false;
  return End();
}

bool SelectParser::Kill(Select& select) {
  select.table = FindVerb(VerbId::kShowClients);
  columns_ = ColumnsOf(Command{.verb = select.table});
  return Advance() && Advance() && AnyOf(select.where.emplace()) && End();
}

bool SelectParser::End() {
  while (IsSign(";")) {
    if (!Advance()) return false;
  }
  return token_.kind == Kind::kEnd || SyntaxError();
}

const Verb* SelectParser::FindTable(std::string_view name) {
  for (const Verb& verb : Verbs()) {
    if (!verb.words.starts_with("SHOW ") || verb.words.ends_with('*') || Lower(verb.words.substr(5)) != name) continue;
    return ColumnsOf(Command{.verb = &verb}).empty() ? nullptr : &verb;
  }
  return nullptr;
}

bool SelectParser::Table(Select& select) {
  if (!IsName()) return SyntaxError();
  select.table = FindTable(Lower(token_.text));
  if (select.table == nullptr) {
    return Fail("42P01", "relation " + Quote(token_.text) + " does not exist", token_.position, DidYouMean(token_.text, TableNames()));
  }
  columns_ = ColumnsOf(Command{.verb = select.table});
  return Advance();
}

bool SelectParser::FindColumn(const SelectToken& name, size_t& column) {
  for (column = 0; column < columns_.size(); ++column) {
    if (columns_[column].name == name.text) return true;
  }
  std::vector<std::string> names;
  for (const Column& each : columns_) names.push_back(each.name);
  return Fail("42703", "column " + Quote(name.text) + " does not exist", name.position, DidYouMean(name.text, names));
}

// A number is a place in the list; a name is that of the answer, else of the table.
bool SelectParser::SortColumn(const std::vector<Item>& items, const Select& select, size_t& column) {
  if (token_.kind == Kind::kNumber) {
    size_t place = 0;
    const auto end = std::from_chars(token_.text.data(), token_.text.data() + token_.text.size(), place);
    const bool is_whole = end.ec == std::errc() && end.ptr == token_.text.data() + token_.text.size();
    if (!is_whole || place == 0 || place > select.picked.size()) {
      return Fail("42P10", "ORDER BY position " + Printable(token_.text, kNearBytesMax) + " is not in select list", token_.position);
    }
    column = select.picked[place - 1];
    return true;
  }
  if (!IsName()) return SyntaxError();
  for (const Item& item : items) {
    if (item.kind != Item::Kind::kColumn || item.alias != token_.text) continue;
    SelectToken name = token_;
    name.text = item.name;
    return FindColumn(name, column);
  }
  return FindColumn(token_, column);
}

bool SelectParser::OrderBy(const std::vector<Item>& items, Select& select) {
  if (select.picked.empty()) return Fail("42803", "count(*) has one row: there is nothing to sort", token_.position);
  if (!Advance() || !IsWord("by")) return error_ ? false : SyntaxError();
  do {
    if (select.sorts.size() == kSelectItemsMax) return Fail("54011", "too many columns to sort by", token_.position);
    Select::Sort sort;
    if (!Advance() || !SortColumn(items, select, sort.column) || !Advance()) return false;
    if (IsWord("asc") || IsWord("desc")) {
      if (IsWord("desc")) sort.order = Select::Order::kDescending;
      if (!Advance()) return false;
    }
    select.sorts.push_back(sort);
  } while (IsSign(","));
  return true;
}

bool SelectParser::Limit(Select& select) {
  if (!Advance()) return false;
  uint64_t limit = 0;
  const auto end = std::from_chars(token_.text.data(), token_.text.data() + token_.text.size(), limit);
  const bool is_whole = end.ec == std::errc() && end.ptr == token_.text.data() + token_.text.size();
  if (token_.kind != Kind::kNumber || !is_whole) return SyntaxError();
  select.limit = limit;
  return Advance();
}

bool IsSelect(std::string_view sql) {
  SelectLexer lexer(sql);
  const SelectToken first = lexer.Next(), second = lexer.Next();
  if (first.kind != Kind::kWord) return false;
  return first.text == "select" || (first.text == "kill" && second.kind == Kind::kWord && second.text == "where");
}

ParseResult ParseSelect(std::string_view sql) { return SelectParser(sql).Parse(); }

}  // namespace admin
