// SPDX-License-Identifier: BSD-2-Clause
// xdp_checksum.h: finds and completes partial checksums, which AF_XDP does not report.
//
// A sender on this machine (veth, virtio) leaves the checksum to its card: the field holds only the pseudo-header's
// sum. Packet sockets report that, AF_XDP does not. But the field shows it: if it holds that sum, completing it gives
// the right checksum, also in the one case in 65,536 where it was complete by chance.
#pragma once

#include "rawvs/frame.h"

namespace rawvs {

// The offload facts of a frame received without them. Completes an SCTP packet's missing checksum.
Offload offload_found(MutableBytes frame);

// Completes the checksum, as a card does. REQUIRES: offload.partial_checksum(), and the field lies in the frame.
void complete_checksum(MutableBytes frame, const Offload& offload);

}  // namespace rawvs
