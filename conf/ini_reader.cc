#include "conf/ini_reader.h"

#include <algorithm>

namespace conf {
namespace {

constexpr std::string_view kInclude = "%include";

bool IsBlank(char character) { return character == ' ' || character == '\t' || character == '\r' || character == '\n'; }

bool IsKeyCharacter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') ||
         std::string_view("_.*-").find(character) != std::string_view::npos;
}

class Reader {
 public:
  explicit Reader(const std::function<Parsed<std::string>(const std::string&)>& read_file) : read_file_(read_file) {}

  void Read(std::string_view text, const std::string& file, int depth) {
    int line = 0;
    while (!text.empty()) {
      const size_t end = text.find('\n');
      const std::string_view content = Trim(text.substr(0, end));
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
      ++line;
      if (content.empty() || content.front() == ';' || content.front() == '#') continue;
      if (content.front() == '[') {
        ReadHeader(content, file, line);
      } else if (content.front() == '%') {
        ReadInclude(content, file, line, depth);
      } else {
        ReadEntry(content, file, line);
      }
    }
  }

  IniDocument Take() && { return std::move(document_); }

 private:
  void Add(const std::string& file, int line, std::string text) {
    document_.mistakes.push_back({.file = file, .line = line, .text = std::move(text)});
  }

  void ReadHeader(std::string_view content, const std::string& file, int line) {
    if (content.find(']') != content.size() - 1) {
      // the keys that follow must not be taken for those of the section before
      in_unreadable_section_ = true;
      return Add(file, line, "a section header must be [name], alone on its line");
    }
    in_unreadable_section_ = false;
    document_.sections.push_back(
        {.name = std::string(Trim(content.substr(1, content.size() - 2))), .file = file, .line = line, .entries = {}});
  }

  void ReadInclude(std::string_view content, const std::string& file, int line, int depth) {
    const std::string_view rest = content.starts_with(kInclude) ? content.substr(kInclude.size()) : std::string_view();
    const std::string path(Trim(rest));
    if (path.empty() || !IsBlank(rest.front())) {
      return Add(file, line, "the only line that begins with % is: %include PATH");
    }
    // the path is part of every message about that file
    const auto is_control = [](char each) { return static_cast<unsigned char>(each) < 0x20 || each == 0x7f; };
    if (std::any_of(path.begin(), path.end(), is_control)) {
      return Add(file, line, "%include: the path must not hold control characters");
    }
    if (depth >= kMaxIncludeDepth) {
      return Add(file, line, "%include is nested more than " + std::to_string(kMaxIncludeDepth) +
                                 " deep; does a file include itself?");
    }
    if (++includes_ > kMaxIncludes) {
      if (includes_ == kMaxIncludes + 1) {
        Add(file, line, "more than " + std::to_string(kMaxIncludes) + " %include in all; put the files together");
      }
      return;
    }
    const auto text = read_file_(path);
    if (!text) return Add(file, line, "%include: " + text.error());
    Read(*text, path, depth + 1);
  }

  void ReadEntry(std::string_view content, const std::string& file, int line) {
    std::string_view rest = content;
    IniEntry entry{.key = "", .value = "", .file = file, .line = line};
    if (rest.front() == '\'' || rest.front() == '"') {
      const size_t close = rest.find(rest.front(), 1);
      if (close == std::string_view::npos) return Add(file, line, "the quotes around the key do not end");
      entry.key = rest.substr(1, close - 1);
      rest.remove_prefix(close + 1);
    } else {
      const auto* end = std::find_if_not(rest.begin(), rest.end(), IsKeyCharacter);
      entry.key = std::string_view(rest.begin(), static_cast<size_t>(end - rest.begin()));
      rest.remove_prefix(entry.key.size());
      if (entry.key.empty()) {
        return Add(file, line, "a line must be key = value, [section], %include PATH, or a comment that begins with ; or #");
      }
    }
    rest = Trim(rest);
    if (rest.empty() || rest.front() != '=') {
      return Add(file, line, "a line must be key = value: no = behind the key " + Quoted(entry.key) +
                                 " (a key with other characters than letters, digits and _.*- stands in quotes)");
    }
    entry.value = Trim(rest.substr(1));
    if (in_unreadable_section_) return;
    if (document_.sections.empty()) {
      return Add(file, line, "key " + Quoted(entry.key) + " stands before every section; put it under [pgbouncer]");
    }
    document_.sections.back().entries.push_back(std::move(entry));
  }

  const std::function<Parsed<std::string>(const std::string&)>& read_file_;
  IniDocument document_;
  int includes_ = 0;
  bool in_unreadable_section_ = false;
};

// Takes the value off the front of `rest`; what follows it is blank or nothing.
Parsed<std::string> TakeValue(const std::string& key, std::string_view& rest) {
  std::string value;
  if (rest.empty() || rest.front() != '\'') {
    const auto* end = std::find_if(rest.begin(), rest.end(), IsBlank);
    value = std::string_view(rest.begin(), static_cast<size_t>(end - rest.begin()));
    rest.remove_prefix(value.size());
    if (value.empty()) return Refuse("has no value for " + Quoted(key) + "; an empty one is written ''");
    return value;
  }
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != '\'') {
      value += rest[i];
    } else if (i + 1 < rest.size() && rest[i + 1] == '\'') {
      value += '\'';
      ++i;
    } else {
      rest.remove_prefix(i + 1);
      if (rest.empty() || IsBlank(rest.front())) return value;
      return Refuse("needs a blank behind the quoted value of " + Quoted(key) + "; a quote inside is written twice: ''");
    }
  }
  return Refuse("has a quote at " + Quoted(key) + " that does not end");
}

}  // namespace

IniDocument ReadIni(std::string_view text, const std::string& file,
                    const std::function<Parsed<std::string>(const std::string&)>& read_file) {
  Reader reader(read_file);
  reader.Read(text, file, 0);
  return std::move(reader).Take();
}

Parsed<std::vector<IniPair>> ParseConnectString(std::string_view text) {
  std::vector<IniPair> pairs;
  for (std::string_view rest = Trim(text); !rest.empty(); rest = Trim(rest)) {
    const auto* end = std::find_if(rest.begin(), rest.end(), [](char each) { return each == '=' || IsBlank(each); });
    IniPair pair;
    pair.key = std::string_view(rest.begin(), static_cast<size_t>(end - rest.begin()));
    rest = Trim(rest.substr(pair.key.size()));
    if (pair.key.empty() || rest.empty() || rest.front() != '=') {
      return Refuse("must be key=value key='value with blanks': a key or a = is missing in pair " +
                    std::to_string(pairs.size() + 1));
    }
    const bool has_blank = rest.size() > 1 && IsBlank(rest[1]);
    rest = Trim(rest.substr(1));
    const bool is_quoted = rest.starts_with('\'');
    auto value = TakeValue(pair.key, rest);
    if (!value) return Refuse(value.error());
    // "password= dbname=x" would otherwise make a password of the next pair
    if (has_blank && !is_quoted && value->find('=') != std::string::npos) {
      return Refuse("has no value for " + Quoted(pair.key) + "; an empty one is written ''");
    }
    pair.value = std::move(*value);
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace conf
