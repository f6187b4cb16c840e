// SPDX-License-Identifier: BSD-2-Clause
// clients.cpp: which of the clients' connections have to end.
#include "tools/rawvs-web/clients.h"

#include <algorithm>

namespace rawvs::web {

Clients::One* Clients::find(int fd) {
  const auto found = std::ranges::find(all_, fd, &One::fd);
  return found == all_.end() ? nullptr : &*found;
}

std::vector<int> Clients::begun(int fd, const std::string& address, Instant now) {
  all_.push_back({fd, address, now});
  size_t open = 0, its = 0;
  for (const One& one : all_) {
    if (one.ending) continue;
    ++open;
    its += one.address == address ? 1 : 0;
  }
  std::vector<int> out;
  const auto end_oldest = [&](auto fits) {
    One* oldest = nullptr;
    for (One& one : all_) {
      if (!one.ending && fits(one) && (!oldest || one.rank() < oldest->rank())) oldest = &one;
    }
    if (!oldest) return;
    oldest->ending = true;
    out.push_back(oldest->fd);
  };
  if (its > kMostEach) {
    end_oldest([&](const One& one) { return one.address == address; });
  } else if (open > kMost) {
    end_oldest([](const One&) { return true; });
  }
  return out;
}

void Clients::asked(int fd) {
  if (One* const one = find(fd)) one->asked = true;
}

void Clients::ended(int fd) {
  const auto found = std::ranges::find(all_, fd, &One::fd);
  if (found != all_.end()) all_.erase(found);
}

std::vector<int> Clients::overdue(Instant now) {
  std::vector<int> out;
  for (One& one : all_) {
    if (one.ending || now - one.begun < (one.asked ? kToEnd : kToAsk)) continue;
    one.ending = true;
    out.push_back(one.fd);
  }
  return out;
}

}  // namespace rawvs::web
