// SPDX-License-Identifier: BSD-2-Clause
// words.h: rawvsadm's own commands, each named by one word: text for people, JSON for programs.
// In:  the arguments after the word, a connection to rawvsd.
// Out: text on standard output, an exit status.
//
// Exit status: 0 done; 1 the answer is no (not drained, findings, a faulty file, a refusal); 2 a wrong command line, or
// rawvsd cannot be reached.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "client.h"
#include "command.h"
#include "names.h"
#include "views.h"

namespace rawvs::adm {

inline constexpr int kAnswerIsNo = 1;

struct WordCall {
  std::vector<std::string> args;  // after the word, without --json
  bool json = false;
  Client& client;
  const Names& names;
  const char* word = "";  // as in the table, for messages
};

struct Word {
  const char* name;
  const char* arguments;       // as printed by help
  const char* meaning;         // one line
  const char* more;            // further lines for help WORD; "" for none
  bool tells_json;             // takes --json
  int (*run)(WordCall& call);  // nullptr: main.cpp reads it as one of ipvsadm's options
};

std::span<const Word> words();  // in the order of help
const Word* find_word(const std::string& name);
std::string words_text(const std::string& program);  // the table, for --help and help
std::string no_such_word(const std::string& name);   // the message, with a line end

// Common functions (words.cpp). A Status is an exit status: its message has been printed.
using Status = std::optional<int>;
Status ask(WordCall& call, const std::string& command, const Reply::EachRow& each, int end = -1);
Status ask(WordCall& call, const std::string& command, std::vector<std::string>& rows);  // appended
Status ask(WordCall& call, const View& view, std::vector<std::string>& rows);            // all its requests
int wrong(const WordCall& call, const std::string& text);  // prints an error of the command line; kWrong
void print(const std::string& text);                       // to standard output, at once

// The functions of the table, by file.
int status_word(WordCall& call);       // words_status.cpp: a summary on one screen
int metrics_word(WordCall& call);      // words_tables.cpp
int top_word(WordCall& call);          // words_top.cpp
int connections_word(WordCall& call);  // words_tables.cpp
int drops_word(WordCall& call);
int arp_word(WordCall& call);
int vrrp_word(WordCall& call);
int events_word(WordCall& call);   // words_events.cpp
int explain_word(WordCall& call);  // words_live.cpp: explain, trace, capture
int trace_word(WordCall& call);
int capture_word(WordCall& call);
int drain_word(WordCall& call);    // words_drain.cpp
int undrain_word(WordCall& call);  // words_orders.cpp: undrain, disable, enable
int disable_word(WordCall& call);
int enable_word(WordCall& call);
int reload_word(WordCall& call);  // words_file.cpp: reload, check, save --ini
int check_word(WordCall& call);
int ini_word(WordCall& call);
int init_word(WordCall& call);    // words_init.cpp
int doctor_word(WordCall& call);  // doctor.h, doctor.cpp
int help_word(WordCall& call);    // words.cpp

}  // namespace rawvs::adm
