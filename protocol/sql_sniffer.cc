#include "protocol/sql_sniffer.h"

#include <array>
#include <cstring>

#include "protocol/sql_lexer.h"
#include "protocol/sql_statement.h"

// The quick half. A statement that begins with no verb of ours is run over by bytes: only what opens a literal or a comment,
// the ";", and three letters stop the run. Each telling name holds one of them behind few others: the p of "temp", the g of
// "set_config", the v of "advisory", "currval" and "lastval". Where a whole telling name stands, StatementReader looks again.
namespace protocol {
namespace {

enum class Stop : uint8_t { kNone, kQuote, kDoubleQuote, kDollar, kDash, kSlash, kSemicolon, kG, kP, kV };

constexpr std::array<Stop, 256> MakeStops() {
  std::array<Stop, 256> stops{};
  stops['\''] = Stop::kQuote;
  stops['"'] = Stop::kDoubleQuote;
  stops['$'] = Stop::kDollar;
  stops['-'] = Stop::kDash;
  stops['/'] = Stop::kSlash;
  stops[';'] = Stop::kSemicolon;
  stops['g'] = stops['G'] = Stop::kG;
  stops['p'] = stops['P'] = Stop::kP;
  stops['v'] = stops['V'] = Stop::kV;
  return stops;
}
constexpr std::array<Stop, 256> kStops = MakeStops();
// Longer than the longest telling name: a longer word is none, and is not read to its end again and again.
constexpr int kNameBytesSeen = 32;

Stop StopAt(const char* at) { return kStops[static_cast<unsigned char>(*at)]; }

// Eight bytes a turn: a vector of sixteen was measured and is no better, the next stop is too near.
inline const char* FindStop(const char* at, const char* end) {
  for (; end - at >= 8; at += 8) {
    if (StopAt(at) != Stop::kNone) return at;
    if (StopAt(at + 1) != Stop::kNone) return at + 1;
    if (StopAt(at + 2) != Stop::kNone) return at + 2;
    if (StopAt(at + 3) != Stop::kNone) return at + 3;
    if (StopAt(at + 4) != Stop::kNone) return at + 4;
    if (StopAt(at + 5) != Stop::kNone) return at + 5;
    if (StopAt(at + 6) != Stop::kNone) return at + 6;
    if (StopAt(at + 7) != Stop::kNone) return at + 7;
  }
  while (at < end && StopAt(at) == Stop::kNone) ++at;
  return at;
}

// Runs over one statement. Its words are not known as tokens: what stands before a byte is read backwards, never further than
// to the end of the last literal, comment or parameter.
class PlainStatement {
 public:
  // Its first token has been read.
  explicit PlainStatement(const SqlLexer& lexer) : lexer_(lexer), floor_(lexer.position()) {}

  // Behind the ";" or at the end of the text; null when a telling name stands in the statement.
  const char* Skip() {
    for (const char* at = floor_;;) {
      at = FindStop(at, lexer_.end());
      if (at == lexer_.end()) return at;
      switch (StopAt(at)) {
        case Stop::kG: at = IsAfter(at, 'i') ? SkipLetter(at) : at + 1; break;
        case Stop::kP: at = IsAfter(at, 'm') ? SkipLetter(at) : at + 1; break;
        case Stop::kV: at = IsAfter(at, 'd') || IsAfter(at, 'r') || IsAfter(at, 't') ? SkipLetter(at) : at + 1; break;
        case Stop::kQuote: at = floor_ = SkipString(at); break;
        case Stop::kDoubleQuote: at = SkipQuotedName(at); break;
        case Stop::kDollar: at = IsInsideWord(at) ? at + 1 : floor_ = lexer_.ReadDollar(at).end(); break;
        case Stop::kDash: at = IsFollowedBy(at, '-') ? floor_ = lexer_.SkipLineComment(at) : at + 1; break;
        case Stop::kSlash: at = IsFollowedBy(at, '*') ? floor_ = lexer_.SkipBlockComment(at) : at + 1; break;
        case Stop::kSemicolon: return at + 1;
        case Stop::kNone: return nullptr;
      }
      if (at == nullptr) return nullptr;
    }
  }

 private:
  // There is a byte before: the statement's first token.
  static bool IsAfter(const char* at, char lower) { return (at[-1] | 0x20) == lower; }
  bool IsFollowedBy(const char* at, char c) const { return lexer_.end() - at >= 2 && at[1] == c; }

  const char* SkipLetter(const char* at) const { return IsInTellingName(at) ? nullptr : at + 1; }

  bool IsInTellingName(const char* at) const {
    const char* begin = at;
    while (begin > floor_ && at - begin < kNameBytesSeen && IsSqlCharacter(begin[-1], kWordPart)) --begin;
    while (IsSqlCharacter(*begin, kDigit)) ++begin;
    const char* end = at;
    while (end < lexer_.end() && end - at < kNameBytesSeen && IsSqlCharacter(*end, kWordPart)) ++end;
    return IsTellingName(std::string_view(begin, static_cast<size_t>(end - begin)));
  }

  // A doubled quote ends one literal and begins the next: that hides as much.
  const char* SkipToClosing(const char* quote) const {
    const void* closing = std::memchr(quote + 1, *quote, static_cast<size_t>(lexer_.end() - quote - 1));
    return closing != nullptr ? static_cast<const char*>(closing) + 1 : lexer_.end();
  }

  const char* SkipQuotedName(const char* quote) {
    // what a U&"..." stands for is for the lexer
    if (quote - floor_ >= 2 && quote[-1] == '&' && IsAfter(quote - 1, 'u')) return nullptr;
    floor_ = SkipToClosing(quote);
    const size_t size = static_cast<size_t>(floor_ - quote);
    return size > 2 && IsTellingName(std::string_view(quote + 1, size - 2)) ? nullptr : floor_;
  }

  // Whether the word that `at` may belong to began before it: a digit begins none.
  bool IsInsideWord(const char* at) const {
    while (at > floor_ && IsSqlCharacter(at[-1], kDigit)) --at;
    return at > floor_ && IsSqlCharacter(at[-1], kWordPart);
  }

  const char* SkipString(const char* quote) const {
    const char prefix = PrefixBefore(quote);
    if (prefix != 0 || lexer_.backslash() != Backslash::kLiteral) return lexer_.SkipString(quote, prefix);
    return SkipToClosing(quote);
  }

  char PrefixBefore(const char* quote) const {
    if (quote == floor_ || !IsSqlCharacter(quote[-1], kWordStart) || IsInsideWord(quote - 1)) return 0;
    return quote[-1];
  }

  const SqlLexer& lexer_;
  const char* floor_;
};

// The first token of a statement. Nearly always that is a word with nothing but blanks before it; a single letter may be the
// prefix of a string.
SqlToken ReadFirst(SqlLexer& lexer) {
  const char* begin = lexer.position();
  while (begin < lexer.end() && *begin == ' ') ++begin;
  if (begin == lexer.end() || !IsSqlCharacter(*begin, kWordStart)) return lexer.Next();
  const char* end = begin + 1;
  while (end < lexer.end() && IsSqlCharacter(*end, kWordPart)) ++end;
  if (end - begin == 1) return lexer.Next();
  lexer.MoveTo(end);
  return {SqlTokenKind::kWord, std::string_view(begin, static_cast<size_t>(end - begin))};
}

}  // namespace

SqlFlags Sniff(std::string_view sql, Backslash backslash) {
  SqlLexer lexer(sql, backslash);
  SqlFlags flags = 0;
  SqlFlags several = 0;
  for (SqlToken first = ReadFirst(lexer); first.kind != SqlTokenKind::kEnd; first = ReadFirst(lexer)) {
    if (first.Is(';')) continue;
    flags |= several;
    several = kSqlSeveral;
    const SqlVerb verb = FindVerb(first);
    const char* next = verb == SqlVerb::kOther ? PlainStatement(lexer).Skip() : nullptr;
    if (next == lexer.end()) return flags;
    if (next != nullptr) {
      lexer.MoveTo(next);
    } else {
      flags |= ReadStatement(lexer, first, verb).flags;
    }
  }
  return flags;
}

}  // namespace protocol
