#include "conf/toml_reader.h"

#include <toml++/toml.h>

#include <algorithm>

namespace conf {
namespace {

int LineOf(const toml::source_region& source) { return static_cast<int>(source.begin.line); }

Value ArrayValue(const toml::array& array) {
  std::vector<std::string> items;
  for (const toml::node& item : array) {
    const auto* text = item.as_string();
    if (text == nullptr) return Unusable{"a list of something else than texts in quotes"};
    items.push_back(text->get());
  }
  return items;
}

Value ValueOf(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* fraction = node.as_floating_point()) return fraction->get();
  if (const auto* truth = node.as_boolean()) return truth->get();
  if (const auto* array = node.as_array()) return ArrayValue(*array);
  if (node.is_table()) return Unusable{"a section"};
  return Unusable{"a date or time"};
}

std::vector<Entry> EntriesOf(const toml::table& table) {
  std::vector<Entry> entries;
  for (const auto& [key, node] : table) {
    entries.push_back({.key = std::string(key.str()), .value = ValueOf(node), .line = LineOf(key.source())});
  }
  // toml++ sorts by name; mistakes read best from top to bottom
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& left, const Entry& right) { return left.line < right.line; });
  return entries;
}

void AddGroup(Document& document, const std::string& group, const toml::table& table) {
  for (const auto& [key, node] : table) {
    const int line = LineOf(key.source());
    if (const auto* section = node.as_table()) {
      document.sections.push_back(
          {.group = group, .name = std::string(key.str()), .line = line, .entries = EntriesOf(*section)});
    } else {
      document.strays.push_back({.key = group + "." + std::string(key.str()), .value = ValueOf(node), .line = line});
    }
  }
}

std::string_view LineText(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// toml++ quotes pieces of what it could not read. Near a password that piece may be one; the line before counts too,
// since the parser may notice an open quote only at the next line.
bool MayQuoteSecret(std::string_view text, int line) {
  return LineText(text, line).find("password") != std::string_view::npos ||
         (line > 1 && LineText(text, line - 1).find("password") != std::string_view::npos);
}

Mistake SyntaxMistake(std::string_view text, const std::string& file, const toml::parse_error& error) {
  Mistake mistake{.file = file, .line = LineOf(error.source()), .text = "not valid TOML: "};
  if (MayQuoteSecret(text, mistake.line)) {
    mistake.text += "look at the quotes around the value of this line or the one before";
  } else {
    mistake.text += error.description();
  }
  std::replace_if(
      mistake.text.begin(), mistake.text.end(),
      [](char character) { return static_cast<unsigned char>(character) < 0x20 || character == 0x7f; }, ' ');
  return mistake;
}

}  // namespace

tl::expected<Document, Mistake> ReadToml(std::string_view text, const std::string& file) {
  Document document;
  try {
    const toml::table root = toml::parse(text, file);
    for (const auto& [key, node] : root) {
      const std::string group(key.str());
      const int line = LineOf(key.source());
      const auto* table = node.as_table();
      if (table == nullptr) {
        document.strays.push_back({.key = group, .value = ValueOf(node), .line = line});
      } else if (group == "databases" || group == "users" || group == "peers") {
        AddGroup(document, group, *table);
      } else if (group == "pgweir") {
        document.sections.push_back({.group = group, .name = "", .line = line, .entries = EntriesOf(*table)});
      } else {
        document.sections.push_back({.group = group, .name = "", .line = line, .entries = {}});
      }
    }
  } catch (const toml::parse_error& error) {
    return tl::unexpected(SyntaxMistake(text, file, error));
  }
  return document;
}

}  // namespace conf
