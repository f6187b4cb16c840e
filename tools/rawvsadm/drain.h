// SPDX-License-Identifier: BSD-2-Clause
// drain.h: what is left on servers that are drained.
// In:  rows of "list".
// Out: sums, texts.
// Not: asking and waiting (words_drain.cpp), orders (orders.h).
#pragma once

#include <functional>

#include "json.h"
#include "rawvs/addr.h"
#include "texts.h"

namespace rawvs::adm {

struct Drained {  // the servers' facts
  Rows servers;   // their rows
  uint64_t active = 0, inactive = 0, persistent = 0;
  bool ordered = true;  // all are drained, or disabled
  uint64_t left() const { return active + inactive; }
};

// Of the server rows for which meant() is true.
Drained drained(const Rows& rows, const std::function<bool(const Row&)>& meant);

std::string left_text(const Drained& drained);  // 3 connections left (1 active, 2 inactive)
std::string templates_text(const Drained& drained, const std::string& server);  // empty without persistent clients

}  // namespace rawvs::adm
