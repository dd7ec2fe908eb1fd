// A non-blocking stream socket on one event loop, plain or TLS, with what could not be sent yet.
//
// What: Read fills the caller's buffer (one per worker); Write sends at once what the kernel takes, or, where the loop has a SendBatch,
// at the end of the loop's turn (send_batch.h), and keeps the rest, which leaves when the socket is writable again. An idle socket holds no buffer. Reading is paused per reason, so that two reasons
// never cancel each other. Level-triggered; the read event stays registered in steady state (no epoll_ctl per message); a
// short read is taken as the end, without another read to see EAGAIN.
// Back-pressure is the owner's: as long as something is unsent it pauses whoever feeds this socket; OnDrained comes when nothing is any
// more. What the system did not take has to be copied, and copying all of a big result, because more was read meanwhile, cost 6 to 14 % of
// its CPU (128 kB allowed to wait, beside 0); the system's own buffers keep the other side busy.
// Threads: the loop it is attached to; Detach and Attach move it (only while nothing is unsent and no TLS handshake runs).
// The process ignores SIGPIPE.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/event_loop.h"
#include "proxy/send_batch.h"
#include "proxy/tls.h"

struct sockaddr_storage;

namespace proxy {

inline constexpr size_t kUnsentKeptBytes = 4096;  // a larger buffer is given back as soon as it is empty

class SocketHandler {
 public:
  virtual void OnReadable() = 0;
  virtual void OnWritable() = 0;  // only while a connect or a handshake waits for it
  virtual void OnDrained() = 0;   // nothing is unsent any more
  virtual void OnBroken() = 0;    // a deferred write failed; from the loop, never out of a call on the socket
  virtual void OnHangup() {}      // after WatchHangup

 protected:
  ~SocketHandler() = default;
};

enum class PauseReason : uint8_t { kPeerFull = 1, kInputFull = 2, kConsole = 4, kOwed = 8, kEnding = 16, kLeaving = 32 };

class Socket {
 public:
  Socket(EventLoop& loop, int fd, SocketHandler& handler);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void WatchConnect();   // OnWritable when the connect ended
  void StartReading();   // registers the read event
  IoResult Read(char* bytes, size_t capacity);
  // The next byte without taking it (plain connections): -1 = none yet or the end.
  int Peek() const;
  IoResult Peek(char* bytes, size_t capacity) const;  // all that are there; as Read otherwise
  // False: the connection is broken; the caller closes it.
  bool Write(std::string_view bytes);
  bool Write(std::span<const iovec> pieces);  // in one system call where the connection is plain
  // What the turn's batch has of it leaves now: for who wants to know what is unsent. False: the connection is broken.
  bool SendBatched() { return batched_ == SendBatch::kNowhere || SendBatchedNow(); }
  size_t unsent() const { return unsent_.size() - unsent_from_ + (tls_ ? tls_->sealed_bytes() : 0); }
  void Pause(PauseReason reason);
  void Resume(PauseReason reason);
  bool is_paused() const { return paused_ != 0; }
  // OnHangup, once, when the peer has closed or reset while nothing is read here. Until reading goes on.
  void WatchHangup();

  void StartTls(std::unique_ptr<TlsStream> tls);
  IoStatus Handshake();  // kOk = done; otherwise OnReadable or OnWritable comes when it is worth another try
  const TlsStream* tls() const { return tls_.get(); }
  void Shutdown();  // close_notify and FIN, best effort

  bool MayMove() const { return unsent() == 0 && !write_watched_ && paused_ == 0; }
  void Detach();
  void Attach(EventLoop& loop, SocketHandler& handler);
  void HandTo(SocketHandler& handler) { handler_ = &handler; }  // on the same loop

  int fd() const { return fd_; }
  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t bytes_out() const { return bytes_out_; }
  size_t buffer_bytes() const { return unsent_.capacity(); }

  // For SendBatch.
  SendBatch::Place batched() const { return batched_; }
  void SetBatched(SendBatch::Place place) { batched_ = place; }
  bool OnBatchSent(std::string_view bytes, int result);  // as send(2), or -errno. False: OnBatchBroken is to follow
  void OnBatchBroken();

 private:
  static void OnReady(void* self, uint32_t what);
  void OnWriteReady();
  void AnnouncePending();
  void Want();
  IoResult Send(const char* bytes, size_t count);
  static ssize_t SendSealed(void* self, const char* bytes, size_t count);
  bool SendPieces(std::span<const iovec> pieces);
  char* Claim(size_t size);
  bool SendBatchedNow();
  void LeaveBatch();
  void Keep(std::string_view bytes);
  bool FlushSealed();
  void Flush();
  void WatchWrite(bool watched);

  Watch watch_;
  SocketHandler* handler_;
  const int fd_;
  uint8_t paused_ = 0;
  bool reading_ = false;       // StartReading was called
  bool write_watched_ = false;
  bool hangup_watched_ = false;
  bool wants_writable_ = false;  // connect or handshake
  SendBatch::Place batched_ = SendBatch::kNowhere;
  std::unique_ptr<TlsStream> tls_;
  std::string unsent_;
  size_t unsent_from_ = 0;
  uint64_t bytes_in_ = 0, bytes_out_ = 0;
};

// Addresses as SHOW prints them; empty and 0 for a Unix socket ("unix").
struct PeerName {
  std::string address;
  int port = 0;
};
PeerName RemoteName(int fd);
PeerName LocalName(int fd);
PeerName NameOf(const sockaddr_storage& address);  // of a server; a Unix socket has the port in its name

struct KeepAlive {
  int count = 0, idle_s = 0, interval_s = 0, user_timeout_ms = 0;
  bool on = true;
};
KeepAlive KeepAliveOf(const conf::Global& global);
void TuneTcp(int fd, const KeepAlive& keep_alive);  // a fresh TCP socket; also TCP_NODELAY
void RetuneTcp(int fd, const KeepAlive& keep_alive);  // one that has been tuned before

}  // namespace proxy
