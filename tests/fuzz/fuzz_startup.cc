// The first bytes of a connection, and the body of an error: ParseStartup, ParseOptions, ParseErrorFields.
#include "protocol/startup.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;

void CheckMessage(const StartupMessage& message) {
  Require(!message.user.empty() && !message.database.empty());
  Require(message.settings.size() <= kStartupParametersMax);
  const bool replicates = message.replication != Replication::kNone;
  Require(replicates == !StartupValue(message.replication).empty());
  Require(replicates || message.options.empty());
  std::string negotiation;
  WriteNegotiateProtocolVersion(negotiation, message);
  Require(NegotiatedVersion(message) <= kProtocolNewest);

  // What pgweir writes for a server is a startup packet that says the same.
  std::string written;
  WriteStartup(written, message.user, message.database, {});
  const StartupResult again = ParseStartup(written);
  if (written.size() > kStartupBytesMax) return;
  Require(again.kind == StartupKind::kStartup && again.consumed == written.size());
  Require(again.startup.user == message.user && again.startup.database == message.database);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const StartupResult result = ParseStartup(bytes);
  Require(result.consumed <= bytes.size());
  Require((result.kind == StartupKind::kMalformed) == !result.error.message.empty());
  if (result.kind == StartupKind::kStartup) CheckMessage(result.startup);
  if (result.kind == StartupKind::kCancelRequest) {
    Require(result.cancel_key.size() >= 4 && result.cancel_key.size() <= kCancelKeyBytesMax);
  }

  std::vector<std::pair<std::string, std::string>> settings;
  std::string bad_option;
  ParseOptions(bytes, settings, bad_option);
  for (const auto& [name, value] : settings) Require(!name.empty());

  const ErrorFields fields = ParseErrorFields(bytes);
  Require(fields.sqlstate.empty() || fields.sqlstate.size() == 5);
  return 0;
}
