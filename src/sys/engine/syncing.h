// SPDX-License-Identifier: BSD-2-Clause
// syncing.h: sends connections to other directors and receives theirs, in the loop.
// In:  [sync], mastership, messages of other directors.
// Out: messages; other directors' connections in the director's table.
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

  // Applies the configuration: at the start, and after each reload. Starts over if anything has changed.
  Result<Done> follow();
  void release();  // another rawvsd takes over and needs the port; follow() opens it again
  // Applies an operator's change. If it fails, the previous state is restored.
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
  std::unique_ptr<Session> session_;  // null: connections are neither sent nor received
  Ready ready_;
};

}  // namespace rawvs
