// SPDX-License-Identifier: BSD-2-Clause
// pieces.h: a frame goes through a cutter of split.h, piece by piece, each in a letter of the outbox.
#pragma once

#include "core/outbox.h"
#include "rawvs/exit.h"
#include "wire/split.h"

namespace rawvs {

// handle(Frame& piece) says what became of one. Returned is that of the last, or why nothing or no more was cut: a
// frame that cannot be, whatever room there is; or letters that are too small or too few.
template <class Cutter, class Handle>
Exit each_piece(Cutter& cutter, Outbox& out, Handle&& handle) {
  if (!cutter.valid()) return Exit::bad_length;
  if (cutter.largest_piece() > Outbox::kLetterSize) return Exit::outbox_full;
  Exit exit = Exit::outbox_full;
  for (Frame piece;;) {
    const MutableBytes letter = out.letter();
    if (letter.empty()) return Exit::outbox_full;
    if (!cutter.next(letter, piece)) return exit;
    out.keep_letter();
    exit = handle(piece);
  }
}

}  // namespace rawvs
