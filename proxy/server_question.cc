#include "proxy/server_question.h"

#include <array>

#include "protocol/error_catalog.h"
#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "protocol/wire_value.h"

namespace proxy {
namespace {

constexpr size_t kQuestionReadBytes = 16 * 1024;

}  // namespace

std::optional<std::vector<std::string>> ReadDataRow(std::string_view body) {
  if (body.size() < 2) return std::nullopt;
  const size_t columns = protocol::ReadUint16(body.data());
  body.remove_prefix(2);
  std::vector<std::string> row;
  for (size_t i = 0; i < columns; ++i) {
    const auto value = protocol::TakeValue(body);
    if (!value) return std::nullopt;
    row.emplace_back(value->text);
  }
  if (!body.empty()) return std::nullopt;
  return row;
}

ServerQuestion::ServerQuestion(DialRoom room, ConnectionPlace place, std::string sql, Done done)
    : room_(room), place_(std::move(place)), sql_(std::move(sql)), done_(std::move(done)), deadline_(room.loop, [this] { OnDeadline(); }) {}

ServerQuestion::~ServerQuestion() {
  dial_.reset();
  socket_.reset();
  place_.reset();  // only after the socket
}

void ServerQuestion::Start(DialOptions options) {
  deadline_.Start(kQuestionTime);
  // The dial's own deadline is no shorter: which of its phases it was says more than that it was too long.
  options.target.connect_timeout = std::min(options.target.connect_timeout, kQuestionTime - pool::Duration(1000));
  where_ = options.target.hosts.empty() ? "" : options.target.hosts[0].name + ":" + std::to_string(options.target.hosts[0].port);
  dial_ = std::make_unique<ServerDial>(room_, std::move(options), [this](tl::expected<DialedServer, pool::OpenFailure> opened) {
    if (opened) OnDialed(std::move(*opened));
    else Finish(tl::unexpected(opened.error().cause));
  });
  dial_->Start();
}

void ServerQuestion::OnDialed(DialedServer opened) {
  dial_.reset();
  place_at_host_ = std::move(opened.place);
  socket_ = std::move(opened.socket);
  socket_->HandTo(*this);
  state_ = State::kAsking;
  std::string query;
  protocol::WriteQuery(query, sql_);
  if (!socket_->Write(query)) Fail("write failed");
}

void ServerQuestion::OnReadable() {
  std::array<char, kQuestionReadBytes> buffer;
  const IoResult result = socket_->Read(buffer.data(), buffer.size());
  const bool has_ended = result.status == IoStatus::kEof || result.status == IoStatus::kError;
  if (has_ended && state_ == State::kClosing) return Finish(std::move(rows_));
  if (has_ended) return Fail("the server closed the connection");
  if (state_ != State::kAsking) return;
  input_.append(buffer.data(), result.bytes);
  bytes_ += result.bytes;
  if (bytes_ > kAnswerBytesMax) return Fail("the answer is too long");
  ReadMessages();
}

void ServerQuestion::ReadMessages() {
  size_t pos = 0;
  while (state_ == State::kAsking) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(std::string_view(input_).substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    if (status != protocol::FrameStatus::kFrame || frame.total > kAnswerBytesMax) {
      return Fail("the server sent a malformed message");
    }
    if (!frame.IsWhole()) break;
    pos += frame.total;
    if (!OnMessage(frame.type, frame.body())) return Fail(refusal_);
  }
  input_.erase(0, pos);
}

bool ServerQuestion::OnMessage(char type, std::string_view body) {
  switch (type) {
    case 'D': return OnDataRow(body);
    case 'E': {
      const std::string_view message = protocol::ParseErrorFields(body).message;
      return Refuse(message.empty() ? "the server sent an error that cannot be read" : message);
    }
    case 'Z': BeginClose(); return true;
    case 'T':
    case 'C':
    case 'N':
    case 'S': return true;
    default: return Refuse("the server sent something that nobody asked for");
  }
}

bool ServerQuestion::OnDataRow(std::string_view body) {
  auto row = ReadDataRow(body);
  if (!row) return Refuse("the server sent a malformed row");
  rows_.push_back(std::move(*row));
  return true;
}

bool ServerQuestion::Refuse(std::string_view why) {
  refusal_ = why;
  return false;
}

void ServerQuestion::BeginClose() {
  state_ = State::kClosing;
  std::string terminate;
  protocol::WriteTerminate(terminate);
  socket_->Write(terminate);  // a broken connection shows in the next read
  socket_->Shutdown();
}

void ServerQuestion::OnDeadline() {
  if (state_ == State::kClosing) return Finish(std::move(rows_));
  Fail("no answer in time");
}

void ServerQuestion::Fail(const std::string& cause) { Finish(tl::unexpected(where_ + ": " + cause)); }

void ServerQuestion::Finish(Answer answer) {
  if (state_ == State::kDone) return;
  state_ = State::kDone;
  deadline_.Stop();
  dial_.reset();
  socket_.reset();
  place_.reset();  // only after the socket
  const Done done = std::move(done_);
  done(std::move(answer));
}

}  // namespace proxy
