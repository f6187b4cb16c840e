// SPDX-License-Identifier: BSD-2-Clause
// event_list.cpp: the director's last events.
#include "tools/rawvs-web/event_list.h"

#include <iterator>
#include <utility>

namespace rawvs::web {

bool EventList::take(adm::Rows rows, uint64_t after, uint64_t connection) {
  if (after != 0 && connection != connection_) return connection_ = 0, last_ = 0, false;
  if (after == 0) rows_.clear(), last_ = 0;
  connection_ = connection;
  std::erase_if(rows, [](const std::string& row) { return adm::Row(row).word() != "event"; });
  if (!rows.empty()) last_ = adm::Row(rows.back()).number("number");
  rows_.insert(rows_.end(), std::move_iterator(rows.begin()), std::move_iterator(rows.end()));
  if (rows_.size() > kMost) rows_.erase(rows_.begin(), rows_.end() - kMost);
  return true;
}

}  // namespace rawvs::web
