#include "proxy/listening_connection.h"

#include <array>

#include "protocol/error_catalog.h"
#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "proxy/log.h"

namespace proxy {

namespace {

constexpr size_t kListeningReadBytes = 16 * 1024;
constexpr size_t kProcessIdBytes = 4;

std::string Quoted(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

bool IsChannelName(std::string_view name) {
  return !name.empty() && name.size() <= kChannelBytesMax && name.find('\0') == std::string_view::npos;
}

ListeningConnection::ListeningConnection(DialRoom room, std::shared_ptr<BackendPool> pool, ConnectionPlace place,
                                         Handler& handler)
    : room_(room), pool_(std::move(pool)), place_(std::move(place)), handler_(handler) {}

ListeningConnection::~ListeningConnection() {
  if (state_ == State::kOpen) Close();  // says Terminate; nobody waits for the answer
  dial_.reset();
  socket_.reset();
  place_.reset();  // only after the socket
}

void ListeningConnection::Open(DialOptions options) {
  dial_ = std::make_unique<ServerDial>(room_, std::move(options), [this](tl::expected<DialedServer, pool::OpenFailure> opened) {
    if (opened) OnDialed(std::move(*opened));
    else End(Closed::kNotOpened, opened.error().cause);
  });
  dial_->Start();
}

void ListeningConnection::OnDialed(DialedServer opened) {
  dial_.reset();
  socket_ = std::move(opened.socket);
  socket_->HandTo(*this);
  place_at_host_ = std::move(opened.place);
  process_id_ = opened.process_id;
  peer_ = opened.peer;
  peer_host_ = opened.peer_host;
  state_ = State::kOpen;
  if (opened.derived_keys) pool_->RememberDerivedKeys(*opened.derived_keys);
  Log(Level::kInfo, "listen_open",
      {{"database", pool_->key().database}, {"user", pool_->key().user}, {"host", opened.where}, {"pid", process_id_}});
  handler_.OnOpened();
}

bool ListeningConnection::HasLost(const NameNews& news) const {
  return peer_host_ == news.name && peer_.is_ip() && !Contains(news.staying, peer_);
}

// --- commands ------------------------------------------------------------------------------------------------------------

uint64_t ListeningConnection::Listen(const std::string& channel) { return Send(Verb::kListen, channel); }

uint64_t ListeningConnection::Unlisten(const std::string& channel) { return Send(Verb::kUnlisten, channel); }

uint64_t ListeningConnection::Send(Verb verb, const std::string& channel) {
  std::string message;
  protocol::WriteQuery(message, (verb == Verb::kListen ? "LISTEN " : "UNLISTEN ") + Quoted(channel));
  commands_.push_back({verb, channel});
  if (!socket_->Write(message)) {
    // The handler is in the middle of something: it hears of the end in a later turn.
    room_.loop.Post([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired() && state_ == State::kOpen) End(Closed::kLost, "write failed");
    });
  }
  return answered_ + commands_.size();
}

void ListeningConnection::Close() {
  state_ = State::kClosing;
  Log(Level::kInfo, "listen_close",
      {{"database", pool_->key().database}, {"user", pool_->key().user}, {"pid", process_id_}});
  std::string terminate;
  protocol::WriteTerminate(terminate);
  socket_->Write(terminate);  // a broken connection shows in the next read
  socket_->Shutdown();
  socket_->Resume(PauseReason::kPeerFull);  // it waits for the server's end
  close_wait_ = std::make_unique<Timer>(room_.loop, [this] { End(Closed::kAsked, ""); });
  close_wait_->Start(kListeningCloseWait);
}

void ListeningConnection::Pause() {
  if (is_paused_ || state_ != State::kOpen) return;
  is_paused_ = true;
  socket_->Pause(PauseReason::kPeerFull);
}

void ListeningConnection::Resume() {
  if (!is_paused_ || state_ != State::kOpen) return;
  is_paused_ = false;
  socket_->Resume(PauseReason::kPeerFull);
  ReadMessages();
}

// --- what the server says ------------------------------------------------------------------------------------------------

void ListeningConnection::OnReadable() {
  std::array<char, kListeningReadBytes> buffer;
  const IoResult result = socket_->Read(buffer.data(), buffer.size());
  const bool has_ended = result.status == IoStatus::kEof || result.status == IoStatus::kError;
  if (has_ended && state_ == State::kClosing) return End(Closed::kAsked, "");
  if (has_ended) return End(Closed::kLost, surprise_.empty() ? "the server closed the connection" : surprise_);
  if (state_ == State::kClosing) return;
  input_.append(buffer.data(), result.bytes);
  ReadMessages();
}

void ListeningConnection::ReadMessages() {
  size_t pos = 0;
  while (state_ == State::kOpen && !is_paused_) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(std::string_view(input_).substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    if (status != protocol::FrameStatus::kFrame || frame.total > kListeningMessageBytesMax) {
      return End(Closed::kLost, "the server sent a malformed message");
    }
    if (!frame.IsWhole()) break;
    pos += frame.total;
    if (!OnMessage(frame.type, frame.body(), frame.here)) return End(Closed::kLost, surprise_);
  }
  input_.erase(0, pos);
}

bool ListeningConnection::OnMessage(char type, std::string_view body, std::string_view whole) {
  switch (type) {
    case 'A': return OnNotificationResponse(body, whole);
    case 'C': return OnCommandComplete(body);
    case 'Z': return OnReadyForQuery(body);
    case 'E': return OnError(body);
    case 'N':
    case 'S': return true;
    default: return Surprise("the server sent something that nobody asked for");
  }
}

bool ListeningConnection::Surprise(std::string_view why) {
  surprise_ = why;
  return false;
}

bool ListeningConnection::OnCommandComplete(std::string_view body) {
  using std::string_view_literals::operator""sv;
  if (commands_.empty() || commands_.front().is_complete) return Surprise("the server answered what nobody asked");
  Command& command = commands_.front();
  const std::string_view tag = command.verb == Verb::kListen ? "LISTEN\0"sv : "UNLISTEN\0"sv;
  if (body != tag) return Surprise("the server answered another command");
  command.is_complete = true;
  handler_.OnInForce(answered_ + 1);
  return true;
}

bool ListeningConnection::OnReadyForQuery(std::string_view body) {
  if (commands_.empty() || !commands_.front().is_complete) return Surprise("the server answered what nobody asked");
  if (body != "I") return Surprise("the server is in a transaction that nobody began");
  commands_.pop_front();
  handler_.OnAnswered(++answered_);
  return true;
}

bool ListeningConnection::OnError(std::string_view body) {
  const auto fields = protocol::ParseErrorFields(body);
  if (fields.severity != "ERROR" || commands_.empty() || commands_.front().is_complete) {
    return Surprise(fields.message.empty() ? "the server sent an error that nobody can place" : fields.message);
  }
  Command& command = commands_.front();
  command.is_complete = true;
  if (command.verb == Verb::kUnlisten) return Surprise(fields.message);
  const std::string channel = command.channel;  // the handler may send more commands
  if (handler_.OnRefused(channel, fields.message) == Refusal::kSurprise) return Surprise(fields.message);
  return true;
}

bool ListeningConnection::OnNotificationResponse(std::string_view body, std::string_view whole) {
  const size_t channel_end = body.size() < kProcessIdBytes ? std::string_view::npos : body.find('\0', kProcessIdBytes);
  const size_t payload_end = channel_end == std::string_view::npos ? channel_end : body.find('\0', channel_end + 1);
  if (payload_end == std::string_view::npos || payload_end + 1 != body.size()) {
    return Surprise("the server sent a malformed notification");
  }
  const std::string_view channel = body.substr(kProcessIdBytes, channel_end - kProcessIdBytes);
  handler_.OnNotification(channel, std::make_shared<const std::string>(whole));
  return true;
}

// --- the end -------------------------------------------------------------------------------------------------------------

void ListeningConnection::End(Closed how, std::string cause) {
  state_ = State::kClosed;
  if (how != Closed::kAsked) {
    Log(Level::kWarning, how == Closed::kLost ? "listen_lost" : "listen_failed",
        {{"database", pool_->key().database}, {"user", pool_->key().user}, {"pid", process_id_}, {"cause", cause}});
  }
  close_wait_.reset();
  dial_.reset();
  socket_.reset();
  place_.reset();  // only after the socket
  place_at_host_.Leave();
  handler_.OnClosed(how, cause);
}

}  // namespace proxy
