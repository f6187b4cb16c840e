// SPDX-License-Identifier: BSD-2-Clause
// control_commands.h: the commands of the control protocol.
// In:  a request's values.
// Out: the director changed, or the sources of the reply's rows.
//
// For src/control only.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/control_values.h"
#include "core/turn.h"
#include "rawvs/control.h"

namespace rawvs {

struct Call {  // values: keys that the command takes, and all that it needs
  const Values& values;
  Director& director;
  Turn turn;
  const ControlContext& context;
  const Operator& who;
  std::string_view command;
  RowSources& rows;                           // of the reply
  std::optional<Conversation::Later>& later;  // or the reply when something has been done

  void changed(const std::string& text) const {  // logs a change
    if (context.log) context.log->changed(who, command, text, turn);
  }
};

struct Command {
  enum class Kind : uint8_t {
    changes,
    waits,  // changes nothing, and looks at what must not be half changed
    reads,
  };
  std::string_view word;
  uint64_t needs, takes;  // sets of keys; takes: besides those needed
  Objection (*run)(const Call& call);
  Kind kind = Kind::changes;
};

std::span<const Command> commands();

// Common functions (control_call.cpp), and a command of another file (control_orders.cpp).
Objection verdict(const Call& call, std::optional<Refusal> refusal);         // the director's refusal as text
Objection in_portions(const Call& call, std::function<bool(Turn)> portion);  // replies "ok" when all are done
Objection set_order(const Call& call);

}  // namespace rawvs
