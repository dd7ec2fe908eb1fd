#include "protocol/sql_lexer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace protocol {
namespace {

const char* Find(const char* begin, const char* end, char c) {
  if (begin >= end) return nullptr;
  return static_cast<const char*>(std::memchr(begin, c, static_cast<size_t>(end - begin)));
}

const char* SkipWhile(const char* at, const char* end, int mask) {
  while (at < end && IsSqlCharacter(*at, mask)) ++at;
  return at;
}

// Never inside a UTF-8 character, like pg_mbcliplen.
void CutIdentifier(std::string& name) {
  if (name.size() <= kIdentifierBytesMax) return;
  size_t size = kIdentifierBytesMax;
  while (size > 0 && (static_cast<unsigned char>(name[size]) & 0xc0) == 0x80) --size;
  name.resize(size);
}

// U&"d\0061t\+000061" or U&"d!0061ta" UESCAPE '!'. What PostgreSQL would refuse comes out as something.
class UnicodeName {
 public:
  UnicodeName(std::string_view token, NameRoom& room) : rest_(token.substr(token.find('"') + 1)), room_(room) {
    const size_t size = SizeBeforeClosing();
    SqlLexer behind(rest_.substr(std::min(size + 1, rest_.size())), Backslash::kLiteral);
    behind.Next();
    const SqlToken escape = behind.Next();
    if (escape.kind == SqlTokenKind::kString) escape_ = escape.text[escape.text.size() / 2];
    rest_ = rest_.substr(0, size);
  }

  std::string_view Read() {
    while (!rest_.empty() && size_ <= kIdentifierBytesMax) ReadCharacter();
    return {room_.data(), size_};
  }

 private:
  size_t SizeBeforeClosing() const {
    size_t size = 0;
    while (size < rest_.size()) {
      if (rest_[size] != '"') ++size;
      else if (size + 1 < rest_.size() && rest_[size + 1] == '"') size += 2;
      else break;
    }
    return size;
  }

  void ReadCharacter() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    const bool is_doubled = (c == '"' || c == escape_) && !rest_.empty() && rest_.front() == c;
    if (is_doubled) rest_.remove_prefix(1);
    if (c != escape_ || is_doubled) {
      room_[size_++] = c;
      return;
    }
    uint32_t code = ReadCode();
    if (code >= 0xd800 && code < 0xdc00 && !rest_.empty() && rest_.front() == escape_) {
      rest_.remove_prefix(1);
      code = 0x10000 + ((code & 0x3ff) << 10) + (ReadCode() & 0x3ff);
    }
    Put(code);
  }

  // Behind the escape: XXXX or +XXXXXX
  uint32_t ReadCode() {
    const bool is_long = !rest_.empty() && rest_.front() == '+';
    if (is_long) rest_.remove_prefix(1);
    const std::string_view digits = rest_.substr(0, is_long ? 6 : 4);
    rest_.remove_prefix(digits.size());
    uint32_t code = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    return code;
  }

  void Put(uint32_t code) {
    const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      room_[size_++] = static_cast<char>(code);
    } else if (code < 0x800) {
      room_[size_++] = static_cast<char>(0xc0 | code >> 6);
    } else if (code < 0x10000) {
      room_[size_++] = static_cast<char>(0xe0 | code >> 12);
      room_[size_++] = tail(6);
    } else {
      room_[size_++] = static_cast<char>(0xf0 | (code >> 18 & 7));
      room_[size_++] = tail(12);
      room_[size_++] = tail(6);
    }
    if (code >= 0x80) room_[size_++] = tail(0);
  }

  std::string_view rest_;
  NameRoom& room_;
  size_t size_ = 0;
  char escape_ = '\\';
};

}  // namespace

std::string_view InsideQuotes(const SqlToken& quoted_name, NameRoom& room) {
  if (quoted_name.text.front() != '"') return UnicodeName(quoted_name.text, room).Read();
  std::string_view inside = quoted_name.text.substr(1);
  if (!inside.empty() && inside.back() == '"') inside.remove_suffix(1);
  return inside;
}

std::string IdentifierOf(const SqlToken& token) {
  std::string name;
  NameRoom room;
  if (token.kind == SqlTokenKind::kQuotedName && token.text.front() != '"') {
    name = InsideQuotes(token, room);
  } else if (token.kind == SqlTokenKind::kQuotedName) {
    const std::string_view inside = InsideQuotes(token, room);
    for (size_t i = 0; i < inside.size(); ++i) {
      name += inside[i];
      if (inside[i] == '"') ++i;  // the second of a doubled quote
    }
  } else {
    for (const char c : token.text) name += LowerAscii(c);
  }
  CutIdentifier(name);
  return name;
}

const char* SqlLexer::SkipLineComment(const char* dashes) const {
  const char* at = dashes + 2;
  const char* const end = end_;
  while (at < end && *at != '\n' && *at != '\r') ++at;
  return at;
}

// Whatever opens or closes a comment holds a "/", so only those are looked at.
const char* SqlLexer::SkipBlockComment(const char* slash) const {
  const char* at = slash + 2;
  for (int depth = 1; depth > 0;) {
    const char* found = Find(at, end_, '/');
    if (found == nullptr) return end_;
    if (found > at && found[-1] == '*') {
      --depth;
      at = found + 1;
    } else if (StartsAt(found, '/', '*')) {
      ++depth;
      at = found + 2;
    } else {
      at = found + 1;
    }
  }
  return at;
}

const char* SqlLexer::SkipSpaceAndComments(const char* at) const {
  for (;;) {
    at = SkipWhile(at, end_, kSpace);
    if (StartsAt(at, '-', '-')) at = SkipLineComment(at);
    else if (StartsAt(at, '/', '*')) at = SkipBlockComment(at);
    else return at;
  }
}

const char* SqlLexer::SkipDoubling(const char* quote, char kind) const {
  for (const char* at = quote + 1;;) {
    at = Find(at, end_, kind);
    if (at == nullptr) return end_;
    if (!StartsAt(at, kind, kind)) return at + 1;
    at += 2;
  }
}

// Where the next piece of a string begins, when only space with a newline and "--" comments lie between; else null.
const char* SqlLexer::ContinuedAt(const char* closed) const {
  const char* at = closed;
  bool has_newline = false;
  for (;;) {
    for (; at < end_ && IsSqlCharacter(*at, kSpace); ++at) has_newline |= *at == '\n' || *at == '\r';
    if (!StartsAt(at, '-', '-')) break;
    at = SkipLineComment(at);
  }
  return has_newline && at < end_ && *at == '\'' ? at : nullptr;
}

// A continued string goes on under the same rule: the pieces after an E'...' have backslashes too.
const char* SqlLexer::SkipEscaping(const char* quote) const {
  for (const char* at = quote + 1; at < end_;) {
    if (*at == '\\' || StartsAt(at, '\'', '\'')) {
      at += end_ - at >= 2 ? 2 : 1;
    } else if (*at++ == '\'') {
      const char* next = ContinuedAt(at);
      if (next == nullptr) return at;
      at = next + 1;
    }
  }
  return end_;
}

const char* SqlLexer::SkipString(const char* quote, char prefix) const {
  const char lower = LowerAscii(prefix);
  const bool is_bits = lower == 'b' || lower == 'x';
  if (lower == 'e' || (backslash_ == Backslash::kEscapes && !is_bits)) return SkipEscaping(quote);
  return SkipDoubling(quote, '\'');
}

const char* SqlLexer::FindClosingTag(const char* dollar, const char* body) const {
  const std::string_view tag(dollar, static_cast<size_t>(body - dollar));
  const std::string_view rest(body, static_cast<size_t>(end_ - body));
  const size_t at = rest.find(tag);
  return at == std::string_view::npos ? end_ : body + at + tag.size();
}

SqlToken SqlLexer::ReadDollar(const char* dollar) const {
  const char* at = dollar + 1;
  if (at < end_ && IsSqlCharacter(*at, kDigit)) {
    return Until(SqlTokenKind::kParameter, dollar, SkipWhile(at, end_, kDigit));
  }
  if (at < end_ && IsSqlCharacter(*at, kWordStart)) {
    while (at < end_ && *at != '$' && IsSqlCharacter(*at, kWordPart)) ++at;
  }
  if (at < end_ && *at == '$') return Until(SqlTokenKind::kString, dollar, FindClosingTag(dollar, at + 1));
  return Until(SqlTokenKind::kOther, dollar, dollar + 1);
}

// [UESCAPE '.'], which belongs to the U&"..." before it. Reads no further U&"...", so that many of them cost no square.
const char* SqlLexer::SkipUescape(const char* closed) const {
  const char* word = SkipSpaceAndComments(closed);
  const char* behind = SkipWhile(word, end_, kWordPart);
  if (!EqualsLower(std::string_view(word, static_cast<size_t>(behind - word)), "uescape")) return closed;
  const char* escape = SkipSpaceAndComments(behind);
  if (escape == end_ || (*escape != '\'' && *escape != '$' && LowerAscii(*escape) != 'e')) return closed;
  SqlLexer ahead = *this;
  ahead.MoveTo(escape);
  return ahead.Next().kind == SqlTokenKind::kString ? ahead.position() : closed;
}

SqlToken SqlLexer::ReadWord(const char* begin) const {
  const char* end = SkipWhile(begin, end_, kWordPart);
  if (end - begin != 1) return Until(SqlTokenKind::kWord, begin, end);
  const char letter = LowerAscii(*begin);
  const bool is_prefix = letter == 'e' || letter == 'b' || letter == 'x' || letter == 'n';
  if (is_prefix && end < end_ && *end == '\'') return Until(SqlTokenKind::kString, begin, SkipString(end, letter));
  if (letter == 'u' && StartsAt(end, '&', '\'')) return Until(SqlTokenKind::kString, begin, SkipString(end + 1, 0));
  if (letter == 'u' && StartsAt(end, '&', '"')) {
    return Until(SqlTokenKind::kQuotedName, begin, SkipUescape(SkipQuotedName(end + 1)));
  }
  return Until(SqlTokenKind::kWord, begin, end);
}

SqlToken SqlLexer::Next() {
  const char* begin = SkipSpaceAndComments(position_);
  if (begin == end_) {
    position_ = end_;
    return Until(SqlTokenKind::kEnd, end_, end_);
  }
  SqlToken token;
  if (IsSqlCharacter(*begin, kWordStart)) token = ReadWord(begin);
  else if (IsSqlCharacter(*begin, kDigit)) token = Until(SqlTokenKind::kNumber, begin, SkipWhile(begin, end_, kDigit));
  else if (*begin == '\'') token = Until(SqlTokenKind::kString, begin, SkipString(begin, 0));
  else if (*begin == '"') token = Until(SqlTokenKind::kQuotedName, begin, SkipQuotedName(begin));
  else if (*begin == '$') token = ReadDollar(begin);
  else token = Until(SqlTokenKind::kOther, begin, begin + 1);
  position_ = token.end();
  return token;
}

}  // namespace protocol
