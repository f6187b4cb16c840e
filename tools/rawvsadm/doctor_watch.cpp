// SPDX-License-Identifier: BSD-2-Clause
// doctor_watch.cpp: compares diagnoses.
#include "doctor_watch.h"

#include <algorithm>
#include <utility>

namespace rawvs::adm {

std::string identity_of(const Finding& finding) {
  std::string out = finding.check + ' ';
  const std::string& text = finding.what;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const size_t digits = std::min(text.find_first_not_of("0123456789", at), end);
    const bool number = digits != at && (digits == end || text.find_first_not_of("%,:;()", digits) >= end);
    out += number ? "#" : text.substr(at, end - at);
    out += ' ';
    at = end + 1;
  }
  return out;
}

std::vector<WatchedFindings::Change> WatchedFindings::take(const Findings& findings) {
  std::map<std::string, Finding> now;
  std::vector<Change> out;
  for (const Finding& finding : findings) {
    const std::string identity = identity_of(finding);
    const auto before = known_.find(identity);
    const bool is_new = before == known_.end() || before->second.urgency != finding.urgency;
    if (now.emplace(identity, finding).second && is_new) out.push_back({true, finding});
  }
  for (const auto& [identity, finding] : known_) {
    if (!now.contains(identity)) out.push_back({false, finding});
  }
  known_ = std::move(now);
  return out;
}

std::string change_text(const WatchedFindings::Change& change, const std::string& time) {
  const Finding& finding = change.finding;
  std::string out = time + (change.is_new ? "  new " : "  gone ") + name(finding.urgency) + ": " + finding.what + '\n';
  if (change.is_new) out += "    why:  " + finding.why + "\n    type: " + finding.type + '\n';
  return out;
}

}  // namespace rawvs::adm
