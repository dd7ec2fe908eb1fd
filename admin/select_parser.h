// The parser of SELECT and KILL WHERE: one method per rule of the grammar in select.h, one token ahead.
//
// What: names are resolved while it reads, so that every error has its place. A method that returns false has left its error in
// error_. Threads: pure; borrows the text for the length of a parse. Limits: those of select.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/select.h"
#include "admin/select_lexer.h"
#include "protocol/error_catalog.h"

namespace admin {

class SelectParser {
 public:
  explicit SelectParser(std::string_view sql) : sql_(sql), lexer_(sql) {}
  ParseResult Parse();

 private:
  struct Item {
    enum class Kind : uint8_t { kAll, kCount, kColumn, kValue } kind = Kind::kColumn;
    std::string name;   // of the column; of a value: what it is called
    std::string alias;  // empty = none
    ColumnType type = ColumnType::kText;
    std::optional<std::string> value;
    size_t position = 1;
  };

  bool Statement(Select& select);
  bool Kill(Select& select);
  bool Items(std::vector<Item>& items);
  bool ParseItem(Item& item);
  bool Function(Item& item);
  bool Table(Select& select);
  static const Verb* FindTable(std::string_view name);  // the SHOW of that name, lower case; nullptr = none with columns
  bool Resolve(const std::vector<Item>& items, Select& select);
  bool TakeValues(std::vector<Item> items, Select& select);
  bool OrderBy(const std::vector<Item>& items, Select& select);
  bool SortColumn(const std::vector<Item>& items, const Select& select, size_t& column);
  bool Limit(Select& select);
  bool End();

  bool AnyOf(Condition& condition);  // terms with OR between them
  bool AllOf(Condition& condition);
  bool Joined(Condition& condition, std::string_view word, bool (SelectParser::*part)(Condition&));
  bool Term(Condition& condition);
  bool Predicate(Condition& condition);
  bool Negated(Condition& condition);  // what follows a column: [NOT] LIKE, [NOT] IN
  bool ParseLiteral(Literal& literal);
  // Whether the literal can be compared with the column; a text that holds a number becomes one.
  bool Fit(Literal& literal, size_t column, std::string_view sign, size_t position);
  bool FindColumn(const SelectToken& name, size_t& column);

  bool Advance();  // the next token into token_
  bool IsWord(std::string_view word) const { return token_.kind == SelectTokenKind::kWord && token_.text == word; }
  bool IsSign(std::string_view sign) const { return token_.kind == SelectTokenKind::kSign && token_.text == sign; }
  bool IsName() const;
  bool Expect(std::string_view sign);
  bool SyntaxError();
  bool Fail(std::string_view sqlstate, std::string message, size_t position, std::string hint = {});

  static constexpr size_t kNearBytesMax = 63;  // of hostile input in an error
  static std::string Quote(std::string_view text);

  const std::string_view sql_;
  SelectLexer lexer_;
  SelectToken token_;
  Columns columns_;  // of the table, once it is known
  size_t depth_ = 0;
  std::optional<protocol::ErrorReport> error_;
};

}  // namespace admin
