// The conditions of SELECT and KILL WHERE.
#include "admin/select_parser.h"
#include "admin/text.h"

namespace admin {
namespace {

using Kind = SelectTokenKind;

std::string_view TypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kInt4: return "integer";
    case ColumnType::kInt8: return "bigint";
    case ColumnType::kNumeric: return "numeric";
    case ColumnType::kText: break;
  }
  return "text";
}

// A term alone stands for itself.
void Unwrap(Condition& condition) {
  if (condition.parts.size() != 1) return;
  Condition only = std::move(condition.parts[0]);
  condition = std::move(only);
}

std::optional<Condition::Kind> ComparisonOf(std::string_view sign) {
  if (sign == "=") return Condition::Kind::kEqual;
  if (sign == "<>" || sign == "!=") return Condition::Kind::kNotEqual;
  if (sign == "<") return Condition::Kind::kLess;
  if (sign == ">") return Condition::Kind::kGreater;
  if (sign == "<=") return Condition::Kind::kLessEqual;
  if (sign == ">=") return Condition::Kind::kGreaterEqual;
  return std::nullopt;
}

// A pattern that ends inside an escape means nothing.
bool EndsInEscape(std::string_view pattern) {
  bool is_escaped = false;
  for (const char c : pattern) is_escaped = c == '\\' && !is_escaped;
  return is_escaped;
}

}  // namespace

bool SelectParser::AnyOf(Condition& condition) {
  condition.kind = Condition::Kind::kAny;
  return Joined(condition, "or", &SelectParser::AllOf);
}

bool SelectParser::AllOf(Condition& condition) {
  condition.kind = Condition::Kind::kAll;
  return Joined(condition, "and", &SelectParser::Term);
}

bool SelectParser::Joined(Condition& condition, std::string_view word, bool (SelectParser::*part)(Condition&)) {
  while (true) {
    if (!(this->*part)(condition.parts.emplace_back())) return false;
    if (!IsWord(word)) break;
    if (!Advance()) return false;
  }
  Unwrap(condition);
  return true;
}

bool SelectParser::Term(Condition& condition) {
  const bool is_not = IsWord("not");
  if (!is_not && !IsSign("(")) return Predicate(condition);
  if (++depth_ > kSelectDepthMax) {
    return Fail("54001", "the condition is nested more than " + std::to_string(kSelectDepthMax) + " deep", token_.position);
  }
  if (!Advance()) return false;
  if (is_not) {
    condition.kind = Condition::Kind::kNot;
    if (!Term(condition.parts.emplace_back())) return false;
  } else if (!AnyOf(condition) || !Expect(")")) {
    return false;
  }
  --depth_;
  return true;
}

bool SelectParser::Predicate(Condition& condition) {
  if (!IsName()) return SyntaxError();
  if (!FindColumn(token_, condition.column) || !Advance()) return false;
  if (IsWord("is")) {
    if (!Advance()) return false;
    const bool is_not = IsWord("not");
    if (is_not && !Advance()) return false;
    if (!IsWord("null")) return SyntaxError();
    condition.kind = Condition::Kind::kIsNull;
    if (is_not) {
      Condition positive = std::move(condition);
      condition = Condition{.kind = Condition::Kind::kNot};
      condition.parts.push_back(std::move(positive));
    }
    return Advance();
  }
  if (token_.kind != Kind::kSign) return Negated(condition);
  const auto comparison = ComparisonOf(token_.text);
  if (!comparison) return SyntaxError();
  condition.kind = *comparison;
  const SelectToken sign = token_;
  return Advance() && ParseLiteral(condition.literals.emplace_back()) &&
         Fit(condition.literals[0], condition.column, sign.text, sign.position);
}

bool SelectParser::Negated(Condition& condition) {
  if (IsWord("not")) {
    if (!Advance()) return false;
    Condition& positive = condition.parts.emplace_back();
    positive.column = condition.column;
    condition.kind = Condition::Kind::kNot;
    return IsWord("not") ? SyntaxError() : Negated(positive);
  }
  const SelectToken word = token_;
  if (IsWord("like")) {
    condition.kind = Condition::Kind::kLike;
    if (!Advance()) return false;
    const size_t position = token_.position;
    Literal& pattern = condition.literals.emplace_back();
    if (!ParseLiteral(pattern)) return false;
    const ColumnType type = columns_[condition.column].type;
    if (type != ColumnType::kText || pattern.kind == Literal::Kind::kNumber) {
      return Fail("42883", "LIKE compares texts, not " + std::string(type != ColumnType::kText ? TypeName(type) : "numbers"), word.position);
    }
    if (EndsInEscape(pattern.text)) return Fail("22025", "LIKE pattern must not end with escape character", position);
    return true;
  }
  if (!IsWord("in")) return SyntaxError();
  condition.kind = Condition::Kind::kIn;
  if (!Advance() || !IsSign("(")) return error_ ? false : SyntaxError();
  do {
    if (condition.literals.size() == kSelectItemsMax) {
      return Fail("54000", "IN takes at most " + std::to_string(kSelectItemsMax) + " values", token_.position);
    }
    if (!Advance() || !ParseLiteral(condition.literals.emplace_back())) return false;
    if (!Fit(condition.literals.back(), condition.column, "=", word.position)) return false;
  } while (IsSign(","));
  return Expect(")");
}

bool SelectParser::ParseLiteral(Literal& literal) {
  if (IsWord("null")) return Advance();
  if (token_.kind == Kind::kText) {
    literal.kind = Literal::Kind::kText;
    literal.text = token_.text;
    return Advance();
  }
  const bool is_negative = IsSign("-");
  if (is_negative && !Advance()) return false;
  if (token_.kind != Kind::kNumber) return SyntaxError();
  literal.kind = Literal::Kind::kNumber;
  literal.text = (is_negative ? "-" : "") + token_.text;
  const auto number = ReadNumber(literal.text);
  if (!number) return SyntaxError();
  literal.number = *number;
  return Advance();
}

bool SelectParser::Fit(Literal& literal, size_t column, std::string_view sign, size_t position) {
  const ColumnType type = columns_[column].type;
  if (type == ColumnType::kText) {
    if (literal.kind != Literal::Kind::kNumber) return true;
    return Fail("42883", "operator does not exist: text " + std::string(sign) + " numeric", position, "Put the value in quotes.");
  }
  if (literal.kind != Literal::Kind::kText) return true;
  const auto number = ReadNumber(literal.text);
  if (!number) {
    return Fail("22P02", "invalid input syntax for type " + std::string(TypeName(type)) + ": \"" + Printable(literal.text) + '"', position);
  }
  literal.number = *number;
  literal.kind = Literal::Kind::kNumber;
  return true;
}

}  // namespace admin
