// SPDX-License-Identifier: BSD-2-Clause
// snapshot.h: what the director answered last: the rows of each request.
#pragma once

#include <ctime>
#include <map>
#include <string>

#include "tools/rawvsadm/row.h"
#include "tools/rawvsadm/views.h"

namespace rawvs::web {

struct Snapshot {
  std::map<std::string, adm::Rows> replies{};  // by request
  time_t taken = 0;                            // of the wall clock; 0: the director never answered
  std::string trouble{};  // why the last attempt failed; the rows are older ones then. Empty: it did not

  adm::Rows rows(const adm::View& view) const;  // of all its requests, in order
};

}  // namespace rawvs::web
