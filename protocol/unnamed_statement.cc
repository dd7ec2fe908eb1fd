#include "protocol/unnamed_statement.h"

#include <algorithm>

namespace protocol {
namespace {

constexpr size_t kSpareVersions = 2;  // one settled, one on its way: what most clients ever have

}  // namespace

void UnnamedStatement::Version::Forget() {
  serial = 0;
  body.clear();  // its capacity stays
  flags = 0;
  details.clear();
}

UnnamedStatement::Version& UnnamedStatement::Push(std::string_view body, uint64_t batch) {
  if (count_ == versions_.size()) versions_.emplace_back();
  Version& version = versions_[count_++];
  if (body.size() <= kUnnamedTextMax) version.body.assign(body);
  else version.body.clear();
  version.serial = ++last_serial_;
  version.batch = batch;
  version.flags = 0;
  version.details.clear();
  return version;
}

UnnamedStatement::Version& UnnamedStatement::Put(std::string_view body, uint64_t batch) {
  Push(body, batch);
  Confirm(1);
  return newest();
}

void UnnamedStatement::PopFront() {
  std::rotate(versions_.begin(), versions_.begin() + 1, versions_.begin() + static_cast<std::ptrdiff_t>(count_));
  --count_;
  if (count_ < kSpareVersions && versions_.size() > kSpareVersions) versions_.resize(kSpareVersions);
}

void UnnamedStatement::Confirm(uint32_t count) {
  while (count-- > 0 && count_ > 1) PopFront();
}

void UnnamedStatement::Undo(uint32_t count, First first) {
  if (count == 0 || count_ == 1) return;
  if (first == First::kFailed) versions_[0].Forget();
  const auto gone = static_cast<std::ptrdiff_t>(std::min<size_t>(count, count_ - 1));
  std::rotate(versions_.begin() + 1, versions_.begin() + 1 + gone, versions_.begin() + static_cast<std::ptrdiff_t>(count_));
  count_ -= static_cast<size_t>(gone);
}

void UnnamedStatement::Drop() {
  for (size_t i = 0; i < count_; ++i) versions_[i].Forget();
}

size_t UnnamedStatement::bytes() const {
  size_t bytes = versions_.capacity() * sizeof(Version);
  for (const Version& version : versions_) bytes += version.body.capacity();
  return bytes;
}

}  // namespace protocol
