#include "admin/tokens.h"

#include <string>

#include "admin/command.h"

namespace admin {
namespace {

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool StartsComment(std::string_view rest) { return rest.starts_with("--") || rest.starts_with("/*"); }

// Past the comment that starts here.
size_t CommentBytes(std::string_view rest) {
  if (rest.starts_with("--")) return std::min(rest.find('\n'), rest.size());
  int depth = 0;
  for (size_t at = 0; at + 1 < rest.size();) {
    if (rest.substr(at, 2) == "/*") {
      ++depth;
      at += 2;
    } else if (rest.substr(at, 2) == "*/") {
      at += 2;
      if (--depth == 0) return at;
    } else {
      ++at;
    }
  }
  return kNoEnd;
}

size_t WordBytes(std::string_view rest) {
  size_t end = 0;
  while (end < rest.size() && !IsBlank(rest[end]) &&
         std::string_view(";=,'\"").find(rest[end]) == std::string_view::npos && !StartsComment(rest.substr(end))) {
    ++end;
  }
  return end;
}

tl::unexpected<std::string> Fail(std::string reason) { return tl::unexpected<std::string>(std::move(reason)); }

}  // namespace

size_t BlankBytes(std::string_view rest) {
  size_t bytes = 0;
  while (bytes < rest.size()) {
    if (IsBlank(rest[bytes])) {
      ++bytes;
    } else if (StartsComment(rest.substr(bytes))) {
      const size_t comment = CommentBytes(rest.substr(bytes));
      if (comment == kNoEnd) return kNoEnd;
      bytes += comment;
    } else {
      break;
    }
  }
  return bytes;
}

size_t QuotedBytes(std::string_view rest, std::string& text) {
  const char quote = rest[0];
  for (size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == quote) {
      if (at + 1 >= rest.size() || rest[at + 1] != quote) return at + 1;
      ++at;
    }
    text.push_back(rest[at]);
  }
  return kNoEnd;
}

tl::expected<std::vector<Token>, std::string> Tokenise(std::string_view sql) {
  std::vector<Token> tokens;
  for (std::string_view rest = sql; !rest.empty();) {
    const size_t blanks = BlankBytes(rest);
    if (blanks == kNoEnd) return Fail("unterminated comment");
    rest.remove_prefix(blanks);
    if (rest.empty()) break;
    size_t bytes = 1;
    Token token{TokenKind::kWord, {}};
    switch (rest[0]) {
      case ';':
        token.kind = TokenKind::kSemicolon;
        break;
      case '=':
        token.kind = TokenKind::kEquals;
        break;
      case ',':
        token.kind = TokenKind::kComma;
        break;
      case '\'':
      case '"':
        token.kind = TokenKind::kQuoted;
        bytes = QuotedBytes(rest, token.text);
        if (bytes == kNoEnd) return Fail("unterminated quoted text");
        break;
      default:
        bytes = WordBytes(rest);
        token.text = rest.substr(0, bytes);
    }
    if (token.text.size() > kWordBytesMax) {
      return Fail("a word of more than " + std::to_string(kWordBytesMax) + " bytes");
    }
    if (tokens.size() == kTokensMax) return Fail("more than " + std::to_string(kTokensMax) + " words");
    tokens.push_back(std::move(token));
    rest.remove_prefix(bytes);
  }
  return tokens;
}

}  // namespace admin
