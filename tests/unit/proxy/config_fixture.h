// A configuration from a TOML text, without the disk and the environment of the test.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "conf/loader.h"

namespace proxy {

inline std::shared_ptr<const conf::Config> ConfigOf(const std::string& toml, const std::string& user_list = "") {
  conf::LoadOptions options;
  options.file = "test.toml";
  options.environment = [](const char*) -> const char* { return nullptr; };
  options.read_file = [&user_list](const std::string&) -> tl::expected<std::string, std::string> { return user_list; };
  auto loaded = conf::LoadText(toml, options);
  if (!loaded) throw std::runtime_error(loaded.error().at(0).ToString());
  return *loaded;
}

}  // namespace proxy
