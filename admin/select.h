// SELECT over the tables that SHOW prints: what a parsed statement is, and how it picks rows.
//
//   SELECT column [AS name] [, ...] | * | count(*)  FROM clients|servers|pools|...  [WHERE condition]
//     [ORDER BY column|number [ASC|DESC] [, ...]]  [LIMIT n]
//   condition: column = < > <= >= <> literal, [NOT] LIKE 'text', [NOT] IN (literal, ...), IS [NOT] NULL; AND, OR, NOT, ( )
//   SELECT literal | version() | current_database() | current_setting('name') [AS name] [, ...]   what drivers ask at login
//
// What: names are those of SHOW, in any case; the rules are SQL's: a comparison with NULL is unknown, NULL sorts last. Texts
// compare byte by byte. KILL WHERE has the same conditions, over SHOW CLIENTS. Errors are PostgreSQL's, with their position.
// Threads: pure functions. Limits: kSelectBytesMax, kSelectDepthMax (parentheses and NOT), kSelectItemsMax.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/command.h"
#include "admin/table.h"

namespace admin {

inline constexpr size_t kSelectBytesMax = 4096;
inline constexpr size_t kSelectDepthMax = 32;
inline constexpr size_t kSelectItemsMax = 256;  // columns, places to sort by, and literals of one IN

// Whole numbers compare exactly; with a fraction, or beyond 64 bits, as floating point.
struct Number {
  std::optional<int64_t> whole;
  double real = 0;
  std::partial_ordering operator<=>(const Number& other) const {
    return whole && other.whole ? *whole <=> *other.whole : real <=> other.real;
  }
};
// nullopt: not a number, or one that compares with nothing (a NaN would equal everything, and KILL WHERE would end everybody).
std::optional<Number> ReadNumber(std::string_view text);

struct Literal {
  enum class Kind : uint8_t { kNull, kText, kNumber } kind = Kind::kNull;
  std::string text;
  Number number;
};

struct Condition {
  enum class Kind : uint8_t { kAll, kAny, kNot, kEqual, kNotEqual, kLess, kGreater, kLessEqual, kGreaterEqual, kLike, kIsNull, kIn };
  Kind kind = Kind::kAll;
  size_t column = 0;                // of the table
  std::vector<Literal> literals;    // one; several of kIn
  std::vector<Condition> parts;     // of kAll, kAny and kNot
};

struct Select {
  enum class Order : uint8_t { kAscending, kDescending };
  struct Sort {
    size_t column = 0;  // of the table
    Order order = Order::kAscending;
  };
  const Verb* table = nullptr;   // the SHOW whose rows they are; nullptr: `values` alone
  Columns columns;               // of the answer
  std::vector<size_t> picked;    // where each stands in the table; none: count(*)
  std::optional<Condition> where;
  std::vector<Sort> sorts;
  std::optional<uint64_t> limit;
  Row values;
};

// Whether the text is for ParseSelect: it begins with SELECT, or with KILL WHERE.
bool IsSelect(std::string_view sql);
ParseResult ParseSelect(std::string_view sql);

// The answer, made of all rows of its table.
Table Pick(const Select& select, Table table);
// A row of its table; what is unknown is not true.
bool IsTrue(const Condition& condition, const Row& row);

}  // namespace admin
