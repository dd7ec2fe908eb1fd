#include "tests/support/wire_client.h"

namespace test_support {
namespace {
constexpr uint32_t kAuthOk = 0, kAuthClear = 3, kAuthMd5 = 5, kAuthSasl = 10, kAuthSaslContinue = 11,
                   kAuthSaslFinal = 12;
}  // namespace

bool WireClient::Login(const Names& parameters, const std::string& password, uint32_t version) {
  if (!Send(StartupBytes(parameters, version))) return false;
  for (const auto& [name, value] : parameters) {
    if (name == "user") return FinishLogin(value, password);
  }
  return FinishLogin("", password);
}

bool WireClient::FinishLogin(const std::string& user, const std::string& password) {
  while (auto message = ReadMessage()) {
    login_messages_.push_back(*message);
    const std::string& body = message->body;
    if (message->type == 'R') {
      const std::string answer = AnswerTo(*message, user, password);
      if (!answer.empty() && !Send(answer)) return false;
    } else if (message->type == 'S') {
      const size_t end = body.find('\0');
      parameters_[body.substr(0, end)] = body.substr(end + 1, body.size() - end - 2);
    } else if (message->type == 'K') {
      process_id_ = Int32At(body, 0);
      key_ = body.substr(4);
    } else if (message->type == 'E') {
      error_ = *message;
      return false;
    } else if (message->type == 'Z') {
      return true;
    }
  }
  return false;
}

std::string WireClient::AnswerTo(const Message& authentication, const std::string& user, const std::string& password) {
  const uint32_t kind = Int32At(authentication.body, 0);
  if (kind == kAuthClear) return Password(Text(password));
  if (kind == kAuthMd5) {
    const std::string salt = authentication.body.substr(4, 4);
    return Password(Text(protocol::Md5Response(protocol::Md5Secret(user, password), salt)));
  }
  if (kind == kAuthSasl) {
    scram_.emplace("bm9uY2VzIGluIHRlc3RzIG5lZWQgbm90IGJlIHJhbmRvbQ");
    const std::string first = scram_->First();
    return Password(Text("SCRAM-SHA-256") + Int32Bytes(static_cast<int64_t>(first.size())) + first);
  }
  if (kind == kAuthSaslContinue && scram_) {
    const auto challenge = scram_->OnServerFirst(authentication.body.substr(4));
    if (!challenge) throw std::runtime_error("SASL challenge: " + challenge.error());
    const std::string prepared = protocol::PreparePassword(password);
    return Password(scram_->Final(protocol::DeriveKeys(prepared, challenge->salt, challenge->iterations)));
  }
  if (kind == kAuthOk || kind == kAuthSaslFinal) return "";
  throw std::runtime_error("authentication request " + std::to_string(kind));
}

std::vector<Message> WireClient::Ask(std::string_view bytes) {
  Send(bytes);
  return ReadUntil('Z');
}

std::string WireClient::Value(std::string_view sql) {
  for (const Message& message : Ask(Query(sql))) {
    if (message.type == 'D') return RowValues(message).at(0).value_or("");
    if (message.type == 'E') throw std::runtime_error(ErrorField(message, 'C') + " " + ErrorField(message, 'M'));
  }
  throw std::runtime_error("no row: " + std::string(sql));
}

}  // namespace test_support
