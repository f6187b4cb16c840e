// SPDX-License-Identifier: BSD-2-Clause
// helper_message.h: what rawvsd and rawvs-helper tell each other.
//
// A request is one message of this fixed size on the common socket (SOCK_SEQPACKET), with descriptors (SCM_RIGHTS): a
// socket for the answers to it, and for a check a pipe for the program's output. rawvsd closes the answers' socket of
// a check to have its program killed. It writes a byte to that of a guard to have its link closed; if the socket is
// closed without, rawvsd has crashed, or ends with saved connections: rawvs-helper keeps the link for kGuardKept more,
// also when it has nothing else to do any more. rawvs-helper believes no field: a program has to be named in the
// configuration file, which it reads itself.
//
// The layout stays the same in all versions: a program that is replaced in place meets its predecessor's helper.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rawvs/time.h"

namespace rawvs {

inline constexpr Duration kGuardKept = 10s;

enum class HelperAsk : uint32_t {
  check = 1,           // run a [check]'s program
  notify = 2,          // run a [vrrp]'s program
  config = 3,          // open the configuration file, and take the programs' names from it again
  renew = 4,           // become the program that is now installed
  guard = 5,           // keep a guard's link, in the place of a check's pipe
  notify_virtual = 6,  // run a [virtual]'s program
};

struct HelperRequest {
  uint32_t version = 1;
  HelperAsk ask{};
  uint16_t port = 0;
  uint8_t state = 0, priority = 0;          // notify; notify_virtual: the HealthEvent
  std::array<uint64_t, 2> server{}, vip{};  // check: Ip::hi(), Ip::lo()
  std::array<char, 136> program{};          // check: as the file has it; notify_virtual: the server's name or
                                            // address, or -. Texts end with a zero byte
  std::array<char, 64> user{};              // check
  std::array<char, 128> name{};             // check: the service; notify: the instance; notify_virtual: its name
};

struct HelperAnswer {
  enum class What : uint32_t {
    ended = 1,   // the program: status is as waitpid(2) tells it
    failed = 2,  // it was not run, or the file not opened: text
    opened = 3,  // the file: with its descriptor
  };
  uint32_t version = 1;
  What what{};
  int32_t status = 0;
  std::array<char, 500> text{};
};

// False: it does not fit, and nothing is written.
template <size_t N>
bool put_text(std::array<char, N>& field, std::string_view text) {
  if (text.size() >= N) return false;
  field.fill('\0');
  text.copy(field.data(), text.size());
  return true;
}
template <size_t N>
void put_cut(std::array<char, N>& field, std::string_view text) {
  put_text(field, text.substr(0, N - 1));
}
// Empty: it has no end.
template <size_t N>
std::optional<std::string> text_of(const std::array<char, N>& field) {
  const std::string_view all(field.data(), N);
  const size_t end = all.find('\0');
  return end == std::string_view::npos ? std::nullopt : std::optional(std::string(all.substr(0, end)));
}

}  // namespace rawvs
