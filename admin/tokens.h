// Cuts a console statement into words, quoted texts and signs.
//
// What: SQL's lexical rules as far as the console needs them: "..." and '...' with the quote doubled inside, -- and
// nested
// /* */ comments. A bare word ends at a blank, a sign, a quote or a comment, so that names such as my-db.1 need no
// quotes. Threads: pure function. Limits: kWordBytesMax, kTokensMax (command.h).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace admin {

enum class TokenKind : uint8_t { kWord, kQuoted, kEquals, kComma, kSemicolon };

struct Token {
  TokenKind kind;
  std::string text;  // without quotes
};

inline constexpr size_t kNoEnd = std::string_view::npos;  // what begins here never ends

// The bytes of blanks and comments in front.
size_t BlankBytes(std::string_view rest);
// Reads the quoted text that starts here into `text`; its bytes with the quotes.
size_t QuotedBytes(std::string_view rest, std::string& text);

// The error is the reason, in words.
tl::expected<std::vector<Token>, std::string> Tokenise(std::string_view sql);

}  // namespace admin
