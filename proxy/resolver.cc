#include "proxy/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

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

Resolved LookUp(const conf::Host& host, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.name.c_str(), std::to_string(host.port).c_str(), &hints, &list);
  if (code != 0) return {{}, std::string("name lookup: ") + gai_strerror(code)};
  Resolved answer;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    SocketAddress address;
    if (at->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    answer.addresses.push_back(address);
  }
  freeaddrinfo(list);
  if (answer.addresses.empty()) answer.error = "name lookup: no address";
  return answer;
}

}  // namespace

void Resolver::Resolve(const conf::Host& host, EventLoop& loop, std::function<void(Resolved)> done) {
  if (host.is_unix()) return done(UnixAddress(host));
  Resolved numeric = LookUp(host, AI_NUMERICHOST);
  if (!numeric.addresses.empty()) return done(std::move(numeric));
  const std::string key = host.name + ":" + std::to_string(host.port);
  Resolved kept;
  {
    std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    if (found != known_.end() && Now() < found->second.until) kept = found->second.answer;
  }
  if (!kept.addresses.empty()) return done(std::move(kept));
  const bool queued = helpers_.Run([this, host, key, &loop, done] {
    Resolved answer = LookUp(host, AI_ADDRCONFIG);
    if (!answer.addresses.empty()) {
      std::lock_guard lock(mutex_);
      if (known_.size() >= kNamesMax) known_.clear();
      known_[key] = {answer, Now() + kNameTtl};
    }
    loop.Post([done, answer = std::move(answer)]() mutable { done(std::move(answer)); });
  });
  if (!queued) done({{}, "name lookup: too many lookups in progress"});
}

std::vector<Resolver::KnownName> Resolver::Names() {
  const pool::TimePoint now = Now();
  std::vector<KnownName> names;
  std::lock_guard lock(mutex_);
  for (const auto& [key, known] : known_) {
    if (known.until <= now) continue;
    KnownName row;
    row.name = key.substr(0, key.rfind(':'));
    row.seconds_left = (known.until - now).count() / 1'000'000;
    if (!names.empty() && names.back().name == row.name) continue;  // the same name with another port
    for (const SocketAddress& address : known.answer.addresses) {
      char text[NI_MAXHOST];
      const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
      if (getnameinfo(raw, address.length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) row.addresses.emplace_back(text);
    }
    names.push_back(std::move(row));
  }
  return names;
}

void Resolver::Forget() {
  std::lock_guard lock(mutex_);
  known_.clear();
}

}  // namespace proxy
