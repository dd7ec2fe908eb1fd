#include "proxy/send_batch.h"

#include <liburing.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "proxy/log.h"
#include "proxy/socket.h"

namespace proxy {
namespace {

constexpr unsigned kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT;

int Open(io_uring& ring) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN;
  const int result = io_uring_queue_init_params(kBatchSocketsMax, &ring, &params);
  if (result != -EINVAL) return result;
  return io_uring_queue_init(kBatchSocketsMax, &ring, 0);  // before Linux 6.0
}

bool CanSend(io_uring& ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  const bool can = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_SEND) != 0;
  io_uring_free_probe(probe);
  return can;
}

}  // namespace

tl::expected<std::unique_ptr<SendBatch>, std::string> SendBatch::Make() {
  std::unique_ptr<SendBatch> batch(new SendBatch);
  auto ring = std::make_unique<io_uring>();
  if (const int result = Open(*ring); result < 0) return tl::unexpected(std::generic_category().message(-result));
  batch->ring_.reset(ring.release());
  if (!CanSend(*batch->ring_)) return tl::unexpected(std::string("this kernel's io_uring cannot send"));
  io_uring_register_ring_fd(batch->ring_.get());  // saves looking its descriptor up; where there is no such thing it goes without
  return batch;
}

void SendBatch::Close::operator()(io_uring* ring) const {
  io_uring_queue_exit(ring);
  delete ring;
}

char* SendBatch::Claim(Socket& socket, size_t size) {
  const Place place = socket.batched();
  if (place != kNowhere) {
    Entry& last = entries_[place];
    if (place + 1u != count_ || last.size + size > kBatchedBytesMax || used_ + size > kBatchBytes) return nullptr;
    last.size += static_cast<uint32_t>(size);
  } else {
    if (size > kBatchedBytesMax) return nullptr;
    if (count_ == kBatchSocketsMax || used_ + size > kBatchBytes) SendAll();
    entries_[count_] = {&socket, static_cast<uint32_t>(used_), static_cast<uint32_t>(size)};
    socket.SetBatched(static_cast<Place>(count_++));
  }
  char* const at = bytes_.get() + used_;
  used_ += size;
  return at;
}

std::string_view SendBatch::Take(Place place) {
  Entry& entry = entries_[place];
  entry.socket->SetBatched(kNowhere);
  entry.socket = nullptr;
  return BytesOf(entry);
}

void SendBatch::SendAndTell() {
  for (;;) {
    SendAll();
    if (broken_.empty()) return;
    Socket& socket = *broken_.back();
    broken_.pop_back();
    socket.OnBatchBroken();
  }
}

void SendBatch::Forget(Socket& socket) { std::erase(broken_, &socket); }

void SendBatch::SendAll() {
  if (count_ > 1 && ring_ && !SubmitAll()) {
    Log(Level::kWarning, "io_uring_failed", {{"cause", "it takes nothing more; every connection is sent to by itself from here on"}});
    ring_.reset();  // with what it has not taken
  }
  // What is left is alone, or the kernel did not take it.
  for (size_t i = 0; i < count_; ++i) {
    if (entries_[i].socket != nullptr) SendAlone(entries_[i]);
  }
  count_ = used_ = 0;
}

void SendBatch::SendAlone(const Entry& entry) {
  Socket& socket = *entry.socket;
  if (!socket.SendBatched()) TellLater(socket);
}

// Once, although it may be written to again before that.
void SendBatch::TellLater(Socket& socket) {
  if (std::find(broken_.begin(), broken_.end(), &socket) == broken_.end()) broken_.push_back(&socket);
}

// False: the kernel has no room for it, and what has no result was not sent.
bool SendBatch::SubmitAll() {
  unsigned submitted = 0;
  for (size_t i = 0; i < count_; ++i) {
    const Entry& entry = entries_[i];
    if (entry.socket == nullptr) continue;
    io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());  // there are as many as entries
    io_uring_prep_send(sqe, entry.socket->fd(), bytes_.get() + entry.from, entry.size, kSendFlags);
    io_uring_sqe_set_data64(sqe, i);
    ++submitted;
  }
  unsigned taken = 0;
  while (taken < submitted) {
    const int result = io_uring_submit(ring_.get());
    if (result <= 0) break;
    taken += static_cast<unsigned>(result);
  }
  for (unsigned told = 0; told < taken; ++told) {
    io_uring_cqe* cqe = nullptr;
    if (io_uring_wait_cqe(ring_.get(), &cqe) != 0) return false;  // they are all there: no system call
    const uint64_t place = io_uring_cqe_get_data64(cqe);
    const int result = cqe->res;
    io_uring_cqe_seen(ring_.get(), cqe);
    Done(entries_[place], result);
  }
  return taken == submitted;
}

void SendBatch::Done(Entry& entry, int result) {
  Socket& socket = *std::exchange(entry.socket, nullptr);
  socket.SetBatched(kNowhere);
  if (!socket.OnBatchSent(BytesOf(entry), result)) TellLater(socket);
}

}  // namespace proxy
