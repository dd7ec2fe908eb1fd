#include "protocol/sql_sniffer.h"

#include <array>

#include "protocol/sql_lexer.h"
#include "protocol/sql_statement.h"

// The quick half. A statement that begins with no verb of ours is run over by bytes: only what opens a literal or a comment, the
// ";", and three letters stop the run. Each telling name holds one of them behind few others: the p of "temp", the g of
// "set_config", the v of "advisory", "currval" and "lastval". Where a whole telling name stands, StatementReader looks again.
namespace protocol {
namespace {

enum class Stop : uint8_t { kNone, kQuote, kDoubleQuote, kDollar, kDash, kSlash, kSemicolon, kLetter };

constexpr std::array<Stop, 256> MakeStops() {
  std::array<Stop, 256> stops{};
  stops['\''] = Stop::kQuote;
  stops['"'] = Stop::kDoubleQuote;
  stops['$'] = Stop::kDollar;
  stops['-'] = Stop::kDash;
  stops['/'] = Stop::kSlash;
  stops[';'] = Stop::kSemicolon;
  for (const char letter : {'g', 'G', 'p', 'P', 'v', 'V'}) stops[static_cast<unsigned char>(letter)] = Stop::kLetter;
  return stops;
}
constexpr std::array<Stop, 256> kStops = MakeStops();
// Longer than the longest telling name: a longer word is none, and is not read to its end again and again.
constexpr int kNameBytesSeen = 32;

Stop StopAt(const char* at) { return kStops[static_cast<unsigned char>(*at)]; }

const char* FindStop(const char* at, const char* end) {
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

// Runs over one statement. Its words are not known as tokens: what stands before a byte is read backwards, never further than to
// the end of the last literal, comment or parameter.
class PlainStatement {
 public:
  explicit PlainStatement(const SqlLexer& lexer) : lexer_(lexer), floor_(lexer.position()) {}

  // Behind the ";" or at the end of the text; null when a telling name stands in the statement.
  const char* Skip() {
    for (const char* at = FindStop(floor_, lexer_.end()); at < lexer_.end(); at = FindStop(at, lexer_.end())) {
      if (StopAt(at) == Stop::kSemicolon) return at + 1;
      at = SkipStop(at);
      if (at == nullptr) return nullptr;
    }
    return lexer_.end();
  }

 private:
  const char* SkipStop(const char* at) {
    switch (StopAt(at)) {
      case Stop::kLetter: return MayEndTellingPart(at) && IsInTellingName(at) ? nullptr : at + 1;
      case Stop::kQuote: return floor_ = lexer_.SkipString(at, PrefixBefore(at));
      case Stop::kDoubleQuote: return SkipQuotedName(at);
      case Stop::kDollar: return IsInsideWord(at) ? at + 1 : floor_ = lexer_.ReadDollar(at).end();
      case Stop::kDash: return IsFollowedBy(at, '-') ? floor_ = lexer_.SkipLineComment(at) : at + 1;
      case Stop::kSlash: return IsFollowedBy(at, '*') ? floor_ = lexer_.SkipBlockComment(at) : at + 1;
      case Stop::kSemicolon:
      case Stop::kNone: break;
    }
    return at + 1;
  }

  bool IsFollowedBy(const char* at, char c) const { return lexer_.end() - at >= 2 && at[1] == c; }

  // temp, set_config, advisory, currval, lastval
  bool MayEndTellingPart(const char* at) const {
    if (at == floor_) return false;
    const char before = LowerAscii(at[-1]);
    switch (*at | 0x20) {
      case 'p': return before == 'm';
      case 'g': return before == 'i';
      default: return before == 'd' || before == 'r' || before == 't';
    }
  }

  bool IsInTellingName(const char* at) const {
    const char* begin = at;
    while (begin > floor_ && at - begin < kNameBytesSeen && IsSqlCharacter(begin[-1], kWordPart)) --begin;
    while (IsSqlCharacter(*begin, kDigit)) ++begin;
    const char* end = at;
    while (end < lexer_.end() && end - at < kNameBytesSeen && IsSqlCharacter(*end, kWordPart)) ++end;
    return IsTellingName(std::string_view(begin, static_cast<size_t>(end - begin)));
  }

  const char* SkipQuotedName(const char* quote) {
    floor_ = lexer_.SkipQuotedName(quote);
    const SqlToken name{SqlTokenKind::kQuotedName, std::string_view(quote, static_cast<size_t>(floor_ - quote))};
    return IsTellingName(InsideQuotes(name)) ? nullptr : floor_;
  }

  // Whether the word that `at` may belong to began before it: a digit begins none.
  bool IsInsideWord(const char* at) const {
    while (at > floor_ && IsSqlCharacter(at[-1], kDigit)) --at;
    return at > floor_ && IsSqlCharacter(at[-1], kWordPart);
  }

  char PrefixBefore(const char* quote) const {
    if (quote == floor_ || !IsSqlCharacter(quote[-1], kWordStart) || IsInsideWord(quote - 1)) return 0;
    return quote[-1];
  }

  const SqlLexer& lexer_;
  const char* floor_;
};

}  // namespace

SqlFlags Sniff(std::string_view sql, Backslash backslash) {
  SqlLexer lexer(sql, backslash);
  SqlFlags flags = 0;
  SqlFlags several = 0;
  for (SqlToken first = lexer.Next(); first.kind != SqlTokenKind::kEnd; first = lexer.Next()) {
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
