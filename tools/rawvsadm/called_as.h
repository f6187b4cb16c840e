// SPDX-License-Identifier: BSD-2-Clause
// called_as.h: what the name that the program is called by asks for: LVS's programs are symlinks to rawvsadm.
// In:  the name, the arguments, a way to standard input.   Out: ipvsadm's command lines, to be run one after another.
#pragma once

#include "command.h"

namespace rawvs::adm {

using Lines = decltype(RestoreDoors::next_line);  // the next line, with its end; nothing after the last one

Lines standard_input();

struct CommandLine {
  std::vector<std::string> args;
  Lines input;  // for -R
};

struct Called {
  std::string program;  // as messages name it
  bool ipvsadm = true;  // as ipvsadm or one of its scripts: words beyond ipvsadm's, and --socket, are not known
  std::vector<CommandLine> runs;  // the last one's status is the whole's
};

// name: argv[0]. ipvsadm-save and ipvsadm-restore do what Debian's scripts of these names do.
std::variant<Called, Ending> called_as(const std::string& name, std::vector<std::string> args, const Lines& input);

}  // namespace rawvs::adm
