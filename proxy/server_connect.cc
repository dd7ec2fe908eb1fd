// Server, first part of its life: what ServerDial opens is counted, logged and given to the pool.
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/worker.h"

namespace proxy {

void Server::Connect() {
  const DialRoom room{worker_->loop(), worker_->shared().resolver, worker_->shared().helpers, worker_->shared().hosts};
  DialOptions options{pool_->Target(), worker_->runtime()->server_tls, worker_->keep_alive(), nullptr};
  if (slot_->dedicated_to != 0) {
    Client* client = worker_->FindClient(slot_->dedicated_to);
    if (client == nullptr || client->state() != ClientState::kAttach) return GiveUpOpening({pool::OpenFailure::Kind::kUnreachable, "its client has left", ""});
    replication_ = client->replication()->kind();
    client->AddReplicationStartup(options.target);
    options.refusals = DialOptions::Refusals::kTellAll;
  } else {
    options.connect_query = options.target.connect_query;  // a replication connection is as its client makes it
  }
  if (worker_->config().global.log_connections && WouldLog(Level::kDebug)) {
    options.connected = [this](const Socket& socket) {
      const PeerName peer = NameOf(dial_->peer().storage), local = LocalName(socket.fd());
      Log(Level::kDebug, "server_connect",
          {{"server", id_}, {"database", pool_->key().database}, {"user", pool_->key().user}, {"addr", peer.address}, {"port", peer.port},
           {"from_addr", local.address}, {"from_port", local.port}});
    };
  }
  dial_ = std::make_unique<ServerDial>(room, std::move(options), [this](tl::expected<DialedServer, pool::OpenFailure> opened) {
    if (opened) OnDialed(std::move(*opened));
    else OpenFailed(std::move(opened.error()));
  });
  dial_->Start();
}

void Server::OnDialed(DialedServer opened) {
  dial_.reset();
  socket_ = std::move(opened.socket);
  socket_->HandTo(*this);
  peer_ = opened.peer;
  peer_host_ = std::move(opened.peer_host);
  place_ = std::move(opened.place);
  tls_ = std::move(opened.tls);
  tls_description_ = std::move(opened.tls_description);
  process_id_ = opened.process_id;
  cancel_key_ = std::move(opened.cancel_key);
  settings_.Begin(opened.parameters);
  settings_.SetAtConnect(opened.settings);
  const bool is_dedicated = slot_->dedicated_to != 0;
  if (!is_dedicated) pool_->SetWelcome(opened.parameters);
  if (opened.derived_keys) pool_->RememberDerivedKeys(*opened.derived_keys);
  auto& counters = pool_->counters(worker_->number());
  counters.server_logins.Add(1);
  counters.connect.Observe(static_cast<uint64_t>(opened.took.count()));
  if (worker_->config().global.log_connections) {
    const PeerName peer = NameOf(peer_.storage);
    Log(Level::kInfo, "server_login",
        {{"server", id_}, {"database", pool_->key().database}, {"user", pool_->key().user}, {"host", opened.where}, {"addr", peer.address},
         {"port", peer.port}, {"pid", process_id_}, {"tls", tls_description_.empty() ? "none" : tls_description_},
         {"replication", LogValue::UnlessEmpty(is_dedicated ? protocol::Name(replication_) : std::string_view())}});
  }
  // Its name may have changed while it was being opened.
  if (!worker_->shared().resolver.StaysAt(peer_host_, peer_)) GiveUpForMove();
  const pool::TimePoint now = Now();
  pool::Orders orders;
  const auto next = pool_->Opened(*slot_, now, orders);
  if (is_dedicated && next.kind == pool::Pool::Next::Kind::kServe) {
    static_cast<Client*>(next.waiter->owner)->BeginReplication(*this, opened.parameters, now);
  } else {
    TakeNext(next, now);
  }
  worker_->CarryOut(*pool_, orders);
}

void Server::LeaveAddress(const NameNews& news) {
  if (host_moved_ || peer_host_ != news.name || !peer_.is_ip() || Contains(news.staying, peer_)) return;
  GiveUpForMove();
}

void Server::GiveUpForMove() {
  host_moved_ = true;
  pool::Orders orders;
  pool_->GiveUp(*slot_, Now(), orders);
  worker_->CarryOut(*pool_, orders);
}

void Server::OpenFailed(pool::OpenFailure failure) {
  const PeerName peer = NameOf(dial_->peer().storage);
  dial_.reset();
  pool_->counters(worker_->number()).server_login_failures.Add(1);
  const auto refusal = protocol::ParseErrorFields(failure.server_error);
  Log(Level::kWarning, "server_login_failed",
      {{"server", id_}, {"database", pool_->key().database}, {"user", pool_->key().user}, {"addr", peer.address}, {"port", peer.port},
       {"age", AgeSeconds()}, {"cause", failure.cause},
       {"refusal", refusal.message.empty() ? LogValue::Absent() : LogValue(std::string(refusal.severity) + ' ' + std::string(refusal.message))}});
  GiveUpOpening(std::move(failure));
}

void Server::GiveUpOpening(pool::OpenFailure failure) {
  SetState(ServerState::kClosing);
  pool::Orders orders;
  pool_->OpenFailed(*slot_, std::move(failure), Now(), orders);
  worker_->Bury(*this);
  worker_->CarryOut(*pool_, orders);
}

}  // namespace proxy
