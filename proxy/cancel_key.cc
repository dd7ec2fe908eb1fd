#include "proxy/cancel_key.h"

#include <utility>

#include "protocol/message_writer.h"
#include "proxy/shared.h"

namespace proxy {
namespace {

constexpr size_t kIdBytes = 4;
constexpr size_t kHopsAt = 3;  // in the key: byte 7 of the 8
constexpr unsigned kHopsMask = 3;

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
  while (made.process_id == 0) {
    made.key = RandomBytes(kIdBytes + key_bytes);  // both at once
    made.process_id = protocol::ReadUint32(made.key.data()) & 0x7fffffff;
    made.key.erase(0, kIdBytes);
    if (peer_id != 0) made.process_id = WithPeer(made.process_id, peer_id);
  }
  return peer_id != 0 ? made.WithHops(kHopsMax) : made;
}

}  // namespace proxy
