// Client: its lines in the log. What every one of them says first: who it is, and from where.
#include <utility>

#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/worker.h"

namespace proxy {

// As PgBouncer names a peer on the Unix socket: unix(PID), at the port that the socket's name has.
PeerName Client::LogPeer() const {
  if (peer_ == PeerKind::kTcp) return address_.Name();
  const auto pid = PidOfPeer(socket_->fd());
  return {"unix(" + (pid ? std::to_string(*pid) : "?") + ")", worker_->config().global.listen_port};
}

void Client::LogLoginAttempt() const {
  if (!worker_->config().global.log_connections || !WouldLog(Level::kDebug)) return;
  const PeerName peer = LogPeer();
  const std::string tls = socket_->tls() != nullptr ? socket_->tls()->Description() : "no";
  Log(Level::kDebug, "login_attempt",
      {{"client", id_}, {"database", database_}, {"user", user_}, {"addr", peer.address}, {"port", peer.port}, {"tls", tls},
       {"replication", protocol::Name(replication_ ? replication_->kind() : protocol::Replication::kNone)}});
}

void Client::LogLogin() const {
  if (!worker_->config().global.log_connections) return;
  const PeerName peer = LogPeer();
  Log(Level::kInfo, "client_login",
      {{"client", id_}, {"database", database_}, {"user", user_}, {"addr", peer.address}, {"port", peer.port}, {"login_us", login_us_},
       {"replication", LogValue::UnlessEmpty(replication_ ? protocol::Name(replication_->kind()) : std::string_view())}});
}

void Client::LogRefusedLogin(std::string_view cause) const {
  const PeerName peer = LogPeer();
  Log(Level::kWarning, "login_failed",
      {{"client", id_}, {"database", database_}, {"user", user_}, {"addr", peer.address}, {"port", peer.port}, {"cause", cause}});
}

void Client::LogClose(const LastWords& words) const {
  if (!worker_->config().global.log_disconnections) return;
  // Who never said who it is: a probe of the port tells nothing, but what was wrong with the others may be of interest.
  const bool is_nobody = user_.empty();
  if (is_nobody && words.report == nullptr && state_ != ClientState::kCancel) return;
  const PeerName peer = LogPeer();
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - connect_time_);
  Log(is_nobody ? Level::kDebug : Level::kInfo, "client_close",
      {{"client", id_}, {"database", database_}, {"user", user_}, {"addr", peer.address}, {"port", peer.port},
       {"reason", words.reason},
       {"message", LogValue::UnlessEmpty(words.report != nullptr ? words.report->message : std::string_view())},
       {"detail", LogValue::UnlessEmpty(words.report != nullptr ? words.report->detail : std::string_view())},
       {"auth", LogValue::UnlessEmpty(words.by_sasl ? "scram-sha-256" : "")},
       {"login_us", login_us_}, {"queue_us", queued_us_}, {"server_us", held_us_}, {"total_ms", age.count()},
       {"received", socket_->bytes_in()}, {"sent", socket_->bytes_out()}});
}

void Client::LogPoolerError(const LastWords& words) const {
  if (!worker_->config().global.log_pooler_errors) return;
  const PeerName peer = LogPeer();
  Log(Level::kWarning, "pooler_error",
      {{"client", id_}, {"database", database_}, {"user", user_}, {"addr", peer.address}, {"port", peer.port},
       {"reason", words.reason}, {"sqlstate", words.report->sqlstate}, {"message", words.report->message},
       {"detail", LogValue::UnlessEmpty(words.report->detail)}, {"auth", LogValue::UnlessEmpty(words.by_sasl ? "scram-sha-256" : "")}});
}

namespace {

std::string Seconds(pool::Duration time) {
  const auto tenths = time.count() / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

}  // namespace

void Client::CheckHold(pool::TimePoint now) {
  const pool::Duration threshold = pool_ ? pool_->leak_threshold() : pool::Duration(0);
  if (leak_told_ || replication_ || server_ == nullptr || threshold.count() == 0 || now - linked_at_ < threshold) return;
  leak_told_ = true;
  pool_->counters(worker_->number()).leaks.Add(1);
  const ClientRow row = Row();
  const ServerRow server = server_->Row();
  const std::string statement = protocol::WithoutValues(server.statement, server.backslash);
  const std::string digest = statement.empty() ? "" : protocol::DigestOf(statement);
  const bool shows_text = worker_->config().global.statement_text;
  Log(Level::kWarning, "server_held_long",
      {{"client", id_}, {"database", database_}, {"user", user_}, {"addr", row.addr}, {"port", row.port},
       {"application", LogValue::UnlessEmpty(row.application_name)}, {"server", server.id}, {"pid", server.remote_pid},
       {"held_s", Seconds(now - linked_at_)}, {"state", row.idle_in_transaction ? std::string_view("idle in transaction") : row.state},
       {"pins", LogValue::UnlessEmpty(row.pins)}, {"digest", LogValue::UnlessEmpty(digest)},
       {"statement", LogValue::UnlessEmpty(shows_text ? statement : std::string_view())}});
}

// Its server goes: what it kept is counted, and told if it was too long.
void Client::EndHold(pool::TimePoint now, std::string_view how) {
  const auto held_us = static_cast<uint64_t>((now - linked_at_).count());
  held_us_ += held_us;
  pool_->counters(worker_->number()).CountHeld(held_us);
  if (!std::exchange(leak_told_, false)) return;
  Log(Level::kWarning, "server_returned_late",
      {{"client", id_}, {"database", database_}, {"user", user_}, {"held_s", Seconds(pool::Duration(held_us))}, {"by", how}});
}

}  // namespace proxy
