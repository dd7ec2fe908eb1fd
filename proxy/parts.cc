#include "proxy/parts.h"

namespace proxy {

void Parts::AddApart(std::string_view slice) {
  if (slice.size() <= kCopiedSliceMax || count_ >= kPartsMax) return AddOwn(slice);
  bytes_ += slice.size();
  parts_[count_++] = {slice.data(), 0, slice.size()};
}

void Parts::EndOwn() {
  const size_t added = own_.size() - own_begin_;
  if (added == 0) return;
  bytes_ += added;
  if (count_ > 0 && parts_[count_ - 1].slice == nullptr) {
    parts_[count_ - 1].size += added;
    return;
  }
  parts_[count_++] = {nullptr, own_begin_, added};
}

std::span<const iovec> Parts::Vector() {
  for (size_t i = 0; i < count_; ++i) {
    const Part& part = parts_[i];
    const char* bytes = part.slice != nullptr ? part.slice : own_.data() + part.from;
    vector_[i] = {const_cast<char*>(bytes), part.size};
  }
  return {vector_.data(), count_};
}

void Parts::ClearOwn() {
  if (own_.capacity() > kPartsKeptBytes) std::string().swap(own_);
  own_.clear();
}

Parts::Mark Parts::mark() const { return {count_, count_ > 0 ? parts_[count_ - 1].size : 0, own_.size(), bytes_}; }

void Parts::CutTo(const Mark& mark) {
  count_ = mark.count;
  if (count_ > 0) parts_[count_ - 1].size = mark.last;
  own_.resize(mark.own);
  bytes_ = mark.bytes;
}

}  // namespace proxy
