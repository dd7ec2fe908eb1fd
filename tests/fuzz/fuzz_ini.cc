// Fuzzes pgbouncer.ini: grammar, includes, connection strings, the keys, and that convert's TOML loads to the same Config.
// No file of the machine is touched: read_file is answered here, and an included file is the input itself again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "conf/convert.h"
#include "conf/ini_reader.h"
#include "conf/loader.h"
#include "tests/fuzz/mistakes.h"

namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char each) { return static_cast<unsigned char>(each) < 0x80; });
}

void FuzzLoad(std::string_view text) {
  conf::LoadOptions options;
  options.file = "fuzz.ini";
  options.read_file = [text](const std::string& path) -> tl::expected<std::string, std::string> {
    if (path.ends_with("again.ini")) return std::string(text);
    if (path.ends_with("hba")) return std::string("local all all peer map=m\nhost all all all md5\n");
    if (path.ends_with("ident")) return std::string("m root app\n");
    return "\"user\" \"secret\"\n";
  };
  const auto loaded = conf::LoadText(text, options);
  if (!loaded) return RequireLines(loaded.error());
  const conf::Config& config = **loaded;
  Require(!config.databases.empty());
  for (const auto& [name, database] : config.databases) {
    Require(!database.hosts.empty() && config.ResolvePool(database, "user").pool_size >= 1);
  }
  for (const std::string& note : config.notes) Require(note.find('\n') == std::string::npos);
  // it was compared already; only bytes that are not UTF-8 may stand in the way
  Require(conf::ToToml(config, options).has_value() || !IsAscii(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)conf::ParseConnectString(text);
  FuzzLoad(text);
  return 0;
}
