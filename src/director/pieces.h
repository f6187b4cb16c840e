// SPDX-License-Identifier: BSD-2-Clause
// pieces.h: a frame goes through a cutter of split.h, piece by piece, each in a buffer of the outbox.
#pragma once

#include "core/outbox.h"
#include "rawvs/exit.h"
#include "wire/split.h"

namespace rawvs {

// handle(Frame& piece) says what became of one. Returned is that of the last, or why nothing or no more was cut: a
// frame that cannot be, whatever room there is; or buffers that are too small or too few.
template <class Cutter, class Handle>
Exit each_piece(Cutter& cutter, Outbox& out, Handle&& handle) {
  if (!cutter.valid()) return Exit::bad_length;
  if (cutter.largest_piece() > Outbox::kBufferSize) return Exit::outbox_full;
  Exit exit = Exit::outbox_full;
  for (Frame piece;;) {
    const MutableBytes buffer = out.buffer();
    if (buffer.empty()) return Exit::outbox_full;
    if (!cutter.next(buffer, piece)) return exit;
    out.keep_buffer();
    exit = handle(piece);
  }
}

}  // namespace rawvs
