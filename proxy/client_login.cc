// Client, from its first byte to its welcome.
#include <algorithm>
#include <functional>

#include "protocol/message_writer.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/worker.h"

namespace proxy {
namespace {

constexpr size_t kWelcomeBytes = 1024;  // most fit into it
constexpr const char* kPhysicalNeedsName =
    "A physical replication client names no database to PostgreSQL, but the server to pgweir; PostgreSQL's own programs say \"replication\": "
    "give [databases] an entry of that name.";

protocol::LoginMethod MethodOf(conf::AuthType type) {
  switch (type) {
    case conf::AuthType::kTrust: return protocol::LoginMethod::kTrust;
    case conf::AuthType::kPassword: return protocol::LoginMethod::kPassword;
    case conf::AuthType::kMd5: return protocol::LoginMethod::kMd5;
    case conf::AuthType::kScramSha256: return protocol::LoginMethod::kScramSha256;
    case conf::AuthType::kCert: return protocol::LoginMethod::kCert;
    case conf::AuthType::kPeer: return protocol::LoginMethod::kPeer;
    case conf::AuthType::kPam:
    case conf::AuthType::kLdap: return protocol::LoginMethod::kOutside;
    case conf::AuthType::kAny: return protocol::LoginMethod::kAny;
    case conf::AuthType::kHba:
    case conf::AuthType::kReject: break;  // ChooseMethod has left neither
  }
  return protocol::LoginMethod::kScramSha256;
}

protocol::ErrorCode RefusalOf(conf::AuthType method) {
  switch (method) {
    case conf::AuthType::kCert: return protocol::ErrorCode::kCertificateFailed;
    case conf::AuthType::kPeer: return protocol::ErrorCode::kPeerFailed;
    case conf::AuthType::kPam: return protocol::ErrorCode::kPamFailed;
    case conf::AuthType::kLdap: return protocol::ErrorCode::kLdapFailed;
    default: return protocol::ErrorCode::kPasswordFailed;
  }
}

// As in PgBouncer, auth_type = any lets everybody look.
ConsoleAccess AccessOf(const std::string& user, conf::AuthType method, const conf::Config& config) {
  if (config.IsAdmin(user)) return ConsoleAccess::kAdmin;
  return config.IsStats(user) || method == conf::AuthType::kAny ? ConsoleAccess::kStats : ConsoleAccess::kNone;
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Decided once, at login: neither SET application_name nor a reload moves a client to another flow.
pool::FlowKey FlowOf(conf::QueueFlow by, const std::string& user, const std::vector<protocol::Setting>& wanted,
                     const ClientAddress& address) {
  std::string_view name;
  std::string from;
  switch (by) {
    case conf::QueueFlow::kUser: name = user; break;
    case conf::QueueFlow::kAddress: name = from = address.Name().address; break;
    case conf::QueueFlow::kApplication:
      for (const auto& [key, value] : wanted) {
        if (key == "application_name") name = value;
      }
      break;
  }
  const uint64_t hash = std::hash<std::string_view>()(name);
  return static_cast<pool::FlowKey>(hash ^ hash >> 32);
}

}  // namespace

// --- before the startup message ------------------------------------------------------------------------------------------

bool Client::OffersTls() const { return worker_->runtime()->client_tls != nullptr && peer_ == PeerKind::kTcp; }

size_t Client::StartupInput(std::string_view chunk) {
  protocol::StartupResult result = protocol::ParseStartup(chunk);
  switch (result.kind) {
    case protocol::StartupKind::kIncomplete: return 0;
    case protocol::StartupKind::kTlsHello:
      if (socket_->tls() == nullptr && !OffersTls()) Close("direct TLS, but client_tls_sslmode is disable");
      else ProtocolError("TLS inside of TLS");
      return 0;
    case protocol::StartupKind::kSslRequest: OnSslRequest(chunk.substr(result.consumed)); return result.consumed;
    case protocol::StartupKind::kGssEncRequest: SendBytes("N"); return result.consumed;
    case protocol::StartupKind::kCancelRequest:
      OnCancelMessage({result.cancel_process_id, std::move(result.cancel_key)});
      return result.consumed;
    case protocol::StartupKind::kStartup: OnStartup(std::move(result.startup)); return result.consumed;
    case protocol::StartupKind::kMalformed:
      // Nobody listens behind a cancel request: it ends without a word, as PostgreSQL does.
      if (chunk.size() >= 8 && protocol::ReadUint32(chunk.data() + 4) == protocol::kCancelRequestCode) Close("malformed cancel request");
      else Fatal(result.error);
      return 0;
  }
  return 0;
}

void Client::OnSslRequest(std::string_view rest) {
  if (socket_->tls() != nullptr) return ProtocolError("SSLRequest inside of TLS");
  if (IsRefusedBeforeTls()) return Fatal(*login_->refusal);
  if (!OffersTls()) {
    SendBytes("N");
    return;
  }
  // What arrived in clear behind the request could have been put there by anyone.
  if (!rest.empty()) return Fatal(protocol::MakeError(protocol::ErrorCode::kClearAfterTls));
  if (SendBytes("S")) StartTls(false);
}

void Client::StartTls(bool direct) {
  state_ = ClientState::kTls;
  socket_->StartTls(TlsStream::Accept(*worker_->runtime()->client_tls, socket_->fd(), direct));
  ContinueTls();
}

void Client::ContinueTls() {
  switch (socket_->Handshake()) {
    case IoStatus::kOk: state_ = ClientState::kStartup; return;
    case IoStatus::kEof: return Close("closed during the TLS handshake");
    case IoStatus::kError:
      Log(Level::kInfo, "client_tls_failed", {{"client", id_}, {"cause", socket_->tls()->error_text()}});
      return Close("TLS handshake failed");
    default: return;
  }
}

// --- startup message -----------------------------------------------------------------------------------------------------

bool Client::IsConsoleDatabase() const { return conf::IsConsoleName(database_); }

void Client::OnStartup(protocol::StartupMessage&& startup) {
  using protocol::ErrorCode;
  const conf::Global& global = worker_->config().global;
  user_ = std::move(startup.user);
  database_ = std::move(startup.database);
  if (login_ && login_->refusal) return Fatal(*login_->refusal);
  login_ = std::make_unique<PendingLogin>();
  login_->runtime = worker_->runtime();
  login_->protocol_version = protocol::NegotiatedVersion(startup);
  login_->options = std::move(startup.options);
  const TlsContext* tls = login_->runtime->client_tls.get();
  const bool needs_tls = tls != nullptr && tls->mode() >= conf::TlsMode::kRequire;
  if (needs_tls && socket_->tls() == nullptr && peer_ == PeerKind::kTcp) return Fatal(protocol::MakeError(ErrorCode::kTlsRequired));
  if (Contains(global.reject_users, user_) || address_.IsIn(global.reject_addresses)) {
    return Fatal(protocol::MakeError(ErrorCode::kRejected, user_));
  }
  if (startup.replication != protocol::Replication::kNone) {
    if (IsConsoleDatabase()) return Fatal(protocol::MakeError(ErrorCode::kConsoleUnsupported, "the console has nothing to replicate"));
    replication_ = std::make_unique<ReplicationSession>(startup.replication);
  }
  if (!IsConsoleDatabase()) {
    counted_ = true;
    const int clients = worker_->shared().clients.fetch_add(1, std::memory_order_relaxed) + 1;
    if (clients > global.max_client_conn) {
      return Fatal(protocol::MakeError(ErrorCode::kTooManyClients, std::to_string(global.max_client_conn)));
    }
    login_->section = login_->runtime->config->FindDatabase(database_);
  }
  // The console sets none of them anywhere: it shows its client's application_name.
  if (!IsConsoleDatabase() && !global.ignore_startup_parameters.empty()) {
    std::erase_if(startup.settings, [&](const auto& setting) { return Contains(global.ignore_startup_parameters, setting.first); });
  }
  // Given twice, the last one counts (options come first); each name once, so that what the server makes of it is its own.
  login_->wanted = protocol::Canonical(std::move(startup.settings));
  if (login_->wanted.size() > protocol::kSettingsMax) {
    return Fatal(protocol::MakeError(ErrorCode::kUnsupportedStartupParameter, login_->wanted.back().first,
                                     "at most " + std::to_string(protocol::kSettingsMax) + " startup parameters"));
  }
  if (protocol::NeedsNegotiation(startup)) {
    std::string bytes;
    protocol::WriteNegotiateProtocolVersion(bytes, startup);
    if (!SendBytes(bytes)) return;
  }
  state_ = ClientState::kLogin;
  StartLogin();
}

// --- authentication ------------------------------------------------------------------------------------------------------

void Client::StartLogin() {
  LogLoginAttempt();
  if (IsOwnerAtConsole()) {
    Log(Level::kInfo, "console_owner", {{"client", id_}, {"user", user_}});
    return EnterConsole(ConsoleAccess::kAdmin);
  }
  if (!ChooseMethod()) return;
  if (login_->IsOutside()) return BeginExchange(std::nullopt);
  if (const conf::Secret* secret = login_->runtime->config->FindSecret(user_)) login_->secret = secret->Reveal();
  else if (login_->method != conf::AuthType::kAny) return LookUp();
  OnSecretKnown();
}

void Client::OnSecretKnown() {
  if (login_->method == conf::AuthType::kCert || login_->method == conf::AuthType::kPeer) return Identify();
  const auto method = MethodOf(login_->method);
  if (!protocol::ClientLogin::NeedsDerivation(method, login_->secret)) return BeginExchange(std::nullopt);
  const int iterations = login_->runtime->config->global.scram_iterations;
  if (auto known = worker_->shared().verifiers.Find(user_, *login_->secret, iterations)) return BeginExchange(std::move(known));
  const bool queued = worker_->shared().helpers.Run(
      [worker = worker_, id = id_, user = user_, secret = *login_->secret, iterations, salt = RandomBytes(16)] {
        const auto verifier = protocol::VerifierOf(protocol::DeriveKeys(protocol::PreparePassword(secret), salt, iterations));
        worker->shared().verifiers.Put(user, secret, verifier);
        worker->Post([worker, id, verifier] {
          Client* client = worker->FindClient(id);
          if (client == nullptr || client->state_ != ClientState::kLogin || client->login_->exchange) return;
          client->BeginExchange(verifier);
        });
      });
  if (!queued) TooBusy("too many password hashes in progress");
}

void Client::TooBusy(std::string cause) {
  const int limit = worker_->config().global.max_client_conn;
  Fatal(protocol::MakeError(protocol::ErrorCode::kTooManyClients, std::to_string(limit), std::move(cause)));
}

void Client::BeginExchange(std::optional<protocol::ScramVerifier> derived) {
  using Step = protocol::ClientLogin::Step;
  const auto method = MethodOf(login_->method);
  if (protocol::AsksNothing(method)) {
    login_->fault = protocol::FaultUnasked(method, login_->secret.has_value(), login_->identity_fault);
    return OnLoginStep(login_->fault.empty() ? Step::kAccepted : Step::kRefused, {});
  }
  protocol::ClientLoginOptions options;
  options.method = method;
  options.user = user_;
  options.secret = login_->secret;
  options.derived = std::move(derived);
  options.random = RandomBytes(protocol::kLoginRandomBytes);
  options.process_secret = worker_->shared().process_secret;
  options.scram_iterations = login_->runtime->config->global.scram_iterations;
  if (const TlsStream* tls = socket_->tls()) options.channel_binding = tls->ServerEndPoint();
  login_->exchange = std::make_shared<protocol::ClientLogin>(std::move(options));
  std::string out;
  const auto step = login_->exchange->Start(out);
  OnLoginStep(step, out);
}

size_t Client::LoginInput(std::string_view chunk) {
  if (!login_->exchange || login_->step_runs) return 0;  // a helper thread is at work for it
  protocol::Frame frame;
  const auto status = protocol::ReadClientFrame(chunk, frame);
  if (status == protocol::FrameStatus::kIncomplete) return 0;
  if (status == protocol::FrameStatus::kFrame && frame.type == 'X') {
    Close("client close request");
    return 0;
  }
  if (status != protocol::FrameStatus::kFrame || frame.type != 'p' || frame.total > protocol::kPasswordBytesMax) {
    ProtocolError("expected a password or SASL message");
    return 0;
  }
  if (!frame.IsWhole()) return 0;
  if (login_->exchange->IsNextStepSlow()) {
    login_->step_runs = true;
    const bool queued = worker_->shared().helpers.Run(
        [worker = worker_, id = id_, exchange = login_->exchange, body = std::string(frame.body())] {
          std::string out;
          const auto step = exchange->OnPasswordMessage(body, out);
          worker->Post([worker, id, step, out = std::move(out)] {
            Client* client = worker->FindClient(id);
            if (client == nullptr || client->state_ != ClientState::kLogin) return;
            client->login_->step_runs = false;
            client->OnLoginStep(step, out);
            client->RunPending();
          });
        });
    if (!queued) TooBusy("too many password hashes in progress");
    return frame.total;
  }
  std::string out;
  const auto step = login_->exchange->OnPasswordMessage(frame.body(), out);
  OnLoginStep(step, out);
  return frame.total;
}

void Client::OnLoginStep(protocol::ClientLogin::Step step, const std::string& out) {
  using Step = protocol::ClientLogin::Step;
  if (!out.empty() && step == Step::kAccepted) worker_->loop().Gather();  // the welcome follows at once
  if (!out.empty() && !SendBytes(out)) return;
  switch (step) {
    case Step::kContinue: return;
    case Step::kAccepted: return OnAuthenticated();
    case Step::kAskOutside: return AskOutside();
    case Step::kMalformed:
    case Step::kRefused:
      LogRefusedLogin(login_->why());
      if (login_->looked_up == LookedUp::From::kCache) worker_->shared().auth_query->Doubt(database_, user_);
      if (step == Step::kMalformed) return ProtocolError("malformed password or SASL message");
      return Fatal(protocol::MakeError(RefusalOf(login_->method), user_));
  }
}

void Client::OnAuthenticated() {
  using protocol::ErrorCode;
  if (IsConsoleDatabase()) return EnterConsole(AccessOf(user_, login_->method, worker_->config()));
  if (worker_->shared().refuses_logins.load(std::memory_order_relaxed)) return Fatal(protocol::MakeError(ErrorCode::kShuttingDown));
  // What was true when the login began may have been reloaded since.
  if (login_->runtime != worker_->runtime()) {
    login_->runtime = worker_->runtime();
    login_->section = login_->runtime->config->FindDatabase(database_);
  }
  const conf::Config& config = *login_->runtime->config;
  if (login_->section == nullptr) {
    const bool is_physical = replication_ && replication_->kind() == protocol::Replication::kPhysical;
    return Fatal(protocol::MakeError(ErrorCode::kUnknownDatabase, database_, is_physical ? kPhysicalNeedsName : ""));
  }
  if (login_->method == conf::AuthType::kAny) {
    // Nobody has proven the name: the client is the forced user, or, if a reload has taken that away, nobody.
    if (login_->section->user.empty()) return Fatal(protocol::MakeError(ErrorCode::kPasswordFailed, user_));
    user_ = login_->section->user;
  }
  auto& pools = worker_->shared().pools;
  if (pools.IsDisabled(database_)) return Fatal(protocol::MakeError(ErrorCode::kDatabaseDisabled, database_));
  auto database_clients = pools.DatabaseClients(config, *login_->section, database_);
  if (!database_clients->TryTake()) {
    return Fatal(protocol::MakeError(ErrorCode::kTooManyDatabaseClients, std::to_string(database_clients->limit())));
  }
  database_clients_ = std::move(database_clients);
  auto user_clients = pools.UserClients(config, user_);
  if (!user_clients->TryTake()) {
    return Fatal(protocol::MakeError(ErrorCode::kTooManyUserClients, std::to_string(user_clients->limit())));
  }
  user_clients_ = std::move(user_clients);
  pool_ = pools.FindOrMake(config, *login_->section, database_, user_);
  if (!pool_) return TooBusy("too many pools: " + std::to_string(kPoolsMax));
  // A forced user is somebody else: this client's password is not for its servers.
  if (pool_->key().user == user_) login_->OfferTo(*pool_);
  waiter_.flow = FlowOf(pool_->queue_flow(), user_, login_->wanted, address_);
  // A standby keeps its name: synchronous_standby_names knows it by that.
  if (config.global.application_name_add_host && !replication_) AddHostToName();
  refuses_pqexec_ = config.global.disable_pqexec;
  if (const conf::User* section = config.FindUser(user_)) waiter_.weight = static_cast<uint16_t>(section->weight.value_or(1));
  client_idle_timeout_ = config.ResolveTimeouts(*login_->section, user_).client_idle_timeout;
  if (replication_) return AttachReplication();
  Attach();
}

void Client::EnterConsole(ConsoleAccess access) {
  if (access == ConsoleAccess::kNone || worker_->shared().console == nullptr) {
    return Fatal(protocol::MakeError(protocol::ErrorCode::kConsoleForbidden));
  }
  console_ = std::make_unique<ConsoleTalk>();
  console_->access = access;
  settings_ = protocol::Settings::From(std::move(login_->wanted));
  std::string bytes;
  bytes.reserve(kWelcomeBytes);
  protocol::MessageWriter(bytes).Begin('R').Int32(0).End();
  for (const auto& [name, value] : worker_->shared().console->Welcome()) {
    // application_name and client_encoding are the client's own; the console speaks UTF-8 and ASCII only.
    protocol::WriteParameterStatus(bytes, name, value);
  }
  WriteCancelKey(bytes);
  protocol::WriteReadyForQuery(bytes, 'I');
  EndLogin();
  state_ = ClientState::kConsole;
  SetClock(Clock::kNone, pool::Duration(0));
  SendBytes(bytes);
}

// --- the welcome ---------------------------------------------------------------------------------------------------------

void Client::Attach() {
  state_ = ClientState::kAttach;
  if (auto greeting = pool_->Greet(login_->wanted, BackendPool::Proof::kNeeded)) {
    settings_ = std::move(greeting->settings);
    return SendWelcome(*greeting->welcome);
  }
  // A server is needed: for the values of the welcome, and to prove the client's startup values on.
  settings_ = protocol::Settings::From(login_->wanted);
  TakeQueueTimeout();
  const pool::TimePoint now = Now();
  pool::Orders orders;
  const auto acquired = pool_->Acquire(waiter_, now, orders);
  worker_->CarryOut(*pool_, orders);
  switch (UseAcquired(acquired, now)) {
    case Taken::kActive: return OnServerReady();
    case Taken::kRefused: return Fatal(*refusal_);
    case Taken::kLater:
    case Taken::kClosed: return;
  }
}

void Client::SendWelcome(const protocol::Welcome& welcome) {
  std::string bytes;
  bytes.reserve(kWelcomeBytes);
  protocol::MessageWriter(bytes).Begin('R').Int32(0).End();
  welcome.Write(bytes, *settings_);
  FinishWelcome(bytes);
  startup_ = settings_;
  TakeQueueTimeout();
  if (!SendBytes(bytes)) return;
  BecomeIdle();
  if (drain_) End(protocol::ErrorCode::kShuttingDown);
}

void Client::FinishWelcome(std::string& welcome) {
  WriteCancelKey(welcome);
  if (const std::string& notice = worker_->config().global.login_notify_message; !notice.empty()) protocol::WriteNotice(welcome, "00000", notice);
  protocol::WriteReadyForQuery(welcome, 'I');
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now() - connect_time_);
  login_us_ = static_cast<uint64_t>(took.count());
  LogLogin();
  auto& counters = pool_->counters(worker_->number());
  counters.client_logins.Add(1);
  counters.clients.Add(1);
  EndLogin();
}

}  // namespace proxy
