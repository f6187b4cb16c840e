// SPDX-License-Identifier: BSD-2-Clause
// xdp_checksum.h: checksums that AF_XDP knows nothing of.
// A sender on this machine (veth, virtio) leaves a checksum to be completed by its card: the field holds only the
// pseudo-header's sum. Packet sockets tell so, AF_XDP does not. But the field shows it: if it holds just that sum, then
// completing it gives the right checksum, also in the one case in 65,536 where it was complete by chance.
#pragma once

#include "rawvs/frame.h"

namespace rawvs {

// The offload facts of a frame that came without. An SCTP packet that was left without checksum gets it.
Offload offload_found(MutableBytes frame);

// Does what the card would have done. REQUIRES: offload.partial_checksum(), and the field lies in the frame.
void complete_checksum(MutableBytes frame, const Offload& offload);

}  // namespace rawvs
