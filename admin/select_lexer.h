// Cuts a SELECT into words, quoted names, texts, numbers and signs, each with its place.
//
// What: SQL's lexical rules as far as SELECT needs them; names in no quotes are lower case, as PostgreSQL has them. The place is
// told in characters from 1, as PostgreSQL's errors do. Threads: pure; borrows the text. Source: PostgreSQL documentation,
// "Lexical Structure".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace admin {

enum class SelectTokenKind : uint8_t { kEnd, kWord, kQuotedName, kText, kNumber, kSign, kUnended };

struct SelectToken {
  SelectTokenKind kind = SelectTokenKind::kEnd;
  std::string text;       // of a word: lower case; without quotes; of a sign: itself; kUnended: of what
  std::string_view raw;   // as it stands in the statement
  size_t position = 1;
};

class SelectLexer {
 public:
  explicit SelectLexer(std::string_view sql) : sql_(sql) {}
  SelectToken Next();  // kEnd again and again, behind the end

 private:
  size_t PositionOf(size_t offset);  // offsets come in rising order

  std::string_view sql_;
  size_t offset_ = 0;
  size_t counted_ = 0, position_ = 1;  // the position of the byte at counted_
};

}  // namespace admin
