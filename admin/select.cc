#include "admin/select.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace admin {
namespace {

using Kind = Condition::Kind;
using Truth = std::optional<bool>;  // nullopt: unknown, as SQL has it

template <typename T>
std::optional<T> ReadAs(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int SignOf(std::partial_ordering order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

bool IsText(const Columns& columns, size_t column) { return columns[column].type == ColumnType::kText; }

// -1, 0 or 1; nullopt when either is unknown.
std::optional<int> Compare(const std::optional<std::string>& value, const Literal& literal) {
  if (!value || literal.kind == Literal::Kind::kNull) return std::nullopt;
  if (literal.kind == Literal::Kind::kText) {
    const int order = value->compare(literal.text);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  const auto number = ReadNumber(*value);
  if (!number) return std::nullopt;
  return SignOf(*number <=> literal.number);
}

// Past the character that starts here.
size_t CharacterEnd(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) ++at;
  return at;
}

// % is any text, _ one character, \ takes the next as it is. Only the last % needs to be tried again.
bool IsLike(std::string_view text, std::string_view pattern) {
  size_t at = 0, in_pattern = 0, retry_text = 0, retry_pattern = std::string_view::npos;
  while (at < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '%') {
      retry_pattern = ++in_pattern;
      retry_text = at;
      continue;
    }
    if (in_pattern < pattern.size() && pattern[in_pattern] == '_') {
      at = CharacterEnd(text, at);
      ++in_pattern;
      continue;
    }
    const size_t plain = in_pattern < pattern.size() && pattern[in_pattern] == '\\' ? in_pattern + 1 : in_pattern;
    if (plain < pattern.size() && pattern[plain] == text[at]) {
      ++at;
      in_pattern = plain + 1;
    } else if (retry_pattern != std::string_view::npos) {
      at = ++retry_text;
      in_pattern = retry_pattern;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '%') ++in_pattern;
  return in_pattern == pattern.size();
}

Truth Matches(const Condition& condition, const Row& row);

// AND when `decisive` is false, OR when it is true.
Truth Combine(const std::vector<Condition>& parts, const Row& row, bool decisive) {
  Truth result = !decisive;
  for (const Condition& part : parts) {
    const Truth truth = Matches(part, row);
    if (truth == decisive) return decisive;
    if (!truth) result = std::nullopt;
  }
  return result;
}

Truth IsIn(const Condition& condition, const Row& row) {
  bool unknown = false;
  for (const Literal& literal : condition.literals) {
    const auto order = Compare(row[condition.column], literal);
    if (order == 0) return true;
    unknown = unknown || !order;
  }
  return unknown ? Truth() : Truth(false);
}

Truth Matches(const Condition& condition, const Row& row) {
  if (condition.kind == Kind::kAll || condition.kind == Kind::kAny) {
    return Combine(condition.parts, row, condition.kind == Kind::kAny);
  }
  if (condition.kind == Kind::kNot) {
    const Truth truth = Matches(condition.parts[0], row);
    return truth ? Truth(!*truth) : truth;
  }
  const auto& value = row[condition.column];
  if (condition.kind == Kind::kIsNull) return !value.has_value();
  if (condition.kind == Kind::kIn) return IsIn(condition, row);
  if (condition.kind == Kind::kLike) {
    if (!value || condition.literals[0].kind == Literal::Kind::kNull) return std::nullopt;
    return IsLike(*value, condition.literals[0].text);
  }
  const auto order = Compare(value, condition.literals[0]);
  if (!order) return std::nullopt;
  switch (condition.kind) {
    case Kind::kEqual: return *order == 0;
    case Kind::kNotEqual: return *order != 0;
    case Kind::kLess: return *order < 0;
    case Kind::kGreater: return *order > 0;
    case Kind::kLessEqual: return *order <= 0;
    default: return *order >= 0;
  }
}

// -1, 0 or 1 as ORDER BY has it: NULL behind everything.
int SortOrder(const std::optional<std::string>& left, const std::optional<std::string>& right, bool is_text) {
  if (!left || !right) return left ? -1 : right ? 1 : 0;
  const auto left_number = is_text ? std::nullopt : ReadNumber(*left), right_number = is_text ? std::nullopt : ReadNumber(*right);
  if (left_number && right_number) return SignOf(*left_number <=> *right_number);
  const int order = left->compare(*right);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

}  // namespace

std::optional<Number> ReadNumber(std::string_view text) {
  const auto real = ReadAs<double>(text);
  if (!real || !std::isfinite(*real)) return std::nullopt;
  return Number{.whole = ReadAs<int64_t>(text), .real = *real};
}

bool IsTrue(const Condition& condition, const Row& row) { return Matches(condition, row) == Truth(true); }

Table Pick(const Select& select, Table table) {
  Table answer{.columns = select.columns, .rows = {}};
  std::vector<Row> rows = std::move(table.rows);
  if (select.where) std::erase_if(rows, [&](const Row& row) { return !IsTrue(*select.where, row); });
  if (select.picked.empty()) {
    rows = {{std::to_string(rows.size())}};
  } else if (!select.sorts.empty()) {
    std::stable_sort(rows.begin(), rows.end(), [&](const Row& left, const Row& right) {
      for (const Select::Sort& sort : select.sorts) {
        const int order = SortOrder(left[sort.column], right[sort.column], IsText(table.columns, sort.column));
        if (order != 0) return (order < 0) == (sort.order == Select::Order::kAscending);
      }
      return false;
    });
  }
  if (select.limit && rows.size() > *select.limit) rows.resize(static_cast<size_t>(*select.limit));
  if (select.picked.empty()) {
    answer.rows = std::move(rows);
    return answer;
  }
  answer.rows.reserve(rows.size());
  for (const Row& row : rows) {
    Row picked;
    picked.reserve(select.picked.size());
    for (const size_t column : select.picked) picked.push_back(row[column]);
    answer.rows.push_back(std::move(picked));
  }
  return answer;
}

}  // namespace admin
