#include "proxy/cancel_key.h"

#include <utility>

#include "proxy/shared.h"

namespace proxy {
namespace {

constexpr size_t kHopsAt = 3;  // in the key: byte 7 of the 8
constexpr unsigned kHopsMask = 3;

uint32_t RandomProcessId() {
  const std::string random = RandomBytes(4);
  uint32_t id = 0;
  for (const char byte : random) id = id << 8 | static_cast<unsigned char>(byte);
  return id & 0x7fffffff;
}

// The process id travels with its highest byte first: byte 0 is bits 24-31.
uint32_t WithPeer(uint32_t process_id, int peer_id) {
  const auto id = static_cast<uint32_t>(peer_id);
  return (process_id & 0xff0000ff) | (id & 0xff) << 16 | (id >> 8 & 0xff) << 8;
}

}  // namespace

int CancelKey::PeerId() const { return static_cast<int>((process_id >> 16 & 0xff) | (process_id >> 8 & 0xff) << 8); }

int CancelKey::HopsLeft() const {
  return key.size() > kHopsAt ? static_cast<int>(static_cast<unsigned char>(key[kHopsAt]) & kHopsMask) : 0;
}

CancelKey CancelKey::WithHops(int hops) const {
  CancelKey changed = *this;
  if (key.size() > kHopsAt) {
    const unsigned byte = static_cast<unsigned char>(key[kHopsAt]);
    changed.key[kHopsAt] = static_cast<char>((byte & ~kHopsMask) | (static_cast<unsigned>(hops) & kHopsMask));
  }
  return changed;
}

CancelKey MakeCancelKey(int peer_id, size_t key_bytes) {
  CancelKey made;
  do {
    made.process_id = RandomProcessId();
    if (peer_id != 0) made.process_id = WithPeer(made.process_id, peer_id);
  } while (made.process_id == 0);
  made.key = RandomBytes(key_bytes);
  return peer_id != 0 ? made.WithHops(kHopsMax) : made;
}

}  // namespace proxy
