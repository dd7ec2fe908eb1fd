#include "pool/intrusive_list.h"

#include <gtest/gtest.h>

#include <vector>

namespace pool {
namespace {

struct Item {
  int name;
  ListLinks<Item> links;
};
using List = IntrusiveList<Item, &Item::links>;

std::vector<int> Forward(const List& list) {
  std::vector<int> names;
  for (const Item* item = list.front(); item != nullptr; item = List::Next(*item)) names.push_back(item->name);
  return names;
}

std::vector<int> Backward(const List& list) {
  std::vector<int> names;
  for (const Item* item = list.back(); item != nullptr; item = item->links.previous) names.push_back(item->name);
  return names;
}

TEST(IntrusiveList, LinksBothWays) {
  List list;
  EXPECT_TRUE(list.empty());
  Item a{1, {}}, b{2, {}}, c{3, {}}, d{4, {}};
  list.PushBack(b);
  list.PushFront(a);
  list.PushBack(d);
  list.InsertAfter(&b, c);
  EXPECT_EQ(Forward(list), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(Backward(list), (std::vector<int>{4, 3, 2, 1}));
}

TEST(IntrusiveList, RemovesAtEveryPosition) {
  for (size_t gone = 0; gone < 3; ++gone) {
    std::vector<Item> items{{0, {}}, {1, {}}, {2, {}}};
    List list;
    for (Item& item : items) list.PushBack(item);
    list.Remove(items[gone]);
    std::vector<int> left{0, 1, 2};
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(gone));
    EXPECT_EQ(Forward(list), left);
    EXPECT_EQ(Backward(list), (std::vector<int>{left[1], left[0]}));
    list.PushFront(items[gone]);  // free to enter a list again
    EXPECT_EQ(list.front(), &items[gone]);
  }
}

TEST(IntrusiveList, IsEmptyAfterTheLastOne) {
  List list;
  Item a{1, {}};
  list.PushBack(a);
  list.Remove(a);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
}

TEST(IntrusiveListDeathTest, RefusesWhatIsNotItsTurn) {
  List list;
  Item a{1, {}};
  EXPECT_DEATH(list.Remove(a), "broken invariant");
  list.PushBack(a);
  EXPECT_DEATH(list.PushFront(a), "broken invariant");
}

}  // namespace
}  // namespace pool
