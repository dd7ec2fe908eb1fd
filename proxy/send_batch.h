// What the plain sockets of one loop send in one turn, in one system call.
//
// What: a short write waits here until all that was ready in this turn has been dealt with; then everything leaves by one
// io_uring_enter. In a turn with one or two things ready there is no batch, and a batch of one leaves by send.
// Why: a send wakes a process that waits for it. Sent one by one, the woken process often takes the CPU as soon as the call returns, and
// the loop, its caches and the rest of its turn are set aside. Inside of one call nobody is set aside: with 500 clients a bare relay
// changed hands 0.055 times a transaction instead of 0.28, took 0.60 of the CPU, and a machine of two cores did a fifth more transactions
// (tests/bench/run measures pgweir so). Sending late by plain calls won nothing, nor did receiving by io_uring, nor another slice of time.
// Order: bytes of one socket leave in the order of their writes. Of two sockets nothing is promised, as ever.
// Threads: the loop's. Ownership: the loop's; sockets are borrowed until their bytes have left, and a socket that ends sends first.
// Limits: kBatchedBytesMax a write, kBatchSocketsMax sockets, kBatchBytes in all; when they are reached the batch leaves early.
// Errors: a write that failed is told by the loop at the end of the turn (Socket::OnBatchBroken), never inside of another write.
// Make fails where io_uring is not to be had (before Linux 5.6, kernel.io_uring_disabled, seccomp filters as Docker's): then every
// socket sends at once.
// Sources: io_uring(7), io_uring_enter(2): with MSG_DONTWAIT a send is done, whatever comes of it, when the call returns.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

struct io_uring;

namespace proxy {

class Socket;

inline constexpr size_t kBatchedBytesMax = 8 * 1024;
inline constexpr size_t kBatchSocketsMax = 128;
inline constexpr size_t kBatchBytes = 128 * 1024;

class SendBatch {
 public:
  using Place = uint16_t;  // of a socket's bytes in the batch
  static constexpr Place kNowhere = 0xFFFF;

  // On the thread that will use it. The error says why there is none.
  static tl::expected<std::unique_ptr<SendBatch>, std::string> Make();
  SendBatch(const SendBatch&) = delete;
  SendBatch& operator=(const SendBatch&) = delete;

  // Where the socket's next `size` bytes are to be put, at once. nullptr: too many, or something of another socket stands between; then
  // what the socket has here is to be sent before them.
  char* Claim(Socket& socket, size_t size);
  // Its bytes, which it sends by itself.
  std::string_view Take(Place place);
  // Everything. Then those whose writes failed are told, which may add more.
  void Send() {
    if (count_ > 0 || !broken_.empty()) SendAndTell();
  }
  void Forget(Socket& socket);  // it is not to be told

 private:
  struct Entry {
    Socket* socket = nullptr;  // nullptr: taken, or sent
    uint32_t from = 0, size = 0;
  };
  SendBatch() = default;
  void SendAndTell();
  void SendAll();
  void SendAlone(const Entry& entry);
  bool SubmitAll();
  void Done(Entry& entry, int result);
  void TellLater(Socket& socket);
  std::string_view BytesOf(const Entry& entry) const { return {bytes_.get() + entry.from, entry.size}; }

  struct Close {
    void operator()(io_uring* ring) const;
  };
  std::unique_ptr<io_uring, Close> ring_;  // nullptr: it has failed, and every entry is sent by itself
  std::array<Entry, kBatchSocketsMax> entries_;
  size_t count_ = 0, used_ = 0;
  std::unique_ptr<char[]> bytes_{new char[kBatchBytes]};
  std::vector<Socket*> broken_;
};

}  // namespace proxy
