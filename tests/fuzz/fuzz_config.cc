// Fuzzes every reader of conf/: TOML, the user list, DATABASE_URL and the units. The first byte chooses the reader.
// No file of the machine is touched: read_file is answered here.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "conf/database_url.h"
#include "conf/hosts.h"
#include "conf/keys.h"
#include "conf/loader.h"
#include "conf/units.h"
#include "conf/user_list.h"
#include "tests/fuzz/mistakes.h"

namespace {

conf::LoadOptions Options() {
  conf::LoadOptions options;
  options.file = "fuzz.toml";
  options.read_file = [](const std::string&) -> tl::expected<std::string, std::string> {
    return "\"user\" \"secret\"\n";
  };
  return options;
}

void FuzzToml(std::string_view text) {
  const auto loaded = conf::LoadText(text, Options());
  if (!loaded) return RequireLines(loaded.error());
  const conf::Config& config = **loaded;
  Require(!config.databases.empty());
  Require(conf::Differences(config, config).empty());
  for (const auto& key : conf::GlobalKeys()) {
    // what SHOW CONFIG prints is accepted again and means the same
    conf::Global again = config.global;
    const std::string text_of_key = key.get(config.global).value_or("");
    Require(key.set(again, conf::PlainText{text_of_key}).has_value());
    Require(key.get(again) == text_of_key);
  }
  for (const auto& [name, database] : config.databases) {
    const auto pool = config.ResolvePool(database, "user");
    Require(pool.pool_size >= 1 && pool.min_pool_size <= pool.pool_size && !database.hosts.empty());
  }
}

void FuzzUrl(std::string_view text) {
  const auto url = conf::ParseDatabaseUrl(text);
  if (!url) return;
  Require(!url->hosts.empty() && !url->dbname.empty());
  for (const conf::Host& host : url->hosts) Require(host.port != 0 && !host.name.empty());
}

void FuzzUnits(std::string_view text) {
  if (const auto duration = conf::ParseDuration(text)) {
    Require(conf::ParseDuration(conf::FormatDuration(*duration)) == *duration);
  }
  if (const auto range = conf::ParseAddressRange(text)) {
    Require(conf::ParseAddressRange(conf::FormatAddressRange(*range)) == *range);
  }
  if (const auto mode = conf::ParseOctalMode(text)) Require(conf::ParseOctalMode(conf::FormatOctalMode(*mode)) == *mode);
  if (const auto fraction = conf::ParseFraction(text)) Require(conf::ParseFraction(conf::FormatFraction(*fraction)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'U': (void)conf::ParseUserList(text, "userlist.txt"); break;
    case 'D': FuzzUrl(text); break;
    case 'V': FuzzUnits(text); break;
    default: FuzzToml(text); break;
  }
  return 0;
}
