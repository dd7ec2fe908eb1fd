#include "proxy/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "proxy/etc_hosts.h"
#include "proxy/log.h"

namespace proxy {
namespace {

Resolved UnixAddress(const conf::Host& host) {
  const std::string path = host.name + "/.s.PGSQL." + std::to_string(host.port);
  SocketAddress address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.size() >= sizeof un.sun_path) return {{}, "Unix socket path is too long: " + path};
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  if (path[0] == '@') un.sun_path[0] = '\0';
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
  return {{address}, ""};
}

NameAnswer AskSystem(const std::string& name, int flags) {
  using Kind = NameAnswer::Kind;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    // Some of these are glibc's own, beside EAI_NONAME.
    const bool is_answer = code == EAI_NONAME || code == EAI_NODATA || code == EAI_ADDRFAMILY;
    return {is_answer ? Kind::kNoSuchName : Kind::kNotKnown, {}, std::string("name lookup: ") + gai_strerror(code)};
  }
  NameAnswer answer;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    SocketAddress address;
    if (at->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    if (!Contains(answer.addresses, address)) answer.addresses.push_back(address);
  }
  freeaddrinfo(list);
  answer.kind = answer.addresses.empty() ? Kind::kNoSuchName : Kind::kAddresses;
  if (answer.addresses.empty()) answer.error = "name lookup: no address";
  return answer;
}

Resolved WithPort(std::vector<SocketAddress> addresses, std::string error, uint16_t port) {
  for (SocketAddress& address : addresses) address.SetPort(port);
  return {std::move(addresses), std::move(error)};
}

}  // namespace

std::string Resolver::Configure(const conf::Global& global) {
  const std::string wrong = global.resolv_conf.empty() ? "" : dns_.Configure(global.resolv_conf);
  pool::MutexLock lock(mutex_);
  times_ = {global.dns_max_ttl, global.dns_nxdomain_ttl};
  asks_servers_ = !global.resolv_conf.empty() && wrong.empty();
  return wrong;
}

void Resolver::Resolve(const conf::Host& host, EventLoop& loop, std::function<void(Resolved)> done) {
  if (host.is_unix()) return done(UnixAddress(host));
  NameAnswer numeric = AskSystem(host.name, AI_NUMERICHOST);
  if (!numeric.addresses.empty()) return done(WithPort(std::move(numeric.addresses), "", host.port));
  std::optional<NameCache::Said> kept;
  bool is_first = false, asks_servers = false;
  {
    pool::MutexLock lock(mutex_);
    kept = cache_.Find(host.name, Now());
    if (!kept && lookups_.size() >= kNamesMax && !lookups_.contains(host.name)) kept = {{}, "name lookup: too many lookups in progress"};
    if (!kept) {
      const auto [lookup, is_new] = lookups_.try_emplace(host.name);
      lookup->second.waiters.push_back({&loop, host.port, std::move(done)});
      if (is_new) lookup->second.epoch = epoch_;
      is_first = is_new;
      asks_servers = asks_servers_;
    }
  }
  if (kept) return done(WithPort(std::move(kept->addresses), std::move(kept->error), host.port));
  if (is_first) LookUp(host.name, asks_servers);
}

void Resolver::Refresh(const std::string& name) {
  bool asks_servers = false;
  {
    pool::MutexLock lock(mutex_);
    if (!cache_.IsDue(name, Now()) || lookups_.size() >= kRefreshesMax || lookups_.contains(name)) return;
    lookups_[name].epoch = epoch_;
    asks_servers = asks_servers_;
  }
  LookUp(name, asks_servers);
}

void Resolver::LookUp(const std::string& name, bool asks_servers) {
  const bool queued = threads_.Run([link = link_, name, asks_servers] {
    NameAnswer answer;
    if (asks_servers) answer.addresses = FindInHosts(ReadHostsFile(kHostsFile), name);
    else answer = AskSystem(name, AI_ADDRCONFIG);
    pool::MutexLock lock(link->mutex);
    if (link->resolver == nullptr) return;
    if (asks_servers) link->resolver->OnOwnName(name, std::move(answer.addresses));
    else link->resolver->OnAnswer(name, std::move(answer));
  });
  if (!queued) OnAnswer(name, {NameAnswer::Kind::kNotKnown, {}, "name lookup: too many lookups in progress", pool::Duration(0)});
}

void Resolver::OnOwnName(const std::string& name, std::vector<SocketAddress> addresses) {
  if (!addresses.empty()) return OnAnswer(name, {NameAnswer::Kind::kAddresses, std::move(addresses), ""});
  home_.Post([this, name] { dns_.LookUp(name, [this, name](NameAnswer answer) { OnAnswer(name, std::move(answer)); }); });
}

void Resolver::OnAnswer(const std::string& name, NameAnswer answer) {
  const std::string cause = answer.error;
  NameCache::Outcome outcome;
  std::vector<Waiter> waiters;
  {
    pool::MutexLock lock(mutex_);
    outcome = cache_.Put(name, std::move(answer), times_, Now());
    const auto lookup = lookups_.find(name);
    waiters = std::move(lookup->second.waiters);
    if (lookup->second.epoch != epoch_) cache_.Expire(name);
    lookups_.erase(lookup);
  }
  for (Waiter& waiter : waiters) {
    waiter.loop->Post([done = std::move(waiter.done), answer_for = WithPort(outcome.said.addresses, outcome.said.error, waiter.port)]() mutable {
      done(std::move(answer_for));
    });
  }
  if (outcome.begins_to_fail) {
    Log(Level::kWarning, "dns_failed", {{"host", name}, {"cause", cause}, {"still_used", LogValue::UnlessEmpty(IpTexts(outcome.said.addresses))}});
  }
  if (outcome.news && watcher_) home_.Post([this, news = std::move(*outcome.news)] { watcher_(news); });
}

bool Resolver::StaysAt(const std::string& name, const SocketAddress& address) const {
  pool::MutexLock lock(mutex_);
  return cache_.StaysAt(name, address);
}

Resolver::Lookups Resolver::UnderWay() const {
  pool::MutexLock lock(mutex_);
  Lookups lookups{lookups_.size(), 0};
  for (const auto& [name, lookup] : lookups_) lookups.waiting += lookup.waiters.size();
  return lookups;
}

std::vector<NameCache::Row> Resolver::Names() const {
  pool::MutexLock lock(mutex_);
  return cache_.Rows(Now());
}

void Resolver::Forget() {
  pool::MutexLock lock(mutex_);
  ++epoch_;
  cache_.ExpireAll();
}

void Resolver::Stop() {
  {
    pool::MutexLock lock(link_->mutex);
    link_->resolver = nullptr;
  }
  threads_.Leave();
}

}  // namespace proxy
