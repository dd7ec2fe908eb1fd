// The only way to hold a server: a move-only lease whose end returns or discards it.
//
// What: Return says "the server is clean, give it to the next"; a lease that dies without Return discards, so that an early
// exit on any path closes the server instead of leaking it or handing on its state.
// Threads: lives on the worker that the server is bound to. Ownership: borrows the holder, which outlives the lease.
#pragma once

#include <utility>

namespace pool {

class LeaseHolder {
 public:
  virtual void OnLeaseReturned() = 0;
  virtual void OnLeaseDiscarded() = 0;

 protected:
  ~LeaseHolder() = default;
};

class [[nodiscard]] ServerLease {
 public:
  ServerLease() = default;
  explicit ServerLease(LeaseHolder& holder) : holder_(&holder) {}
  ServerLease(ServerLease&& other) noexcept : holder_(std::exchange(other.holder_, nullptr)) {}
  ServerLease& operator=(ServerLease&& other) noexcept {
    if (this != &other) {
      Discard();
      holder_ = std::exchange(other.holder_, nullptr);
    }
    return *this;
  }
  ~ServerLease() { Discard(); }

  explicit operator bool() const { return holder_ != nullptr; }
  void Return() {
    if (LeaseHolder* holder = std::exchange(holder_, nullptr)) holder->OnLeaseReturned();
  }
  void Discard() {
    if (LeaseHolder* holder = std::exchange(holder_, nullptr)) holder->OnLeaseDiscarded();
  }
  // The holder itself ended (the server broke): nothing to return any more.
  void Forget() { holder_ = nullptr; }

 private:
  LeaseHolder* holder_ = nullptr;
};

}  // namespace pool
