// SPDX-License-Identifier: BSD-2-Clause
// portions.h: walks over many items in portions of a given size.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace rawvs {

class Portions {
 public:
  // Add a walk over `count()` items (each), over the `inner(i)` items of each of `count()` (each_of), or a single task
  // (once). The number is asked when the walk begins: an earlier walk may decide it.
  template <class Count, class One>
  void each(Count count, One one) {
    struct Each final : Walk {
      Each(Count c, One o) : count_(std::move(c)), one_(std::move(o)) {}
      size_t count() override { return count_(); }
      void one(size_t i, size_t) override { one_(i); }
      Count count_;
      One one_;
    };
    add(std::unique_ptr<Walk>(new Each(std::move(count), std::move(one))));
  }
  template <class Count, class Inner, class One>
  void each_of(Count count, Inner inner, One one) {
    struct EachOf final : Walk {
      EachOf(Count c, Inner n, One o) : count_(std::move(c)), inner_(std::move(n)), one_(std::move(o)) {}
      size_t count() override { return count_(); }
      size_t inner(size_t i) override { return inner_(i); }
      void one(size_t i, size_t n) override { one_(i, n); }
      Count count_;
      Inner inner_;
      One one_;
    };
    add(std::unique_ptr<Walk>(new EachOf(std::move(count), std::move(inner), std::move(one))));
  }
  template <class One>
  void once(One one) {
    each([] { return size_t{1}; }, [one = std::move(one)](size_t) { one(); });
  }

  // Counts additional work for an expensive item.
  void spend(size_t work) { spent_ += work; }
  size_t worked() const { return spent_; }

  bool step(size_t work);  // true when all walks are done

 private:
  struct Walk {
    virtual ~Walk() = default;
    virtual size_t count() = 0;
    virtual size_t inner(size_t) { return 1; }
    virtual void one(size_t i, size_t n) = 0;
  };

  void add(std::unique_ptr<Walk> walk);

  std::vector<std::unique_ptr<Walk>> walks_;
  size_t walk_ = 0, outer_ = 0, i_ = 0, n_ = 0, spent_ = 0;
  bool begun_ = false;
};

}  // namespace rawvs
