// SPDX-License-Identifier: BSD-2-Clause
// request.h: turns a Command into a control request, and a refusal into ipvsadm's message.
//
// rawvs/control.h describes the protocol.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "command.h"
#include "rawvs/result.h"
#include "row.h"
#include "wire/discovery.h"

namespace rawvs::adm {

// REQUIRES: not restore, start_daemon, stop_daemon, nor list --daemon. An Ending when the control protocol cannot
// express the command line.
std::variant<std::string, Ending> request(const Command& command);

// ipvsadm's message and status when the daemon refuses.
Ending refusal(Verb verb, const Refused& refused);
Ending unsupported(Verb verb, const std::string& text);

}  // namespace rawvs::adm
