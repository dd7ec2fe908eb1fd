// Loads configurations from texts and maps, without the disk and without the process's environment.
// Threads: one. Ownership: the maps live as long as the object; a Load borrows them for its length.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "conf/loader.h"

namespace conf {

class Loading {
 public:
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> environment;
  std::vector<std::pair<std::string, std::string>> command_line;
  std::string file = "pgweir.toml";

  LoadOptions Options() const {
    LoadOptions options;
    options.file = file;
    options.environment = [this](const char* name) {
      const auto found = environment.find(name);
      return found == environment.end() ? nullptr : found->second.c_str();
    };
    for (const auto& [name, value] : environment) options.environment_names.push_back(name);
    options.command_line = command_line;
    options.read_file = [this](const std::string& path) -> tl::expected<std::string, std::string> {
      const auto found = files.find(path);
      if (found == files.end()) return tl::unexpected("cannot read '" + path + "'");
      return found->second;
    };
    return options;
  }

  LoadResult Text(const std::string& text) const { return LoadText(text, Options()); }
  LoadResult Environment() {
    file.clear();
    return Load(Options());
  }
};

// A minimum that loads, with lines for [pgweir] (from line 2 on) put in; `rest` follows behind.
inline std::string With(const std::string& global, const std::string& rest = "") {
  return "[pgweir]\n" + global + "\n[databases.shop]\nhost = \"db\"\n[users.app]\npassword = \"hunter2\"\n" + rest;
}

inline std::vector<std::string> Mistakes(const LoadResult& result) {
  std::vector<std::string> lines;
  if (!result) {
    for (const Mistake& mistake : result.error()) lines.push_back(mistake.ToString());
  }
  return lines;
}

inline std::string SourceOf(const Config& config, const std::string& key) {
  for (const KeyRow& row : config.rows) {
    if (row.key == key) return row.value + " from " + row.source;
  }
  return "no row";
}

}  // namespace conf
