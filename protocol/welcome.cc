#include "protocol/welcome.h"

#include <utility>

#include "protocol/message_writer.h"

namespace protocol {

Welcome::Welcome(std::vector<Setting> parameters) : parameters_(std::move(parameters)) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto& [name, value] = parameters_[i];
    const size_t begin = bytes_.size();
    WriteParameterStatus(bytes_, name, value);
    const std::string_view tracked = TrackedName(name);
    if (!tracked.empty()) places_.push_back({tracked, i, begin, bytes_.size()});
  }
}

void Welcome::Write(std::string& out, const Settings& own) const {
  size_t from = 0;
  for (const Place& place : places_) {
    const std::string* value = own.Find(place.tracked);
    if (value == nullptr) continue;
    out.append(bytes_, from, place.begin - from);
    WriteParameterStatus(out, parameters_[place.parameter].first, *value);
    from = place.end;
  }
  out.append(bytes_, from);
}

}  // namespace protocol
