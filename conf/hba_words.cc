#include "conf/hba_words.h"

#include <algorithm>

namespace conf {
namespace {

bool IsBlank(char character) { return character == ' ' || character == '\t' || character == '\r'; }

class Splitter {
 public:
  explicit Splitter(std::string_view line) : rest_(line) {}

  Parsed<std::vector<HbaField>> Split() {
    std::vector<HbaField> fields;
    bool continues = false;  // a comma came
    while (SkipBlanks()) {
      if (rest_.front() == ',') return Refuse("has a comma without a name before it");
      auto word = TakeWord();
      if (!word) return Refuse(word.error());
      if (!continues) fields.emplace_back();
      fields.back().push_back(std::move(*word));
      continues = !rest_.empty() && rest_.front() == ',';
      if (continues) rest_.remove_prefix(1);
    }
    if (continues) return Refuse("has a comma without a name behind it");
    return fields;
  }

 private:
  // False at the end of the line, or where a comment begins.
  bool SkipBlanks() {
    while (!rest_.empty() && IsBlank(rest_.front())) rest_.remove_prefix(1);
    return !rest_.empty() && rest_.front() != '#';
  }

  Parsed<HbaWord> TakeWord() {
    HbaWord word;
    bool in_quotes = false;
    for (; !rest_.empty(); rest_.remove_prefix(1)) {
      const char character = rest_.front();
      if (character == '"') {
        const bool is_doubled = in_quotes && rest_.size() > 1 && rest_[1] == '"';
        word.is_quoted = true;
        if (is_doubled) rest_.remove_prefix(1);
        else in_quotes = !in_quotes;
        if (!is_doubled) continue;
      } else if (!in_quotes && (IsBlank(character) || character == ',' || character == '#')) {
        break;
      }
      word.text += character;
      if (word.text.size() > kLongestWord) return Refuse("has a word longer than " + std::to_string(kLongestWord) + " bytes");
    }
    if (in_quotes) return Refuse("has a double quote that does not end");
    return word;
  }

  std::string_view rest_;
};

}  // namespace

Parsed<std::vector<HbaField>> SplitFields(std::string_view line) {
  const bool has_controls = std::any_of(line.begin(), line.end(), [](char character) {
    return (static_cast<unsigned char>(character) < 0x20 && !IsBlank(character)) || character == 0x7f;
  });
  if (has_controls) return Refuse("holds control characters");
  if (Trim(line).ends_with('\\') && Trim(line).find('#') == std::string_view::npos) {
    return Refuse("ends in a backslash; a line cannot be continued in the next");
  }
  return Splitter(line).Split();
}

}  // namespace conf
