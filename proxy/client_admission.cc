// Client, before its own first byte: what a load balancer says of it, and whether its address may have one more.
#include <algorithm>

#include "protocol/proxy_header.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/worker.h"

namespace proxy {
namespace {

using Verdict = pool::AddressTable::Verdict;

protocol::ErrorReport RefusalOf(const pool::AddressTable::Entered& entered, const pool::AddressLimits& limits, const std::string& group) {
  if (entered.verdict == Verdict::kTooMany) {
    return protocol::MakeError(protocol::ErrorCode::kTooManyAddressClients, std::to_string(limits.connections),
                               "address " + group + " has " + std::to_string(entered.connections) + " connections");
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(entered.wait);
  return protocol::MakeError(protocol::ErrorCode::kConnectRate, std::to_string(limits.new_per_second),
                             "address " + group + " has " + std::to_string(entered.connections) +
                                 " connections; the next new one is let in after " + std::to_string(wait.count()) + " ms");
}

}  // namespace

void Client::Arrive() {
  // From a balancer the address is known later; from anybody else a PROXY header is a malformed startup packet.
  if (!address_.IsIn(worker_->config().global.proxy_protocol_from)) return Admit();
  state_ = ClientState::kProxyHeader;
}

// The header may come in pieces. No byte behind it is taken: a TLS handshake there belongs to OpenSSL, which reads by itself.
void Client::ReadProxyHeader() {
  char* buffer = worker_->ReadBuffer();
  const IoResult peeked = socket_->Peek(buffer, protocol::kProxyHeaderBytesMax);
  if (peeked.status == IoStatus::kEof || peeked.status == IoStatus::kError) {
    // A balancer that only looks whether we listen says nothing.
    return input_.empty() ? Close("closed before a PROXY header") : RefuseProxyHeader("the connection ended inside it");
  }
  if (peeked.bytes == 0) return;
  const size_t kept = input_.size();
  input_.append(buffer, peeked.bytes);
  const protocol::ProxyHeader header = protocol::ParseProxyHeader(input_);
  if (header.kind == protocol::ProxyHeaderKind::kMalformed) return RefuseProxyHeader(header.error);
  const bool is_whole = header.kind != protocol::ProxyHeaderKind::kIncomplete;
  socket_->Read(buffer, is_whole ? header.consumed - kept : peeked.bytes);  // what was peeked is there
  if (!is_whole) return;
  std::string().swap(input_);
  if (header.kind == protocol::ProxyHeaderKind::kAddress) address_.Set(MakePeerAddress(header.is_v6, header.source, header.source_port));
  state_ = ClientState::kStartup;
  Admit();
}

void Client::RefuseProxyHeader(std::string_view cause) {
  const PeerName peer = address_.Name();  // still the balancer's own
  Log(Level::kWarning, "proxy_header_malformed",
      {{"client", id_}, {"addr", peer.address}, {"port", peer.port}, {"cause", cause},
       {"hint", "proxy_protocol_from lists this address; have it send a PROXY header, or take it off the list"}});
  Fatal(protocol::MakeError(protocol::ErrorCode::kProxyHeader, cause));
}

// Whoever is refused may still say what he wants, within kRefusedWait: the answer needs a question, and a cancel request is
// never refused.
void Client::Admit() {
  const conf::Global& global = worker_->config().global;
  const pool::AddressLimits limits{global.max_client_conn_per_address, global.client_connect_rate};
  const auto entered = address_.Enter(worker_->shared().addresses, limits, Now());
  if (entered.verdict != Verdict::kTooMany && entered.verdict != Verdict::kTooFast) return;
  login_ = std::make_unique<PendingLogin>();
  login_->refusal = RefusalOf(entered, limits, address_.Group());
  const pool::Duration limit = global.client_login_timeout;
  SetClock(Clock::kLogin, limit.count() == 0 ? kRefusedWait : std::min(limit, kRefusedWait));
  if (entered.untold == 0) return;
  Log(Level::kWarning, "address_refused",
      {{"client", id_}, {"addr", address_.Group()}, {"reason", protocol::Row(login_->refusal->code).name},
       {"connections", entered.connections}, {"refused", entered.untold}, {"detail", login_->refusal->detail}});
}

// Before the startup message: whoever comes too fast is not worth a handshake. One too many is, because its request for TLS may
// be the beginning of a cancel request, and the connection that it is for is one of those that were let in.
bool Client::IsRefusedBeforeTls() const { return login_ && login_->refusal && login_->refusal->code == protocol::ErrorCode::kConnectRate; }

}  // namespace proxy
