// Both directions of one server connection: ReadClientFrame and ReadServerFrame over split streams, into one ReplyTracker.
// Input: chunks, each after a byte that holds its side (bit 0: 1 = from the server) and its length (the other bits).
#include <algorithm>
#include <string>

#include "protocol/frame.h"
#include "protocol/reply_tracker.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;
using Reply = ReplyTracker::Reply;

// One side's stream as a relay reads it: a frame counts once its header is there, its body passes without being kept.
class Stream {
 public:
  using Read = FrameStatus (*)(std::string_view chunk, Frame& frame);
  explicit Stream(Read read) : read_(read) {}

  void Append(std::string_view bytes) {
    const size_t passed = std::min(to_pass_, bytes.size());
    to_pass_ -= passed;
    kept_ += bytes.substr(passed);
  }

  // The next frame, of which at least the header and `wanted` bytes of its body are there; false when there is none.
  bool Next(Frame& frame, size_t (*wanted)(char type)) {
    if (is_broken_) return false;
    const FrameStatus status = read_(kept_, frame);
    if (status == FrameStatus::kIncomplete) Require(kept_.size() < kFrameHeaderBytes);
    if (status == FrameStatus::kBadType || status == FrameStatus::kBadLength) is_broken_ = true;
    if (status != FrameStatus::kFrame) return false;
    Check(frame);
    return frame.IsWhole() || frame.body().size() >= wanted(frame.type);
  }

  void Consume(const Frame& frame) {
    to_pass_ = frame.total - frame.here.size();
    kept_.erase(0, frame.here.size());
    Require(to_pass_ == 0 || kept_.empty());
  }

 private:
  void Check(const Frame& frame) const {
    Require(frame.here.data() == kept_.data() && frame.here.size() <= kept_.size());
    Require(frame.here.size() >= kFrameHeaderBytes && frame.here.size() <= frame.total);
    Require(frame.type == kept_[0] && frame.total <= kLargeMessageBytesMax + 1);
    Require(frame.IsWhole() || frame.here.size() == kept_.size());
    // What a header says does not depend on how much came with it.
    Frame alone;
    Require(read_(std::string_view(kept_).substr(0, kFrameHeaderBytes), alone) == FrameStatus::kFrame);
    Require(alone.type == frame.type && alone.total == frame.total);
    Require(read_(std::string_view(kept_).substr(0, kFrameHeaderBytes - 1), alone) == FrameStatus::kIncomplete);
  }

  const Read read_;
  std::string kept_;
  size_t to_pass_ = 0;
  bool is_broken_ = false;
};

void CheckTracker(const ReplyTracker& tracker, size_t sent) {
  Require(tracker.owed() <= sent && tracker.units_owed() <= tracker.owed());
  Require(!tracker.IsFree() || (tracker.owes_nothing() && tracker.status() == 'I'));
  Require(!tracker.owes_nothing() || (tracker.owed() == 0 && !tracker.in_copy_in()));
  Require(!tracker.skipping() || (tracker.owed() == 0 && !tracker.IsFree() && tracker.NeedsSync()));
  Require(tracker.NeedsSync() || tracker.units_owed() > 0 || tracker.owed() == 0);
}

void OnClientFrame(const Frame& frame, ReplyTracker& tracker, size_t& sent) {
  const size_t owed = tracker.owed();
  tracker.OnSent(frame.type);
  Require(tracker.owed() == owed || tracker.owed() == owed + 1);
  ++sent;
  CheckTracker(tracker, sent);
}

// False: the proxy closes this server.
bool OnServerFrame(const Frame& frame, ReplyTracker& tracker, size_t sent) {
  if (frame.type == 'N' || frame.type == 'S' || frame.type == 'A') return true;  // not answers
  const size_t owed = tracker.owed(), units = tracker.units_owed();
  if (frame.type == 'Z') {
    if (frame.total != kFrameHeaderBytes + 1) return false;
    const char status = frame.body()[0];
    if (tracker.OnReadyForQuery(status).reply == Reply::kBroken) return false;
    Require(tracker.units_owed() + 1 == units && tracker.owed() < owed && tracker.status() == status);
  } else {
    if (tracker.OnReply(frame.type).reply == Reply::kBroken) return false;
    Require(owed > 0 && tracker.owed() <= owed);
    // A Sync may be swallowed by a COPY, a Query skipped after an error; nothing else but ReadyForQuery ends a unit.
    Require(frame.type == 'G' || frame.type == 'E' ? tracker.units_owed() <= units : tracker.units_owed() == units);
    if (frame.type == 'E') Require(tracker.skipping() || tracker.units_owed() > 0);
  }
  CheckTracker(tracker, sent);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Stream client(ReadClientFrame), server(ReadServerFrame);
  ReplyTracker tracker;
  size_t sent = 0;
  while (!rest.empty()) {
    const auto head = static_cast<unsigned char>(rest[0]);
    const std::string_view chunk = rest.substr(1, head >> 1);
    rest.remove_prefix(1 + chunk.size());
    Frame frame;
    if (head & 1) {
      server.Append(chunk);
      while (server.Next(frame, [](char type) -> size_t { return type == 'Z' ? 1 : 0; })) {
        if (!OnServerFrame(frame, tracker, sent)) return 0;
        server.Consume(frame);
      }
    } else {
      client.Append(chunk);
      while (client.Next(frame, [](char) -> size_t { return 0; })) {
        OnClientFrame(frame, tracker, sent);
        client.Consume(frame);
      }
    }
  }
  return 0;
}
