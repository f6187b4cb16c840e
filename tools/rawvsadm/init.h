// SPDX-License-Identifier: BSD-2-Clause
// init.h: rawvsadm init: a first configuration from five answers, and the commands that its servers need.
// In:  answers, as typed or as flags; facts about this host, for defaults.
// Out: rawvs.ini with comments; commands; or what is wrong with an answer.
// Not: asking and writing (words_init.cpp).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/service.h"
#include "doctor.h"

namespace rawvs::adm {

struct InitPlan {
  Method method = Method::route;
  Ip vip{};
  std::string ports;                         // tcp/80,443
  std::vector<ServerSpec> servers;           // of the method; port 0: the virtual's
  std::string interface, inside;             // of the clients; of the servers, if others
  std::string check;                         // a kind of check, or none
  bool pair = false;                         // two directors
  std::optional<Ip> gateway = std::nullopt;  // NAT: the director's address on the servers' network
  std::string key;                           // of [sync]; for a pair
};

struct InitQuestion {
  const char* name;      // of the flag
  const char* question;  // a line
  // Puts the answer into the plan; else says what was found and what was expected, and leaves the plan as it was.
  std::optional<Error> (*take)(InitPlan& plan, const std::string& answer);
  std::string (*usual)(const InitPlan& plan, const HostFacts& host);  // an answer that fits; empty: there is none
  bool may_lack;                                                      // as a flag: its usual answer is taken
};
std::span<const InitQuestion> init_questions();  // each builds on the answers before it

// What the plan's file has against it, without file and line; nothing: rawvsd takes it, without a warning.
std::optional<Error> fault_of(const InitPlan& plan);
// What is probably wrong with it on this host, each a sentence.
std::vector<std::string> doubts_of(const InitPlan& plan, const HostFacts& host);
std::string init_file(const InitPlan& plan);
// What to type on the servers. Each command is a line that begins with two blanks.
std::string init_commands(const InitPlan& plan);

}  // namespace rawvs::adm
