#include "pool/flows.h"

#include <algorithm>
#include <utility>

namespace pool {
namespace {

// A moving mean over about the last eight.
Duration Blend(Duration mean, Duration latest) { return mean.count() == 0 ? latest : mean + (latest - mean) / 8; }

}  // namespace

Waiter* Flow::Oldest() const {
  Waiter* oldest = nullptr;
  for (const auto& list : lists) {
    Waiter* head = list.front();
    if (head != nullptr && (oldest == nullptr || head->ticket < oldest->ticket)) oldest = head;
  }
  return oldest;
}

void Flows::Add(Waiter& waiter) {
  if (flows_.size() >= kFlowsKept && !flows_.contains(waiter.flow)) ForgetAbsent();
  Flow& flow = flows_[waiter.flow];
  if (flow.lists.empty()) {
    flow.key = waiter.flow;
    flow.lists.resize(workers_);
    flow.usual = usual_;
  }
  flow.weight = std::max<uint16_t>(waiter.weight, 1);
  auto& list = flow.lists[waiter.worker];
  Waiter* before = list.back();
  while (before != nullptr && before->ticket > waiter.ticket) before = before->flow_links.previous;
  list.InsertAfter(before, waiter);
  if (flow.waiting++ > 0) return;
  flow.meter = std::max(flow.meter, now_);
  flow.overload.Forget();
  flow.place = heap_.size();
  heap_.push_back(&flow);
  Settle(flow.place);
}

void Flows::Remove(Waiter& waiter) {
  Flow& flow = Of(waiter);
  flow.lists[waiter.worker].Remove(waiter);
  if (--flow.waiting > 0) return;
  Flow* last = heap_.back();
  heap_.pop_back();
  if (last == &flow) return;
  heap_[flow.place] = last;
  last->place = flow.place;
  Settle(last->place);
}

Loan Flows::Lend(Flow& flow, TimePoint now) {
  now_ = std::max(now_, flow.meter);
  Spend(flow, flow.usual);
  return {flow.key, flow.usual, now};
}

void Flows::Charge(const Loan& loan, TimePoint now) {
  const auto found = flows_.find(loan.flow);
  if (found == flows_.end()) return;
  const Duration held = now - loan.since;
  Flow& flow = found->second;
  Spend(flow, held - loan.charged);
  flow.usual = Blend(flow.usual, held);
  usual_ = Blend(usual_, held);
}

void Flows::Spend(Flow& flow, Duration time) {
  flow.meter += time / flow.weight;
  if (flow.waiting > 0) Settle(flow.place);
}

// Up or down to where its meter belongs.
void Flows::Settle(size_t place) {
  Flow* flow = heap_[place];
  const auto put = [this](Flow* moved, size_t at) {
    heap_[at] = moved;
    moved->place = at;
  };
  while (place > 0 && flow->meter < heap_[(place - 1) / 2]->meter) {
    put(heap_[(place - 1) / 2], place);
    place = (place - 1) / 2;
  }
  for (size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1]->meter < heap_[child]->meter) ++child;
    if (heap_[child]->meter >= flow->meter) break;
    put(heap_[child], place);
    place = child;
  }
  put(flow, place);
}

void Flows::ForgetAbsent() {
  std::erase_if(flows_, [this](const auto& item) { return item.second.waiting == 0 && item.second.meter <= now_; });
}

void Flows::Clear() {
  PGWEIR_CHECK(heap_.empty());
  flows_.clear();
  now_ = Duration(0);
}

void Flows::ForgetOverload() {
  for (auto& [key, flow] : flows_) flow.overload.Forget();
}

bool Flows::IsShedding() const {
  return std::any_of(heap_.begin(), heap_.end(), [](const Flow* flow) { return flow->overload.is_shedding(); });
}

}  // namespace pool
