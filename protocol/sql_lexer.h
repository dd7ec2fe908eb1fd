// Cuts SQL text into tokens as PostgreSQL's scanner does.
//
// What: SqlLexer hands out one token after the other; space and comments (nested ones too) are skipped. Its Skip functions are
// for who looks at bytes instead of tokens (Sniff) and must leave the same literals and comments alone.
// What it is not: a parser, nor strict. What PostgreSQL would refuse becomes some token; a number is its digits only ("1e5" is
// a number and a word); an operator is one token per character.
// Threads: none; a value, cheap to copy: a copy looks ahead. Ownership: the text must outlive the lexer and its tokens.
// Limits: nothing is allocated; an unterminated literal or comment runs to the end. Bytes are read as UTF-8 or another encoding
// whose characters hold no ASCII byte: in SJIS, BIG5, GBK and the like a "\" inside a character of an E'' may mislead.
// Source: PostgreSQL's src/backend/parser/scan.l (12 to 18); scansup.c for the folding and cutting of identifiers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/sql_sniffer.h"

namespace protocol {

inline constexpr size_t kIdentifierBytesMax = 63;  // NAMEDATALEN - 1

enum class SqlTokenKind : uint8_t {
  kEnd,
  kWord,        // a keyword or an identifier without quotes
  kQuotedName,  // "..." or U&"..." [UESCAPE '.']
  kString,      // '...' with its prefix (E, B, X, N, U&), or $tag$...$tag$
  kParameter,   // $1
  kNumber,
  kOther,       // one character
};

struct SqlToken {
  SqlTokenKind kind = SqlTokenKind::kEnd;
  std::string_view text;  // as written, quotes and prefix included

  bool Is(char c) const { return kind == SqlTokenKind::kOther && text[0] == c; }
  bool IsName() const { return kind == SqlTokenKind::kWord || kind == SqlTokenKind::kQuotedName; }
  const char* begin() const { return text.data(); }
  const char* end() const { return text.data() + text.size(); }
};

inline char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
// `lower`: lower-case letters and "_" only. No other byte is such a letter with the bit of lower case set.
inline bool EqualsLower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != lower[i] && (text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}
inline bool IsWord(const SqlToken& token, std::string_view lower) {
  return token.kind == SqlTokenKind::kWord && EqualsLower(token.text, lower);
}
// The identifier that a name token stands for: folded, unquoted or unescaped, cut at kIdentifierBytesMax.
std::string IdentifierOf(const SqlToken& token);
// Room for a name and for one more character, by which it is seen to be too long.
using NameRoom = std::array<char, kIdentifierBytesMax + 4>;
// Between the quotes, doubled ones still doubled; a U&"..." is unescaped into `room`, in UTF-8.
std::string_view InsideQuotes(const SqlToken& quoted_name, NameRoom& room);

enum SqlCharacter : uint8_t { kWordStart = 1, kWordPart = 2, kDigit = 4, kSpace = 8 };
constexpr std::array<uint8_t, 256> MakeSqlCharacters() {
  std::array<uint8_t, 256> table{};
  for (size_t c = 0; c < 256; ++c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
    const bool is_digit = c >= '0' && c <= '9';
    if (is_letter) table[c] = kWordStart | kWordPart;
    if (is_digit) table[c] = kDigit | kWordPart;
    if (c == '$') table[c] = kWordPart;
    if (c == ' ' || (c >= '\t' && c <= '\r')) table[c] = kSpace;
  }
  return table;
}
inline constexpr std::array<uint8_t, 256> kSqlCharacters = MakeSqlCharacters();
inline bool IsSqlCharacter(char c, int mask) { return (kSqlCharacters[static_cast<unsigned char>(c)] & mask) != 0; }

class SqlLexer {
 public:
  SqlLexer(std::string_view sql, Backslash backslash)
      : position_(sql.data()), end_(sql.data() + sql.size()), backslash_(backslash) {}
  SqlToken Next();

  const char* position() const { return position_; }
  const char* end() const { return end_; }
  Backslash backslash() const { return backslash_; }
  void MoveTo(const char* position) { position_ = position; }

  // Each takes where the thing begins and returns where it ends.
  const char* SkipLineComment(const char* dashes) const;
  const char* SkipBlockComment(const char* slash) const;
  const char* SkipQuotedName(const char* quote) const { return SkipDoubling(quote, '"'); }
  // `prefix`: the letter directly before the quote when it stands alone, else 0.
  const char* SkipString(const char* quote, char prefix) const;
  // At a "$" that is not inside a word: $1, $tag$...$tag$, or only the "$".
  SqlToken ReadDollar(const char* dollar) const;

 private:
  bool StartsAt(const char* at, char first, char second) const { return end_ - at >= 2 && at[0] == first && at[1] == second; }
  const char* SkipSpaceAndComments(const char* at) const;
  const char* SkipDoubling(const char* quote, char kind) const;
  const char* SkipEscaping(const char* quote) const;
  const char* ContinuedAt(const char* closed) const;
  const char* FindClosingTag(const char* dollar, const char* body) const;
  const char* SkipUescape(const char* closed) const;
  SqlToken ReadWord(const char* begin) const;
  SqlToken Until(SqlTokenKind kind, const char* begin, const char* end) const {
    return {kind, std::string_view(begin, static_cast<size_t>(end - begin))};
  }

  const char* position_;
  const char* end_;
  Backslash backslash_;
};

}  // namespace protocol
