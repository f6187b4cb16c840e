// SPDX-License-Identifier: BSD-2-Clause
// requests.h: answers the control socket's requests, and logs operators' changes.
#pragma once

#include <memory>
#include <string_view>

#include "rawvs/control.h"
#include "sys/engine/control_socket.h"
#include "sys/engine/jobs.h"
#include "sys/engine/syncing.h"

namespace rawvs {

class Requests final : public Part {
 public:
  Requests(EngineContext& context, Jobs& jobs, Ports& ports, Syncing& syncing, const Checks& checks,
           const Mastership& mastership);
  // Last: clients take the socket's existence for "ready". Null: makes the socket. calls: as in ControlContext.
  Result<Done> open(std::unique_ptr<ControlSocket> made, uint32_t calls);
  void hand_over(bool on) const { socket_->hand_over(on); }  // as in ControlSocket
  void renew();                                              // creates the socket's file again if it was deleted
  void end();                                                // no further changes follow: logs the rest

  void serve(Instant now) override;
  Instant deadline() const override;

 private:
  void serve_clients();
  Conversation begin(std::string_view request, const Operator& who);
  Conversation answer_to(std::string_view request, const Operator& who);

  EngineContext& context_;
  Jobs& jobs_;
  Ports& ports_;
  Syncing& syncing_;
  ControlContext control_;
  ControlLog operators_;  // logs their changes
  std::unique_ptr<ControlSocket> socket_;
  Ready ready_;
};

}  // namespace rawvs
