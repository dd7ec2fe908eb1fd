#include "protocol/connect_query.h"

#include <algorithm>
#include <utility>

#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "protocol/sql_lexer.h"
#include "protocol/sql_sniffer.h"

namespace protocol {

ConnectQuery::ConnectQuery(std::string sql, std::string session_user, std::vector<Setting> parameters)
    : sql_(std::move(sql)), session_user_(std::move(session_user)), parameters_(std::move(parameters)) {}

void ConnectQuery::Begin(std::string& out) { WriteQuery(out, sql_); }

ConnectQuery::Step ConnectQuery::Malformed(std::string why) {
  state_ = State::kEnded;
  why_ = std::move(why);
  return Step::kMalformed;
}

ConnectQuery::Step ConnectQuery::OnBytes(std::string_view bytes, std::string& out) {
  const size_t skipped = std::min(skip_left_, bytes.size());
  skip_left_ -= skipped;
  bytes.remove_prefix(skipped);
  input_.append(bytes);
  size_t pos = 0;
  while (pos < input_.size()) {
    Frame frame;
    const FrameStatus status = ReadServerFrame(std::string_view(input_).substr(pos), frame);
    if (status == FrameStatus::kIncomplete) break;
    if (status != FrameStatus::kFrame) return Malformed("the server sent a malformed message");
    const bool is_looked_at = std::string_view("SEZ").find(frame.type) != std::string_view::npos || (frame.type == 'D' && state_ == State::kAsked);
    if (is_looked_at && frame.total > kConnectMessageBytesMax) return Malformed("the server sent a message that is too long");
    if (is_looked_at && !frame.IsWhole()) break;
    pos += frame.here.size();
    skip_left_ = frame.total - frame.here.size();
    const Step step = OnMessage(frame.type, is_looked_at ? frame.body() : std::string_view(), out);
    if (step == Step::kReady && pos < input_.size()) return Malformed("the server sent more than an answer");
    if (step != Step::kContinue) return step;
  }
  input_.erase(0, pos);
  return Step::kContinue;
}

ConnectQuery::Step ConnectQuery::OnMessage(char type, std::string_view body, std::string& out) {
  switch (type) {
    case 'E':
      state_ = State::kEnded;
      server_error_ = body;
      return Step::kRefused;
    case 'S': return OnParameterStatus(body);
    case 'Z': return OnReady(body, out);
    case 'D':
      if (state_ == State::kAsked && !finding_.ReadRow(body, session_user_)) return Malformed("the server sent a malformed row about its settings");
      return Step::kContinue;
    case 'G':
    case 'W': return Malformed("it started a COPY that waits for data");
    case 'K':
    case 'R':
    case 'v': return Malformed("the server sent something that nobody asked for");
    default: return Step::kContinue;  // its result
  }
}

ConnectQuery::Step ConnectQuery::OnReady(std::string_view body, std::string& out) {
  if (body != "I") return Malformed("it left a transaction open");
  if (state_ == State::kAsked) {
    state_ = State::kEnded;
    return Step::kReady;
  }
  state_ = State::kAsked;
  WriteQuery(out, QuestionSql(Question()));
  return Step::kContinue;
}

ConnectQuery::Step ConnectQuery::OnParameterStatus(std::string_view body) {
  const size_t name_end = body.find('\0');
  const size_t value_end = name_end == std::string_view::npos ? name_end : body.find('\0', name_end + 1);
  if (value_end == std::string_view::npos) return Malformed("the server sent a malformed ParameterStatus");
  const std::string_view name = body.substr(0, name_end), value = body.substr(name_end + 1, value_end - name_end - 1);
  for (auto& [known, now] : parameters_) {
    if (known == name) now = value;
  }
  return Step::kContinue;
}

SessionQuestion ConnectQuery::Question() const {
  SessionQuestion question{.settings = SessionQuestion::Settings::kAll, .names = {"role", "session_authorization"}};
  const auto add = [&](std::string name) {
    for (char& c : name) c = LowerAscii(c);
    const bool is_known = std::find(question.names.begin(), question.names.end(), name) != question.names.end();
    if (IsPlainName(name) && !is_known && !name.starts_with("transaction_") && name != "seed") question.names.push_back(std::move(name));
  };
  for (const SqlStatement& statement : Examine(sql_, Backslash::kLiteral)) {
    if (statement.kind == SqlKind::kSet) {
      for (const std::string& name : statement.names) add(name);
    }
    for (const std::string& name : statement.set_config_names) add(name);
  }
  return question;
}

}  // namespace protocol
