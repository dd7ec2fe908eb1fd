// Client: what it is told beside its answers (that it waits, a word at its login), and where it comes from in its name.
#include <unistd.h>

#include <algorithm>

#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

namespace {

constexpr size_t kLongestName = 63;  // NAMEDATALEN - 1: PostgreSQL cuts what is longer at its end, where the address is
constexpr size_t kLongestHost = 31;  // so that there is room for a name in front of it

// A process id means something on one machine only: PgBouncer, too, tells which.
std::string OwnHost() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "?";
  return std::string(name).substr(0, kLongestHost);
}

}  // namespace

// One clock after the other: they share one timeout, as only one of them runs.
void Client::WatchWait(pool::TimePoint now) {
  const pool::Duration wait = LongestWait(), notice = worker_->config().global.query_wait_notify;
  // Whoever came back to its place in the queue behind that time has heard it. At a login nobody is told: libpq takes no NOTICE before
  // AuthenticationOk, and goes on to its next host only for an error that comes before it.
  const bool is_to_be_told = notice.count() > 0 && notice < wait && now < waiter_.since + notice && state_ != ClientState::kAttach;
  clock_ = is_to_be_told ? Clock::kWaitNotice : Clock::kWait;
  const pool::Duration length = is_to_be_told ? notice : wait;
  timeout_.ArmAt(worker_->timeouts(), length, waiter_.since + length, &Client::OnClock, this);
}

// It has no server, so no answer has been begun.
void Client::TellWait() {
  const pool::TimePoint now = Now();
  WatchWait(now);
  std::string bytes;
  const auto in_ms = [](pool::Duration time) { return std::to_string(time.count() / 1000) + " ms"; };
  protocol::WriteError(bytes, protocol::ErrorCode::kQueryWaitNotify, {},
                       "waited " + in_ms(now - waiter_.since) + " so far, at most " + in_ms(LongestWait()));
  SendBytes(bytes);
}

void Client::AddHostToName() {
  PeerName peer = LogPeer();
  if (peer_ == PeerKind::kUnix) peer.address.insert(peer.address.size() - 1, "@" + OwnHost());
  const bool is_v6 = peer_ == PeerKind::kTcp && peer.address.find(':') != std::string::npos;
  const std::string place = " - " + (is_v6 ? "[" + peer.address + "]" : peer.address) + ":" + std::to_string(peer.port);
  const auto is_name = [](const protocol::Setting& setting) { return setting.first == "application_name"; };
  const auto own = std::find_if(login_->wanted.begin(), login_->wanted.end(), is_name);
  std::string name = own == login_->wanted.end() ? "app" : own->second;
  if (name.size() + place.size() > kLongestName) {
    size_t end = kLongestName - place.size();
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // not inside a letter of UTF-8
    name.resize(end);
  }
  protocol::PutSetting(login_->wanted, "application_name", name + place);
}

}  // namespace proxy
