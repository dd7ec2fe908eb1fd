// A login that is under way: what the client asked for, how it is let in, and who it is.
//
// What: plain values, from the startup message to the welcome. Threads: the worker of the client; `exchange` is shared with a
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
#include "proxy/shared.h"

namespace proxy {

struct PendingLogin {
  protocol::StartupMessage startup;
  conf::AuthType method = conf::AuthType::kReject;  // of auth_type, or of the line of auth_hba_file that fits
  std::string map;                                  // of that line
  std::string identity_fault = "nobody has looked who it is";  // cert and peer: why it is not this user; empty = it is
  std::shared_ptr<protocol::ClientLogin> exchange;
  bool step_runs = false;
  std::optional<std::string> secret;
  RuntimeRef runtime;                       // keeps `section` alive over a reload
  const conf::Database* section = nullptr;  // nullptr: unknown database, told after authentication
  std::vector<protocol::Setting> wanted;    // startup values to prove and to follow
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
