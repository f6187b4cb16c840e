// SPDX-License-Identifier: BSD-2-Clause
// called_as.h: selects the behaviour by the program's name: LVS's programs may be symbolic links to rawvsadm.
// In:  the name, the arguments, standard input.
// Out: ipvsadm's command lines, to run one after another.
#pragma once

#include "command.h"

namespace rawvs::adm {

using Lines = decltype(RestoreDoors::next_line);  // the next line with its end; empty after the last one

Lines standard_input();

struct CommandLine {
  std::vector<std::string> args;
  Lines input;  // for -R
};

struct Called {
  std::string program;            // for messages
  bool ipvsadm = true;            // as ipvsadm or one of its scripts: rawvsadm's own commands and --socket are unknown
  std::vector<CommandLine> runs;  // the exit status is the last one's
};

// name: argv[0]. ipvsadm-save and ipvsadm-restore behave like Debian's scripts of these names.
std::variant<Called, Ending> called_as(const std::string& name, std::vector<std::string> args, const Lines& input);

}  // namespace rawvs::adm
