// SPDX-License-Identifier: BSD-2-Clause
// doctor_watch.h: what has changed between two diagnoses.
// In:  the findings of one time after the other.
// Out: those that are new, and those that are gone.
//
// A finding is known again by its check and its text but for plain numbers, which count packets or seconds.
#pragma once

#include <map>
#include <string>

#include "doctor.h"

namespace rawvs::adm {

class WatchedFindings {
 public:
  struct Change {
    bool is_new = false;  // else it is gone
    Finding finding;      // of one that is gone: as it was found last
  };
  std::vector<Change> take(const Findings& findings);  // new ones first

 private:
  std::map<std::string, Finding> known_;
};

std::string identity_of(const Finding& finding);
// "2026-01-31 23:59:59  new error: ...", with why and type.
std::string change_text(const WatchedFindings::Change& change, const std::string& time);

}  // namespace rawvs::adm
