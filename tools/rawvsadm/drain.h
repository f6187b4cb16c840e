// SPDX-License-Identifier: BSD-2-Clause
// drain.h: drains a server in every service that has it: requests, what is left, the command that undoes it.
// In:  rows of "list".
// Out: requests, command lines, texts.
// Not: asking and waiting (words_drain.cpp).
#pragma once

#include <functional>

#include "json.h"
#include "rawvs/addr.h"
#include "texts.h"

namespace rawvs::adm {

struct Drained {  // the server's facts
  Rows servers;   // its rows, one per service
  uint64_t active = 0, inactive = 0, persistent = 0;
  bool quiesced = true;  // all weights are 0
  uint64_t left() const { return active + inactive; }
};

// Of the server rows for which meant() is true.
Drained drained(const Rows& rows, const std::function<bool(const Row&)>& meant);

uint64_t given_weight(const Row& server);        // the operator's, whatever checks say
std::string quiesce_command(const Row& server);  // edit-server with the row's values, but weight 0
std::string undo_line(const Row& server);        // rawvsadm -e ...: restores the row's values
std::string left_text(const Drained& drained);   // 3 connections left (1 active, 2 inactive)
std::string templates_text(const Drained& drained, const std::string& server);  // empty without persistent clients

}  // namespace rawvs::adm
