// The pieces of one write: slices of a read buffer that go on as they came, and bytes of our own between them.
//
// What: a stream that is only forwarded stays one slice and costs one send. Once something of our own is in it, short slices are
// copied beside it, so that a batch of small messages is still one piece; long ones stay where they are and leave by the same
// sendmsg. Slices are borrowed until Clear.
// Threads: one per worker and direction, used within one turn. Limits: kPartsMax pieces (then even long slices are copied).
#pragma once

#include <sys/uio.h>

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace proxy {

inline constexpr size_t kPartsMax = 16;
inline constexpr size_t kCopiedSliceMax = 1024;
inline constexpr size_t kPartsKeptBytes = 64 * 1024;  // of our own buffer, between turns

class Parts {
 public:
  void Add(std::string_view slice) {
    if (slice.empty()) return;
    if (count_ > 0) {
      Part& last = parts_[count_ - 1];
      if (last.slice == nullptr || last.slice + last.size != slice.data()) return AddApart(slice);
      last.size += slice.size();
    } else {
      parts_[count_++] = {slice.data(), 0, slice.size()};
    }
    bytes_ += slice.size();
  }
  // Where bytes of our own are appended; EndOwn follows.
  std::string& BeginOwn() {
    own_begin_ = own_.size();
    return own_;
  }
  void EndOwn();
  void AddOwn(std::string_view bytes) {
    BeginOwn().append(bytes);
    EndOwn();
  }
  bool empty() const { return count_ == 0; }
  size_t bytes() const { return bytes_; }
  // Everything as it is sent. Valid until the next change.
  std::span<const iovec> Vector();
  void Clear() {
    count_ = bytes_ = 0;
    if (!own_.empty()) ClearOwn();
  }

  // Cuts off what was added since `mark`.
  struct Mark {
    size_t count = 0, last = 0, own = 0, bytes = 0;
  };
  Mark mark() const;
  void CutTo(const Mark& mark);

 private:
  struct Part {
    const char* slice = nullptr;  // nullptr: in own_, from `from`
    size_t from = 0, size = 0;
  };
  void AddApart(std::string_view slice);  // it does not continue what is there
  void ClearOwn();

  std::array<Part, kPartsMax + 1> parts_;
  std::array<iovec, kPartsMax + 1> vector_;
  size_t count_ = 0, bytes_ = 0, own_begin_ = 0;
  std::string own_;
};

}  // namespace proxy
