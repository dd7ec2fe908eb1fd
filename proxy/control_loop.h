// The control thread's loop: libevent for what no query passes (signals, HTTP), around an EventLoop for all else.
//
// Threads: the thread that runs it, except Stop of the loop within. Ownership: watches of signals borrow it.
#pragma once

#include <event2/event_struct.h>

#include <functional>
#include <string>

#include "proxy/event_loop.h"

struct event_base;

namespace proxy {

class ControlLoop {
 public:
  ControlLoop();
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  void Run();   // until the loop within is stopped
  void Turn();  // what is ready now
  EventLoop& loop() { return loop_; }
  event_base* base() const { return base_; }
  std::string Library() const;  // "libevent 2.1.12-stable (epoll)", for the log

 private:
  static void OnReady(int fd, short what, void* self);
  EventLoop loop_;
  event_base* base_ = nullptr;
  event turn_{};  // of loop_
};

// A signal that arrives as a call on the loop.
class SignalWatch {
 public:
  SignalWatch(ControlLoop& loop, int signal, std::function<void()> fire);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  static void OnFire(int fd, short what, void* self);
  event event_{};
  std::function<void()> fire_;
};

}  // namespace proxy
