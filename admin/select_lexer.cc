#include "admin/select_lexer.h"

#include <algorithm>

#include "admin/text.h"
#include "admin/tokens.h"

namespace admin {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (static_cast<uint8_t>(c) & 0x80) != 0;
}

size_t WordBytes(std::string_view rest) {
  size_t bytes = 1;
  while (bytes < rest.size() && (IsWordStart(rest[bytes]) || IsDigit(rest[bytes]) || rest[bytes] == '$')) ++bytes;
  return bytes;
}

size_t NumberBytes(std::string_view rest) {
  size_t bytes = 1;
  while (bytes < rest.size() && (IsDigit(rest[bytes]) || rest[bytes] == '.')) ++bytes;
  return bytes;
}

size_t SignBytes(std::string_view rest) {
  for (const std::string_view sign : {"<=", ">=", "<>", "!=", "::"}) {
    if (rest.starts_with(sign)) return 2;
  }
  return 1;
}

}  // namespace

size_t SelectLexer::PositionOf(size_t offset) {
  for (; counted_ < offset; ++counted_) position_ += (static_cast<uint8_t>(sql_[counted_]) & 0xc0) != 0x80 ? 1 : 0;
  return position_;
}

SelectToken SelectLexer::Next() {
  SelectToken token;
  const size_t blanks = BlankBytes(sql_.substr(offset_));
  offset_ += blanks != kNoEnd ? blanks : std::min(sql_.find("/*", offset_), sql_.size()) - offset_;
  const std::string_view rest = sql_.substr(offset_);
  token.position = PositionOf(offset_);
  token.raw = rest;
  if (blanks == kNoEnd) {
    token.kind = SelectTokenKind::kUnended;
    token.text = "comment";
  } else if (rest.empty()) {
    return token;
  } else if (rest[0] == '"' || rest[0] == '\'') {
    const size_t bytes = QuotedBytes(rest, token.text);
    token.kind = rest[0] == '"' ? SelectTokenKind::kQuotedName : SelectTokenKind::kText;
    if (bytes == kNoEnd) {
      token.kind = SelectTokenKind::kUnended;
      token.text = rest[0] == '"' ? "quoted identifier" : "quoted string";
    } else {
      token.raw = rest.substr(0, bytes);
    }
  } else if (IsWordStart(rest[0])) {
    token.kind = SelectTokenKind::kWord;
    token.raw = rest.substr(0, WordBytes(rest));
    token.text = Lower(token.raw);
  } else if (IsDigit(rest[0])) {
    token.kind = SelectTokenKind::kNumber;
    token.raw = rest.substr(0, NumberBytes(rest));
    token.text = token.raw;
  } else {
    token.kind = SelectTokenKind::kSign;
    token.raw = rest.substr(0, SignBytes(rest));
    token.text = token.raw;
  }
  offset_ += token.raw.size();
  return token;
}

}  // namespace admin
