#include "conf/draft.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "conf/apply_ini.h"
#include "conf/units.h"

namespace conf {

std::string Origin::ToText() const {
  switch (source) {
    case Source::kFile: return place + ":" + std::to_string(line);
    case Source::kEnvironment: return place;
    case Source::kDefault:
    case Source::kCommandLine:
    case Source::kConsole: break;
  }
  return std::string(Name(source));
}

Draft::Draft(const LoadOptions& options) : options_(options) {
  config.file = options.file;
  defaults = DefaultGlobal();
  config.global = defaults;
}

Parsed<std::string> Draft::Read(const std::string& path) const {
  return options_.read_file ? options_.read_file(path) : ReadFile(path);
}

void Draft::Add(const Origin& origin, std::string text) {
  mistakes_.push_back({.file = origin.place, .line = origin.line, .text = std::move(text)});
}

void Draft::AddAll(std::vector<Mistake> mistakes) {
  std::move(mistakes.begin(), mistakes.end(), std::back_inserter(mistakes_));
}

std::vector<Mistake> Draft::TakeMistakes() && {
  const std::string& main_file = options_.file;
  std::stable_sort(mistakes_.begin(), mistakes_.end(), [&main_file](const Mistake& left, const Mistake& right) {
    return std::tuple(left.file != main_file, std::string_view(left.file), left.line) <
           std::tuple(right.file != main_file, std::string_view(right.file), right.line);
  });
  return std::move(mistakes_);
}

Origin Draft::OriginOf(const Address& address) const {
  const auto& [group, name, key] = address;
  for (const Address& candidate : {address, Address(group, name, "")}) {
    const auto found = origins_.find(candidate);
    if (found != origins_.end()) return found->second;
  }
  if (!options_.file.empty()) return {.source = Source::kFile, .place = options_.file};
  return {.source = Source::kEnvironment, .place = "environment"};
}

void Draft::ForgetOrigins(const std::string& group, const std::string& name) {
  std::erase_if(origins_, [&](const auto& origin) {
    return std::get<0>(origin.first) == group && std::get<1>(origin.first) == name;
  });
}

bool Draft::UseFiles(std::string_view key, FileUse use, Value& value, const Origin& origin) {
  if (use == FileUse::kNone) return true;
  std::string path;
  if (const auto* plain = std::get_if<PlainText>(&value)) path = plain->text;
  if (const auto* text = std::get_if<std::string>(&value)) path = *text;
  if (use == FileUse::kReadableOrWord && (path == "auto" || path == "none")) return true;
  if (path.empty()) {
    // "no file" is the default of every key of a path, but a password cannot come from none
    if (use != FileUse::kContent) return true;
    Add(origin, std::string(key) + " must be a path in quotes");
    return false;
  }
  if (origin.source == Source::kFile && path.front() != '/') {
    std::error_code no_working_folder;
    path = IsIniFile(options_.file) ? std::filesystem::absolute(path, no_working_folder).string()
                                    : (std::filesystem::path(options_.file).parent_path() / path).string();
  }
  if (use != FileUse::kPath) {
    auto content = Read(path);
    if (!content) {
      Add(origin, std::string(key) + ": " + content.error());
      return false;
    }
    if (use == FileUse::kContent) path = std::string(StripLineEnd(*content));
  }
  value = PlainText{std::move(path)};
  return true;
}

std::string NameFault(std::string_view name, size_t longest) {
  if (name.empty()) return "must not be empty";
  if (name.size() > longest) return "must not be longer than " + std::to_string(longest) + " bytes";
  const bool has_controls = std::any_of(name.begin(), name.end(), [](char character) {
    return static_cast<unsigned char>(character) < 0x20 || character == 0x7f;
  });
  return has_controls ? "must not hold control characters" : "";
}

}  // namespace conf
