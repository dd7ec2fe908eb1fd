// What SELECT lists: columns, count(*), and the values that drivers ask for at login.
#include <charconv>

#include "admin/own_pool.h"
#include "admin/select_parser.h"
#include "admin/show_tables.h"
#include "admin/text.h"

namespace admin {

using Kind = SelectTokenKind;

bool SelectParser::Items(std::vector<Item>& items) {
  while (true) {
    if (items.size() == kSelectItemsMax) return Fail("54011", "more than " + std::to_string(kSelectItemsMax) + " columns", token_.position);
    if (!ParseItem(items.emplace_back())) return false;
    if (!IsSign(",")) return true;
    if (!Advance()) return false;
  }
}

bool SelectParser::ParseItem(Item& item) {
  item.position = token_.position;
  if (IsSign("*")) {
    item.kind = Item::Kind::kAll;
    return Advance();
  }
  if (IsName()) {
    const bool is_quoted = token_.kind == Kind::kQuotedName;
    item.name = token_.text;
    if (!Advance()) return false;
    if (IsSign(".") && item.name == "pg_catalog" && !is_quoted) {
      if (!Advance() || !IsName()) return error_ ? false : SyntaxError();
      item.name = token_.text;
      if (!Advance()) return false;
      if (!IsSign("(")) return SyntaxError();
    }
    if (IsSign("(") && !is_quoted && !Function(item)) return false;
  } else {
    Literal literal;
    if (!ParseLiteral(literal)) return false;
    item.kind = Item::Kind::kValue;
    item.name = "?column?";
    if (literal.kind != Literal::Kind::kNull) item.value = literal.text;
    if (literal.kind == Literal::Kind::kNumber) {
      int32_t small = 0;
      const auto end = std::from_chars(literal.text.data(), literal.text.data() + literal.text.size(), small);
      const bool is_small = end.ec == std::errc() && end.ptr == literal.text.data() + literal.text.size();
      item.type = is_small ? ColumnType::kInt4 : ColumnType::kNumeric;
    }
  }
  if (!IsWord("as")) return true;
  if (!Advance()) return false;
  if (token_.kind != Kind::kWord && token_.kind != Kind::kQuotedName) return SyntaxError();
  item.alias = token_.text;
  return Advance();
}

// The few that drivers and monitors ask.
bool SelectParser::Function(Item& item) {
  if (!Advance()) return false;
  if (item.name == "count") {
    item.kind = Item::Kind::kCount;
    return Expect("*") && Expect(")");
  }
  item.kind = Item::Kind::kValue;
  if (item.name == "current_setting") {
    if (token_.kind != Kind::kText) return SyntaxError();
    const auto value = DriverSetting(Lower(token_.text));
    if (!value) return Fail("42704", "unrecognized configuration parameter " + Quote(token_.text), token_.position);
    item.value = *value;
    return Advance() && Expect(")");
  }
  if (item.name == "version") {
    item.value = VersionText();
  } else if (item.name == "current_database") {
    item.value = kOwnName;
  } else {
    return Fail("42883", "function " + Printable(item.name, kNearBytesMax) + "() does not exist", item.position,
                "The console has count(*), version(), current_database() and current_setting('name').");
  }
  return Expect(")");
}

bool SelectParser::TakeValues(std::vector<Item> items, Select& select) {
  if (items.size() == 1 && items[0].kind == Item::Kind::kColumn && items[0].alias.empty()) {
    select.table = FindTable(items[0].name);
    if (select.table != nullptr) return true;
  }
  for (Item& item : items) {
    if (item.kind == Item::Kind::kColumn) return Fail("42703", "column " + Quote(item.name) + " does not exist", item.position, "FROM names the table.");
    if (item.kind != Item::Kind::kValue) {
      return Fail("42601", item.kind == Item::Kind::kAll ? "SELECT * with no tables specified is not valid" : "count(*) needs FROM", item.position);
    }
    select.columns.push_back({item.alias.empty() ? item.name : item.alias, item.type});
    select.values.push_back(std::move(item.value));
  }
  return true;
}

bool SelectParser::Resolve(const std::vector<Item>& items, Select& select) {
  for (const Item& item : items) {
    if (item.kind == Item::Kind::kValue) return Fail("0A000", "only columns and count(*) can be selected from a table", item.position);
    if (item.kind == Item::Kind::kCount) {
      if (items.size() > 1) return Fail("42803", "count(*) stands alone: there is no GROUP BY", item.position);
      select.columns.push_back({item.alias.empty() ? "count" : item.alias, ColumnType::kInt8});
      return true;
    }
    if (item.kind == Item::Kind::kAll) {
      for (size_t column = 0; column < columns_.size(); ++column) select.picked.push_back(column);
      select.columns.insert(select.columns.end(), columns_.begin(), columns_.end());
      continue;
    }
    SelectToken name;
    name.text = item.name;
    name.position = item.position;
    size_t column = 0;
    if (!FindColumn(name, column)) return false;
    select.picked.push_back(column);
    select.columns.push_back({item.alias.empty() ? item.name : item.alias, columns_[column].type});
  }
  if (select.picked.size() > kSelectItemsMax) return Fail("54011", "more than " + std::to_string(kSelectItemsMax) + " columns", 0);
  return true;
}

}  // namespace admin
