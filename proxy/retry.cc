#include "proxy/retry.h"

namespace proxy {

void Retry::Begin() {
  state_ = State::kOpen;
  tells_type_ = has_described_ = is_beyond_ = false;
  answered_ = 0;
  bytes_.clear();
  uses_.clear();
}

void Retry::Record(const protocol::Frame& frame) {
  if (state_ == State::kWhole || !frame.IsWhole() || bytes_.size() + frame.total > kRetryBytesMax) return End();
  bytes_.append(frame.here);
  if (frame.type == 'P' || frame.type == 'D') tells_type_ = true;
  if (frame.type == 'S') state_ = State::kWhole;
  else if (frame.type == 'Q' || frame.type == 'F') End();
}

void Retry::Uses(std::string_view name, const protocol::StatementRef& statement) {
  if (state_ == State::kOpen) uses_.push_back({std::string(name), statement});
}

void Retry::OnAnswer(char type) {
  if (state_ == State::kOff) return;
  switch (type) {
    case '1':
    case '3': ++answered_; return;
    case 't': has_described_ = true; return;
    case 'N':
    case 'S':
    case 'A':
    case 'E': return;
    case 'Z': return End();
    default: is_beyond_ = true;
  }
}

std::string Retry::TakeRest() {
  std::string_view rest = bytes_;
  protocol::Frame frame;
  while (!rest.empty() && protocol::ReadClientFrame(rest, frame) == protocol::FrameStatus::kFrame) {
    const bool counts = frame.type == 'P' || frame.type == 'C';
    if (answered_ == 0 || (!counts && frame.type != 'H')) break;
    if (counts) --answered_;
    rest.remove_prefix(frame.total);
  }
  std::string taken(rest);
  End();
  return taken;
}

}  // namespace proxy
