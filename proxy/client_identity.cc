// Client: how it may log in by auth_hba_file, and who it is where that needs no password (cert, peer, the console's owner).
#include <unistd.h>

#include <algorithm>

#include "conf/hba.h"
#include "conf/ident.h"
#include "proxy/auth_query.h"
#include "proxy/client.h"
#include "proxy/peer_identity.h"
#include "proxy/worker.h"

namespace proxy {
namespace {

// PostgreSQL's words for a login that its pg_hba.conf does not let in.
std::string Describe(const conf::HbaLogin& login, const std::string& address) {
  const std::string database = login.is_physical_replication ? "" : "database \"" + std::string(login.database) + "\", ";
  return "host \"" + (login.is_local ? "[local]" : address) + "\", user \"" + std::string(login.user) + "\", " + database + (login.is_encrypted ? "SSL encryption" : "no encryption");
}

// For the log; a certificate may hold hundreds.
std::string Join(const std::vector<std::string>& names) {
  constexpr size_t kShownBytesMax = 200;
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return text.size() > kShownBytesMax ? text.substr(0, kShownBytesMax) + "..." : text;
}

// The empty text when one of the identities is the user's, else why not.
std::string FaultOf(const std::vector<std::string>& identities, const PendingLogin& login, const std::string& user, const std::string& who) {
  if (conf::IsUser(identities, login.map, login.runtime->config->ident.get(), user)) return "";
  return who + Join(identities) + ", which is not this user" + (login.map.empty() ? "" : " by the map '" + login.map + "'");
}

std::string CertificateFault(const TlsStream* tls, const PendingLogin& login, const std::string& user) {
  if (tls == nullptr) return "the connection is not encrypted, so that there is no certificate";
  const std::vector<std::string> names = tls->PeerNames();
  if (names.empty()) return "the client sent no certificate with a name in it";
  return FaultOf(names, login, user, "the certificate is of ");
}

}  // namespace

// As in PgBouncer, and only for its configuration: whoever may stop the process may also run its console.
bool Client::IsOwnerAtConsole() const {
  if (!worker_->config().owner_is_admin || !IsConsoleDatabase() || user_ != "pgbouncer" || peer_ != PeerKind::kUnix) return false;
  return UidOfPeer(socket_->fd()) == geteuid();
}

bool Client::ChooseMethod() {
  const conf::Config& config = *login_->runtime->config;
  login_->method = config.global.auth_type;
  login_->pam_service = config.global.pam_service;
  login_->ldap = &config.global.auth_ldap_options;
  if (login_->method != conf::AuthType::kHba) return true;
  conf::HbaLogin login{.is_local = peer_ == PeerKind::kUnix, .is_encrypted = socket_->tls() != nullptr, .user = user_, .database = database_};
  login.is_physical_replication = replication_ && replication_->kind() == protocol::Replication::kPhysical;
  const conf::HbaRule* rule = nullptr;
  if (const auto& address = address_.ip(); address && !login.is_local) {
    login.is_v6 = address->is_v6;
    std::copy(std::begin(address->bytes), std::end(address->bytes), login.address);
    rule = config.hba->Find(login);
  } else if (login.is_local) {
    rule = config.hba->Find(login);
  }
  if (rule != nullptr && rule->method != conf::AuthType::kReject) {
    login_->method = rule->method;
    login_->map = rule->map;
    if (!rule->pam_service.empty()) login_->pam_service = rule->pam_service;
    if (rule->ldap) login_->ldap = &*rule->ldap;
    return true;
  }
  const std::string cause = rule == nullptr ? "no line of auth_hba_file fits" : "rejected by " + rule->file + ":" + std::to_string(rule->line);
  LogRefusedLogin(cause);
  const std::string who = Describe(login, address_.Name().address);
  auto report = protocol::MakeError(rule == nullptr ? protocol::ErrorCode::kNoHbaEntry : protocol::ErrorCode::kHbaRejected, who);
  if (login.is_physical_replication) {  // PostgreSQL has words of its own for it
    report.message = (rule == nullptr ? "no pg_hba.conf entry for replication connection from " : "pg_hba.conf rejects replication connection for ") + who;
  }
  Fatal(report);
  return false;
}

void Client::LookUp() {
  const auto take = [](Client& client, const LookedUp& found) {
    switch (found.kind) {
      case LookedUp::Kind::kFound: client.login_->secret = found.secret.Reveal(); break;
      case LookedUp::Kind::kUnknown: break;  // goes on like everybody, and fails at the end
      case LookedUp::Kind::kTooMany: return client.TooBusy("too many users are being looked up");
      case LookedUp::Kind::kDown:
      case LookedUp::Kind::kFailed:
        client.LogRefusedLogin(found.remark);
        return client.Fatal(protocol::MakeError(found.kind == LookedUp::Kind::kDown ? protocol::ErrorCode::kLookupDown : protocol::ErrorCode::kLookupFailed));
    }
    client.login_->looked_up = found.from;
    client.OnSecretKnown();
  };
  AuthQuery& auth_query = *worker_->shared().auth_query;
  if (const auto known = auth_query.Find(database_, user_)) return take(*this, *known);
  auth_query.LookUp(database_, user_, [worker = worker_, id = id_, take](const LookedUp& found) {
    worker->Post([worker, id, take, found] {
      Client* client = worker->FindClient(id);
      if (client == nullptr || client->state_ != ClientState::kLogin || client->login_->exchange) return;
      take(*client, found);
      client->RunPending();
    });
  });
}

void Client::Identify() {
  if (login_->method == conf::AuthType::kCert) {
    login_->identity_fault = CertificateFault(socket_->tls(), *login_, user_);
    return BeginExchange(std::nullopt);
  }
  const auto uid = peer_ == PeerKind::kUnix ? UidOfPeer(socket_->fd()) : std::nullopt;
  if (!uid) {
    login_->identity_fault = "the connection did not come by the Unix socket";
    return BeginExchange(std::nullopt);
  }
  // The name may have to come over the network, so a helper thread asks.
  const bool queued = worker_->shared().helpers.Run([worker = worker_, id = id_, uid = *uid] {
    worker->Post([worker, id, name = NameOfUid(uid)] {
      if (Client* client = worker->FindClient(id)) client->OnPeerUser(name);
    });
  });
  if (!queued) TooBusy("too many name lookups in progress");
}

void Client::OnPeerUser(const tl::expected<std::string, std::string>& name) {
  if (state_ != ClientState::kLogin || !login_ || login_->exchange) return;
  login_->identity_fault = name ? FaultOf({*name}, *login_, user_, "the peer is the system's user ") : name.error();
  BeginExchange(std::nullopt);
  RunPending();
}

}  // namespace proxy
