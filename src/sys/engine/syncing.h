// SPDX-License-Identifier: BSD-2-Clause
// syncing.h: connections told to other directors and heard from them, in the loop.
// In:   [sync], who is master, messages of other directors.
// Out:  messages; connections of others in the director's table.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/sync.h"
#include "core/tell_once.h"
#include "rawvs/control.h"
#include "sys/engine/mastership.h"
#include "sys/ha/sync_socket.h"

namespace rawvs {

class Syncing final : public Part {
 public:
  Syncing(EngineContext& context, const Ports& ports, const Mastership& mastership);
  ~Syncing() override;

  // What the configuration wants now: at start, and after each reload. What is told begins anew if anything is
  // different.
  Result<Done> follow();
  // An operator wants it so. What could not be begun is not left half done: then it is as it was.
  Result<Done> set(const std::optional<SyncConfig>& wanted);

  void serve(Instant now) override;
  Instant deadline() const override;
  void link_changed(Link link) override;
  void masters_changed() override;

  SyncStatus view() const;  // valid until the next change of the configuration

 private:
  struct Session;
  void hear();
  bool by_peer(const SyncSocket::Heard& heard);
  void take_entries();
  void tell();
  bool is_ours(Ip vip) const;

  EngineContext& context_;
  const Ports& ports_;
  const Mastership& mastership_;
  std::unique_ptr<Session> session_;  // null: connections stay here
  Ready ready_;
};

}  // namespace rawvs
