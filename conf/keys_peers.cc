// The keys of [peers.N].
#include "conf/hosts.h"
#include "conf/keys.h"
#include "conf/keys_pool.h"

namespace conf {
namespace {

// One place per peer: a request that reached a second one would find nobody there.
Parsed<std::string> CheckPeerHost(std::string text) {
  const auto host = ParseHost(text);
  if (!host || host->port != 0 || text.find(',') != std::string::npos) {
    return Refuse("must be one host name, address, /folder or @abstract, not " + Quoted(text) + "; the port is port");
  }
  return host->name;
}

}  // namespace

Parsed<int> ParsePeerId(std::string_view text) {
  // One spelling each, so that an id cannot be there twice under two names.
  const auto number = ParseInteger(text);
  if (number && *number >= 1 && *number <= kPeerIdMax && std::to_string(*number) == text) return static_cast<int>(*number);
  return Refuse("must be a whole number from 1 to " + std::to_string(kPeerIdMax));
}

const std::vector<Key<Peer>>& PeerKeys() {
  static const std::vector<Key<Peer>> keys = {
      MakeKey<Peer>("host", TextCodec{.allowed = "a host", .check = CheckPeerHost}, &Peer::host,
                    "where the other pgweir listens: host, address, /folder or @abstract"),
      MakeKey<Peer>("port", Count(1, 65535), &Peer::port, "its listen_port"),
      MakeKey<Peer>("pool_size", Count(1, 100'000), &Peer::pool_size,
                    "cancel requests on their way to it at a time, the next ones wait; absent = default_pool_size"),
  };
  return keys;
}

}  // namespace conf
