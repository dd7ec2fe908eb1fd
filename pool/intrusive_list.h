// A doubly linked list whose links live in its elements: O(1) push, pop and removal, no allocation.
//
// Ownership: borrows; an element must leave its list before it dies. Threads: none of its own.
#pragma once

#include "pool/check.h"

namespace pool {

template <typename T>
struct ListLinks {
  T* previous = nullptr;
  T* next = nullptr;
  bool linked = false;
};

template <typename T, ListLinks<T> T::*kLinks>
class IntrusiveList {
 public:
  bool empty() const { return head_ == nullptr; }
  T* front() const { return head_; }
  T* back() const { return tail_; }
  static T* Next(const T& item) { return (item.*kLinks).next; }

  void PushBack(T& item) { InsertAfter(tail_, item); }
  void PushFront(T& item) { InsertAfter(nullptr, item); }

  // position == nullptr: at the front
  void InsertAfter(T* position, T& item) {
    ListLinks<T>& links = item.*kLinks;
    PGWEIR_CHECK(!links.linked);
    links.linked = true;
    links.previous = position;
    links.next = position ? (position->*kLinks).next : head_;
    (links.previous ? (links.previous->*kLinks).next : head_) = &item;
    (links.next ? (links.next->*kLinks).previous : tail_) = &item;
  }

  void Remove(T& item) {
    ListLinks<T>& links = item.*kLinks;
    PGWEIR_CHECK(links.linked);
    (links.previous ? (links.previous->*kLinks).next : head_) = links.next;
    (links.next ? (links.next->*kLinks).previous : tail_) = links.previous;
    links = ListLinks<T>{};
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
};

}  // namespace pool
