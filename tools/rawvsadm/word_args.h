// SPDX-License-Identifier: BSD-2-Clause
// word_args.h: what stands behind a word: its options (libpopt reads them), its arguments, the flow keys of filters.
// In:  the arguments.   Out: their values, or an Error that says what was found and what was expected.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>

#include "words.h"

namespace rawvs::adm {

struct WordOption {
  const char* name;  // without the dashes; a single letter is a short one
  bool takes_value = true;
};

struct WordArgs {
  std::map<std::string, std::string> options;  // those given; a value is empty where none is taken
  std::vector<std::string> plain;              // the rest, in order
  bool has(const char* name) const { return options.count(name) != 0; }
  std::string value(const char* name) const;  // empty when it was not given
};

// plain: how many arguments that are no options.
Result<WordArgs> read_args(const WordCall& call, std::initializer_list<WordOption> options, size_t least = 0,
                           size_t most = 0);

Result<uint64_t> read_count(const WordArgs& args, const char* option, uint64_t least, uint64_t most,
                            uint64_t otherwise);

// connections, trace and capture take the same filters; the names of these options, and what they say to rawvsd:
// " protocol=tcp client=198.51.100.0/24". Names of hosts and ports are looked up.
inline constexpr WordOption kClientFilter{"client"}, kVipFilter{"vip"}, kServerFilter{"server"},
    kProtocolFilter{"protocol"};
Result<std::string> flow_keys(const WordArgs& args, const Names& names);

Result<Protocol> read_protocol(const std::string& text);
// HOST or HOST:PORT, with names where there are any, as the protocol writes it. port: it must be there.
Result<std::string> read_endpoint(const std::string& text, Protocol protocol, const Names& names, bool port);

}  // namespace rawvs::adm
