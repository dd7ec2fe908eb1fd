// The first bytes of a connection: SSLRequest, GSSENCRequest, CancelRequest, StartupMessage, or a direct TLS ClientHello.
//
// What: ParseStartup looks at the bytes that have arrived and says what they are, how many they were, or that more are
// needed. It never reads past `bytes` and never believes a length before it checked it.
// Threads: pure. Limits: kStartupBytesMax (PostgreSQL's MAX_STARTUP_PACKET_LENGTH is 10000; ours is the same).
// Source: PostgreSQL documentation, "Start-up", "Message Formats" (StartupMessage, CancelRequest: the key is 4 bytes in
// protocol 3.0 and 4 to 256 bytes from 3.2 on), "SSL Session Encryption".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/error_catalog.h"

namespace protocol {

inline constexpr size_t kStartupBytesMax = 10000;
inline constexpr size_t kStartupParametersMax = 256;
inline constexpr size_t kCancelKeyBytesMax = 256;
inline constexpr uint32_t kProtocol30 = 0x00030000;
inline constexpr uint32_t kProtocol32 = 0x00030002;
inline constexpr uint32_t kCancelRequestCode = 80877102;
inline constexpr uint32_t kSslRequestCode = 80877103;
inline constexpr uint32_t kGssEncRequestCode = 80877104;
inline constexpr uint32_t kProtocolNewest = kProtocol32;  // what pgweir speaks

enum class StartupKind : uint8_t {
  kIncomplete,  // more bytes needed
  kTlsHello,    // first byte 0x16: direct TLS, nothing consumed
  kSslRequest,
  kGssEncRequest,
  kCancelRequest,
  kStartup,
  kMalformed,   // error says why; the connection ends
};

// A physical one streams the whole server's WAL and names no database; a logical one belongs to its database and takes SQL too.
enum class Replication : uint8_t { kNone, kPhysical, kLogical };
std::string_view Name(Replication);          // the words of SHOW CLIENTS: none, physical, logical
std::string_view StartupValue(Replication);  // of the startup parameter `replication`; empty for none

struct StartupMessage {
  uint32_t version = 0;  // as asked by the client
  std::string user, database;     // database = user when absent
  Replication replication = Replication::kNone;
  std::string options;  // of a replication connection, as it came: it goes on to a server of its own, which will judge it
  // every other parameter except _pq_.*, in order, later ones win at the server; "options" already taken apart into them,
  // but for replication.
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<std::string> unknown_protocol_options;  // names that start with _pq_.
};

struct StartupResult {
  StartupKind kind = StartupKind::kIncomplete;
  size_t consumed = 0;      // bytes of this packet
  StartupMessage startup;   // kStartup
  uint32_t cancel_process_id = 0;  // kCancelRequest
  std::string cancel_key;          // kCancelRequest
  ErrorReport error;               // kMalformed
};

StartupResult ParseStartup(std::string_view bytes);

// Takes apart the startup parameter "options" as PostgreSQL's pg_split_opts and its switches do: "-c name=value",
// "-cname=value", "--name=value" with backslash escapes; '-' in a name becomes '_'. Any other switch is an
// error that names it (kUnsupportedStartupOption).
bool ParseOptions(std::string_view options, std::vector<std::pair<std::string, std::string>>& settings, std::string& bad_option);

// True when the client must be told what is really spoken: a minor version newer than ours, or unknown _pq_. options.
bool NeedsNegotiation(const StartupMessage&);
// NegotiateProtocolVersion: newest minor version we speak for that client, and the options we do not know.
void WriteNegotiateProtocolVersion(std::string& out, const StartupMessage&);
// The version in force afterwards: the smaller of what was asked and kProtocolNewest. 3.1 does not exist: it becomes 3.0.
uint32_t NegotiatedVersion(const StartupMessage&);

// A StartupMessage toward a server: protocol 3.0, user, database, then the settings.
void WriteStartup(std::string& out, std::string_view user, std::string_view database,
                  const std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace protocol
