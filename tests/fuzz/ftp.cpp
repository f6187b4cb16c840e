// SPDX-License-Identifier: BSD-2-Clause
// ftp.cpp: the two streams of an FTP control connection, cut anywhere: numbers stay monotone, the edited bytes have the
// length that the numbers say, and what is saved can be restored.
#include "core/ftp_stream.h"

#include <algorithm>
#include <vector>

#include "input.h"
#include "rawvs/addr.h"

namespace rawvs {
namespace {

void check_numbers(const FtpEdits& edits, uint32_t first, uint32_t end) {
  uint32_t before = edits.to_client(first);
  for (uint32_t seq = first; seq != end; ++seq) {
    const uint32_t next = edits.to_client(seq + 1);
    MUST(distance(before, next) >= 0 && distance(before, next) <= 16);
    before = next;
  }
}

void check_saved(const FtpReplies& replies, const FtpEdits& edits, const FtpCommands& commands, Ip server, Ip client,
                 Ip vip, uint32_t next) {
  std::array<uint8_t, FtpEdits::kSaved> saved_edits{};
  std::array<uint8_t, FtpReplies::kSaved> saved_replies{};
  std::array<uint8_t, FtpCommands::kSaved> saved_commands{};
  edits.save(saved_edits), replies.save(saved_replies), commands.save(saved_commands);
  FtpEdits new_edits(vip);
  FtpReplies new_replies(server);
  FtpCommands new_commands(client);
  MUST(new_edits.restore(saved_edits, next));
  MUST(new_replies.restore(saved_replies, new_edits));
  MUST(new_commands.restore(saved_commands));
  MUST(new_edits.to_client(next) == edits.to_client(next));
}

void restore_any(fuzz::Input& in, Ip server, Ip client, Ip vip) {  // what another process has written
  const auto fill = [&](auto& to) { std::ranges::copy(in.take(to.size()), to.begin()); };
  std::array<uint8_t, FtpEdits::kSaved> saved_edits{};
  std::array<uint8_t, FtpReplies::kSaved> saved_replies{};
  std::array<uint8_t, FtpCommands::kSaved> saved_commands{};
  fill(saved_edits), fill(saved_replies), fill(saved_commands);
  FtpEdits edits(vip);
  FtpReplies replies(server);
  FtpCommands commands(client);
  const uint32_t next = in.number();
  FtpFound found;
  if (commands.restore(saved_commands)) commands.read(in.take(40), replies, found);
  if (!edits.restore(saved_edits, next) || !replies.restore(saved_replies, edits)) return;
  const Bytes more = in.rest();
  if (!replies.read(more, next, edits, found)) return;
  const auto end = static_cast<uint32_t>(next + more.size());
  std::vector<uint8_t> out(edits.to_client(end) - edits.to_client(next));
  MUST(out.size() < more.size() * 16 + 1);
  edits.emit(more, next, out);
}

}  // namespace
}  // namespace rawvs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  fuzz::Input in({data, std::min<size_t>(size, 2000)});
  const uint8_t how = in.byte();
  const Ip server = parse_ip(how & 1 ? "203.0.113.11" : "2001:db8:1::11").value();
  const Ip vip = parse_ip(how & 2 ? "192.0.2.100" : how & 4 ? "2.0.0.1" : "2001:db8::100").value();
  const Ip client = parse_ip("198.51.100.1").value();
  if ((how & 8) != 0) return restore_any(in, server, client, vip), 0;
  FtpEdits edits(vip);
  FtpReplies replies(server);
  FtpCommands commands(client);
  const uint32_t first = (how & 16) != 0 ? 0xfffffff0 : 1000;
  uint32_t next = first, acknowledged = edits.to_client(first);
  while (!in.empty()) {
    const uint8_t what = in.byte();
    const Bytes bytes = in.take(1 + what % 64);
    FtpFound found;
    if ((what & 0xc0) == 0) {
      commands.read(bytes, replies, found);
    } else if ((what & 0xc0) == 0x40) {
      acknowledged = edits.to_client(next);
      edits.acknowledged(acknowledged);
      commands.lose_place(), replies.lose_place(edits);
    } else {
      const auto end = static_cast<uint32_t>(next + bytes.size());
      if (!replies.read(bytes, next, edits, found)) break;  // as FtpSession: it is given up
      std::vector<uint8_t> out(edits.to_client(end) - edits.to_client(next));
      edits.emit(bytes, next, out);
      next = end;
    }
    MUST(found.count <= found.expected.size());
    check_saved(replies, edits, commands, server, client, vip, next);
  }
  check_numbers(edits, first, next);
  return 0;
}
