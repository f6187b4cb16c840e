// SPDX-License-Identifier: BSD-2-Clause
// portions.h: walks over many items in portions of a given size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace rawvs {

class Portions {
 public:
  // Add a walk over `count()` items (each), over the `inner(i)` items of each of `count()` (each_of), or a single task
  // (once). The number is asked when the walk begins: an earlier walk may decide it.
  template <class Count, class One>
  void each(Count count, One one) {
    struct Each {
      Count count;
      One one;
    };
    add<Each>({std::move(count), std::move(one)}, nullptr,
              [](void* walk, size_t i, size_t) { static_cast<Each*>(walk)->one(i); });
  }
  template <class Count, class Inner, class One>
  void each_of(Count count, Inner inner, One one) {
    struct EachOf {
      Count count;
      Inner inner;
      One one;
    };
    add<EachOf>(
        {std::move(count), std::move(inner), std::move(one)},
        [](void* walk, size_t i) { return size_t{static_cast<EachOf*>(walk)->inner(i)}; },
        [](void* walk, size_t i, size_t n) { static_cast<EachOf*>(walk)->one(i, n); });
  }
  template <class One>
  void once(One one) {
    each([] { return size_t{1}; }, [one = std::move(one)](size_t) { one(); });
  }

  // Removes an item: for walks that free what is large, one item after the other.
  template <class Items>
  static void drop(Items& all) {
    if (all.empty()) return;
    if constexpr (requires { all.pop_back(); }) {
      all.pop_back();
    } else {
      all.erase(all.begin());
    }
  }
  void finish() {  // does all walks at once
    while (!step(SIZE_MAX / 2)) continue;
  }

  // Counts additional work for an expensive item.
  void spend(size_t work) { spent_ += work; }
  size_t worked() const { return spent_; }

  bool step(size_t work);  // true when all walks are done

 private:
  // Plain functions take less room than a class with virtual ones for each kind of walk.
  struct Walk {
    std::unique_ptr<void, void (*)(void*)> state;
    size_t (*count)(void*);
    size_t (*inner)(void*, size_t);  // null: 1
    void (*one)(void*, size_t, size_t);
  };

  template <class State>
  void add(State state, size_t (*inner)(void*, size_t), void (*one)(void*, size_t, size_t)) {
    void (*release)(void*) = release_plain;
    if constexpr (!std::is_trivially_destructible_v<State>) {
      release = [](void* walk) { delete static_cast<State*>(walk); };
    }
    add({{new State(std::move(state)), release},
         [](void* walk) { return size_t{static_cast<State*>(walk)->count()}; },
         inner,
         one});
  }
  void add(Walk walk);
  static void release_plain(void* walk) { ::operator delete(walk); }

  std::vector<Walk> walks_;
  size_t walk_ = 0, outer_ = 0, i_ = 0, n_ = 0, spent_ = 0;
  bool begun_ = false;
};

}  // namespace rawvs
