#include "tests/walk/session.h"

namespace walk {
namespace {

using namespace test_support;

// Longer than pgweir lets a client wait for a server: what never answers is a finding, not a slow machine.
constexpr Milliseconds kAnswerPatience{20'000};
// OIDs from here on belong to objects that a test has made: PostgreSQL's FirstNormalObjectId.
constexpr uint32_t kFirstOwnOid = 16384;
constexpr char kErrorFields[] = "VCMDHPpqWstcdn";

std::string TakeText(const std::string& body, size_t& at) {
  const size_t end = body.find('\0', at);
  if (end == std::string::npos) throw std::runtime_error("text without an end");
  const std::string text = body.substr(at, end - at);
  at = end + 1;
  return text;
}

uint32_t Int16At(const std::string& body, size_t at) {
  return static_cast<uint32_t>(static_cast<unsigned char>(body.at(at))) << 8 |
         static_cast<unsigned char>(body.at(at + 1));
}

std::string OidText(uint32_t oid) { return oid >= kFirstOwnOid ? "own" : std::to_string(oid); }

std::string ColumnsText(const std::string& body) {
  std::string text = "columns";
  size_t at = 2;
  for (uint32_t left = Int16At(body, 0); left > 0; --left) {
    text += " " + TakeText(body, at) + ":";
    text += OidText(Int32At(body, at)) + "." + std::to_string(Int16At(body, at + 4)) + ":" +
            OidText(Int32At(body, at + 6)) + ":" + std::to_string(Int16At(body, at + 10)) + ":" +
            std::to_string(Int32At(body, at + 12)) + ":" + std::to_string(Int16At(body, at + 16));
    at += 18;
  }
  return text;
}

std::string ParametersText(const std::string& body) {
  std::string text = "parameters";
  for (uint32_t i = 0; i < Int16At(body, 0); ++i) text += " " + OidText(Int32At(body, 2 + 4 * static_cast<size_t>(i)));
  return text;
}

std::string RowText(const Message& message) {
  std::string text = "row";
  for (const auto& value : RowValues(message)) text += " | " + value.value_or("NULL");
  return text;
}

std::string LineOf(const Message& message) {
  size_t at = 0;
  switch (message.type) {
    case '1':
      return "parsed";
    case '2':
      return "bound";
    case '3':
      return "closed";
    case 'n':
      return "no data";
    case 'I':
      return "empty query";
    case 'T':
      return ColumnsText(message.body);
    case 't':
      return ParametersText(message.body);
    case 'D':
      return RowText(message);
    case 'C':
      return "done " + TakeText(message.body, at);
    case 'd':
      return "copied " + message.body;
    default:
      return std::string("message ") + message.type;
  }
}

}  // namespace

Observation Session::Connect(int port, const Names& startup) {
  Observation observation;
  parameters_.clear();
  notifications_.clear();
  loose_lines_.clear();
  status_ = 'I';
  client_.emplace(port);
  client_->set_patience(kAnswerPatience);
  if (!client_->Login(startup)) observation.lines.push_back("login refused");
  for (const Message& message : client_->login_messages()) {
    if (message.type != 'K' && message.type != 'R') See(message, observation);
  }
  return observation;
}

Observation Session::Perform(const Action& action) {
  Observation observation;
  observation.lines.swap(loose_lines_);
  try {
    client_->Send(action.bytes);
    for (int readies = 0; readies < action.readies;) {
      const auto message = client_->ReadMessage();
      if (!message) {
        observation.lines.push_back("connection ended");
        observation.is_cut_short = true;
        break;
      }
      See(*message, observation);
      if (message->type == 'Z') ++readies;
    }
  } catch (const std::runtime_error& error) {
    observation.lines.push_back(std::string("no answer: ") + error.what());
    observation.is_cut_short = true;
  }
  return observation;
}

void Session::End(Ending ending) {
  if (client_ && ending == Ending::kTerminate) client_->Send(Terminate());
  client_.reset();
}

bool Session::AwaitNotifications(size_t count) {
  Observation loose;
  try {
    while (notifications_.size() < count) {
      const auto message = client_->ReadMessage();
      if (!message) return false;
      See(*message, loose);
    }
  } catch (const TimedOut&) {
    return false;
  }
  loose_lines_.insert(loose_lines_.end(), loose.lines.begin(), loose.lines.end());
  return true;
}

std::vector<std::string> Session::TakeNotifications() {
  std::vector<std::string> taken;
  taken.swap(notifications_);
  return taken;
}

void Session::See(const Message& message, Observation& observation) {
  size_t at = 0;
  switch (message.type) {
    case 'S': {
      const std::string name = TakeText(message.body, at);
      parameters_[name] = TakeText(message.body, at);
      return;
    }
    case 'A': {
      at = 4;  // the process id
      const std::string channel = TakeText(message.body, at);
      notifications_.push_back(channel + ":" + TakeText(message.body, at));
      return;
    }
    case 'E':
    case 'N':
      SeeError(message, observation);
      return;
    case 'Z':
      status_ = message.body.at(0);
      observation.lines.push_back("ready " + message.body);
      return;
    default:
      observation.lines.push_back(LineOf(message));
  }
}

void Session::SeeError(const Message& message, Observation& observation) {
  std::string text = message.type == 'E' ? "error" : "notice";
  for (const char* field = kErrorFields; *field != '\0'; ++field) {
    const std::string value = ErrorField(message, *field);
    if (!value.empty()) text += std::string(" ") + *field + "=" + value;
  }
  observation.lines.push_back(text);
  if (message.type != 'E') return;
  observation.has_failed = true;
  if (text.find("cached plan must not change result type") != std::string::npos) observation.has_stale_plan = true;
}

}  // namespace walk
