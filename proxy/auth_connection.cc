#include "proxy/auth_connection.h"

#include <array>

#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "protocol/sasl.h"
#include "proxy/log.h"

namespace proxy {

namespace {
constexpr size_t kAuthReadBytes = 16 * 1024;
}

AuthConnection::AuthConnection(DialRoom room, Handler& handler)
    : room_(room), handler_(handler), timer_(room.loop, [this] { OnTimer(); }) {}

AuthConnection::~AuthConnection() {
  if (!socket_) return;
  std::string terminate;
  protocol::WriteTerminate(terminate);
  socket_->Write(terminate);  // nobody waits for the server's end
  socket_->Shutdown();
}

void AuthConnection::Open(DialOptions options) {
  patience_ = options.target.connect_timeout;
  dial_ = std::make_unique<ServerDial>(room_, std::move(options), [this](tl::expected<DialedServer, pool::OpenFailure> opened) {
    if (opened) OnDialed(std::move(*opened));
    else End(Closed::kNotOpened, opened.error().cause);
  });
  dial_->Start();
}

void AuthConnection::OnDialed(DialedServer opened) {
  dial_.reset();
  place_ = std::move(opened.place);
  socket_ = std::move(opened.socket);
  socket_->HandTo(*this);
  state_ = State::kIdle;
  timer_.Start(kAuthIdle);
  Log(Level::kDebug, "auth_query_open", {{"host", opened.where}, {"pid", opened.process_id}});
  handler_.OnOpened(*this);
}

void AuthConnection::Ask(const std::string& query, const std::string& user) {
  state_ = State::kAsking;
  reader_.emplace(user);
  timer_.Start(patience_);
  std::string messages;
  protocol::WriteAuthQuery(messages, query, user);
  if (!socket_->Write(messages)) Lost("write failed");
}

void AuthConnection::OnTimer() {
  if (state_ == State::kIdle) return End(Closed::kIdle, "");
  End(Closed::kLost, "no answer to auth_query within server_connect_timeout");
}

void AuthConnection::OnReadable() {
  std::array<char, kAuthReadBytes> buffer;
  const IoResult result = socket_->Read(buffer.data(), buffer.size());
  if (result.status == IoStatus::kEof || result.status == IoStatus::kError) {
    const bool has_said_why = reader_ && reader_->answer().kind == protocol::AuthQueryAnswer::Kind::kFailed;
    return Lost(has_said_why ? reader_->answer().remark : "the server closed the connection");
  }
  input_.append(buffer.data(), result.bytes);
  ReadMessages();
}

void AuthConnection::ReadMessages() {
  size_t pos = 0;
  while (state_ == State::kIdle || state_ == State::kAsking) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(std::string_view(input_).substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    if (status != protocol::FrameStatus::kFrame || frame.total > kAuthMessageBytesMax) {
      return End(Closed::kLost, "the server sent a malformed message");
    }
    if (!frame.IsWhole()) break;
    pos += frame.total;
    if (state_ == State::kIdle) {
      // Notices and changed parameters come when they like; everything else is the end, or the beginning of it.
      if (frame.type == 'N' || frame.type == 'S' || frame.type == 'A') continue;
      return End(Closed::kIdle, "");
    }
    using Step = protocol::AuthQueryReader::Step;
    const Step step = reader_->OnMessage(frame.type, frame.body());
    if (step == Step::kBroken) return End(Closed::kLost, reader_->answer().remark);
    if (step == Step::kContinue) continue;
    if (pos < input_.size()) return End(Closed::kLost, "the server sent more than an answer to auth_query");
    protocol::Wipe(input_);
    return Answered();
  }
  input_.erase(0, pos);
}

void AuthConnection::Answered() {
  state_ = State::kIdle;
  has_answered_ = true;
  timer_.Start(kAuthIdle);
  handler_.OnAnswer(*this, reader_->answer());
  if (state_ == State::kIdle) reader_.reset();
}

void AuthConnection::Lost(std::string cause) {
  if (state_ == State::kIdle) return End(Closed::kIdle, cause);
  End(has_answered_ ? Closed::kStale : Closed::kLost, cause);
}

void AuthConnection::End(Closed how, const std::string& cause) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  const std::string why = cause;  // may be the reader's own
  timer_.Stop();
  dial_.reset();
  socket_.reset();
  place_.Leave();
  protocol::Wipe(input_);
  reader_.reset();
  handler_.OnClosed(*this, how, why);
}

}  // namespace proxy
