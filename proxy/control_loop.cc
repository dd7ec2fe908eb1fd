#include "proxy/control_loop.h"

#include <event2/event.h>

#include "pool/check.h"

namespace proxy {

ControlLoop::ControlLoop() {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);  // only this thread touches the base: Post goes by the loop within
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  PGWEIR_CHECK(base_ != nullptr);
  event_assign(&turn_, base_, loop_.fd(), EV_READ | EV_PERSIST, &ControlLoop::OnReady, this);
  event_add(&turn_, nullptr);
}

ControlLoop::~ControlLoop() {
  event_del(&turn_);
  event_base_free(base_);
}

void ControlLoop::Run() {
  while (!loop_.is_stopped()) event_base_loop(base_, EVLOOP_ONCE);
}

void ControlLoop::Turn() { event_base_loop(base_, EVLOOP_NONBLOCK | EVLOOP_ONCE); }

void ControlLoop::OnReady(int, short, void* self) {
  auto& control = *static_cast<ControlLoop*>(self);
  if (control.loop_.Turn(EventLoop::Wait::kNo)) event_active(&control.turn_, EV_READ, 0);
}

std::string ControlLoop::Library() const {
  return std::string("libevent ") + event_get_version() + " (" + event_base_get_method(base_) + ")";
}

SignalWatch::SignalWatch(ControlLoop& loop, int signal, std::function<void()> fire) : fire_(std::move(fire)) {
  evsignal_assign(&event_, loop.base(), signal, &SignalWatch::OnFire, this);
  evsignal_add(&event_, nullptr);
}

SignalWatch::~SignalWatch() { evsignal_del(&event_); }

void SignalWatch::OnFire(int, short, void* self) { static_cast<SignalWatch*>(self)->fire_(); }

}  // namespace proxy
