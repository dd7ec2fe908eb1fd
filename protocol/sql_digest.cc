#include "protocol/sql_digest.h"

#include <cstdint>
#include <cstdio>

#include "protocol/sql_lexer.h"

namespace protocol {
namespace {

bool IsExponent(const SqlToken& token) {
  if (token.kind != SqlTokenKind::kWord || token.text.empty() || (token.text[0] | 0x20) != 'e') return false;
  return token.text.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

}  // namespace

std::string WithoutValues(std::string_view sql, Backslash backslash) {
  const std::string_view read = sql.substr(0, kDigestedBytes);
  SqlLexer lexer(read, backslash);
  std::string text;
  const char* end_of_last = read.data();
  bool after_number = false, after_fraction = false;
  for (SqlToken token = lexer.Next(); token.kind != SqlTokenKind::kEnd; token = lexer.Next()) {
    const bool is_apart = token.begin() != end_of_last;
    end_of_last = token.end();
    // The lexer cuts 1.5e10 into a number, a point, a number and a word: to a reader it is one value.
    if (after_number && !is_apart && (token.Is('.') || token.kind == SqlTokenKind::kNumber || IsExponent(token))) {
      after_fraction = token.Is('.');
      continue;
    }
    const bool is_fraction = after_fraction && !is_apart;
    after_number = token.kind == SqlTokenKind::kNumber;
    after_fraction = false;
    if (is_fraction) continue;
    if (is_apart && !text.empty()) text += ' ';
    if (token.kind == SqlTokenKind::kString || token.kind == SqlTokenKind::kNumber) {
      text += '?';
      // A list is as long as it happens to be.
      if (text.ends_with("?, ?")) text.resize(text.size() - 3);
      else if (text.ends_with("?,?")) text.resize(text.size() - 2);
    } else if (token.kind == SqlTokenKind::kWord) {
      for (const char c : token.text) text += LowerAscii(c);
    } else {
      text += token.text;
    }
  }
  return text;
}

std::string DigestOf(std::string_view without_values) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : without_values) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016lx", static_cast<unsigned long>(hash));
  return digits;
}

}  // namespace protocol
