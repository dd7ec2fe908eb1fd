// Client, talking to the console: its messages go to the control thread one by one, the answers leave in slices.
#include <utility>

#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::Frame;
using protocol::FrameStatus;

size_t Client::ConsoleInput(std::string_view chunk) {
  if (console_->is_busy) return 0;
  Frame frame;
  const FrameStatus status = protocol::ReadClientFrame(chunk, frame);
  if (status == FrameStatus::kIncomplete) return 0;
  if (status != FrameStatus::kFrame || frame.total > kConsoleMessageBytesMax) {
    ProtocolError("invalid message to the console");
    return chunk.size();
  }
  if (!frame.IsWhole()) return 0;
  if (frame.type == 'X') {
    Close("client close request");
    return chunk.size();
  }
  request_time_ = std::chrono::system_clock::now();
  console_->is_busy = true;
  ConsoleRequest request{id_, user_, console_->access, frame.type, std::string(frame.body())};
  worker_->shared().control_loop.Post([worker = worker_, id = id_, request = std::move(request)] {
    worker->shared().console->OnMessage(request, [worker, id](std::string bytes) {
      worker->Post([worker, id, bytes = std::move(bytes)]() mutable {
        if (Client* client = worker->FindClient(id)) client->OnConsoleReply(std::move(bytes));
      });
    });
  });
  return frame.total;
}

void Client::OnConsoleReply(std::string bytes) {
  if (state_ != ClientState::kConsole) return;
  if (bytes.empty()) {  // nothing is said to a Flush
    console_->is_busy = false;
    return RunPending();
  }
  console_->reply = std::move(bytes);
  console_->sent = 0;
  SendReply();
}

// The next slice. What the kernel did not take is waited for (OnDrained), otherwise it goes on in the next turn.
void Client::SendReply() {
  if (state_ != ClientState::kConsole || console_->reply.empty()) return;
  ConsoleTalk& talk = *console_;
  const std::string_view slice = std::string_view(talk.reply).substr(talk.sent, kReplySliceBytes);
  talk.sent += slice.size();
  if (!SendBytes(slice)) return;
  if (talk.sent < talk.reply.size()) {
    if (socket_->unsent() > 0) return;
    return worker_->Post([worker = worker_, id = id_] {
      if (Client* client = worker->FindClient(id)) client->SendReply();
    });
  }
  std::string().swap(talk.reply);
  talk.is_busy = false;
  RunPending();
}

void Client::LeaveConsole() {
  worker_->shared().control_loop.Post([console = worker_->shared().console, id = id_] { console->OnClosed(id); });
  console_.reset();
}

}  // namespace proxy
