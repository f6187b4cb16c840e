// SPDX-License-Identifier: BSD-2-Clause
// requests.h: the control socket's requests answered, and what operators change said in the log.
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
  Result<Done> open();  // who sees the control socket may rely on all that was done before
  void renew();         // its file may have been deleted
  void end();           // nothing more will be changed

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
  ControlLog operators_;  // what they changed
  std::unique_ptr<ControlSocket> socket_;
  Ready ready_;
};

}  // namespace rawvs
