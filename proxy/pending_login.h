// A login that is under way: what the client asked for, how it is let in, and who it is.
//
// What: plain values, from the startup message (of a refused one from its arrival) to the welcome. Threads: the worker of the client; `exchange` is shared with a
// helper thread while a slow step runs there. Ownership: the client's, which drops it when it is logged in or closing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "protocol/client_login.h"
#include "protocol/error_catalog.h"
#include "protocol/scram.h"
#include "protocol/session_settings.h"
#include "protocol/startup.h"
#include "proxy/auth_query.h"
#include "proxy/backend_pool.h"
#include "proxy/shared.h"

namespace proxy {

// How long a connection that its address may not have is heard: an error before its first words would not be understood.
inline constexpr pool::Duration kRefusedWait{3'000'000};

struct PendingLogin {
  std::optional<protocol::ErrorReport> refusal;  // its address may not have it: for its startup message
  uint32_t protocol_version = protocol::kProtocol30;  // as negotiated
  std::string options;  // of a replication connection, see StartupMessage
  conf::AuthType method = conf::AuthType::kReject;  // of auth_type, or of the line of auth_hba_file that fits
  std::string map;                                  // of that line
  std::string pam_service;                          // of that line, or of the configuration
  const conf::LdapOptions* ldap = nullptr;          // the same; belongs to `runtime`
  std::optional<std::string> identity_fault;        // cert and peer: see FaultUnasked
  std::string fault;                                // of a login in which nothing is asked
  std::shared_ptr<protocol::ClientLogin> exchange;  // of all others
  bool step_runs = false;
  std::optional<std::string> secret;
  std::optional<LookedUp::From> looked_up;  // where the secret is from; nullopt: the configuration
  RuntimeRef runtime;                       // keeps `section` alive over a reload
  const conf::Database* section = nullptr;  // nullptr: unknown database, told after authentication
  std::vector<protocol::Setting> wanted;    // startup values to prove and to follow, Canonical

  const std::string& why() const { return exchange ? exchange->why() : fault; }

  // What was proven, for servers. A secret of auth_query that opens them is as good as one of the configuration, which the pool has by
  // itself.
  void OfferTo(BackendPool& pool) const {
    const bool opens = looked_up && secret && protocol::KindOf(*secret) != protocol::SecretKind::kScram;
    if (exchange) pool.OfferCredentials(exchange->scram_keys(), opens ? *secret : exchange->cleartext());
    else if (opens) pool.OfferCredentials(std::nullopt, *secret);
  }

  // Somebody else says whether the password is right, and knows the users.
  bool IsOutside() const { return method == conf::AuthType::kPam || method == conf::AuthType::kLdap; }

  // With md5, too, a secret that is a SCRAM verifier leaves no other way.
  bool UsesSasl() const {
    if (method == conf::AuthType::kScramSha256) return true;
    return method == conf::AuthType::kMd5 && secret && protocol::KindOf(*secret) == protocol::SecretKind::kScram;
  }
};

// Why a client ends, or is refused, for the log.
struct LastWords {
  std::string_view reason;
  const protocol::ErrorReport* report = nullptr;  // what we have told it
  bool by_sasl = false;                           // its login
};

}  // namespace proxy
