// SPDX-License-Identifier: BSD-2-Clause
// replies.cpp: what rawvsadm makes of rawvsd's replies, whatever they are: messages, a zero byte between them.
#include "input.h"
#include "mutator.h"
#include "tools/rawvsadm/doctor.h"
#include "tools/rawvsadm/json.h"
#include "tools/rawvsadm/listing.h"
#include "tools/rawvsadm/pcapng.h"
#include "tools/rawvsadm/texts.h"
#include "tools/rawvsadm/top.h"

namespace rawvs::adm {
namespace {

Rows read(std::string_view all) {
  Rows rows;
  Reply reply;
  const auto keep = [&](const Row& row) { rows.emplace_back(row.line()); };
  for (int n = 0; n < 64; ++n) {
    const size_t end = std::min(all.find('\0'), all.size());
    const std::string message(all.substr(0, end));  // ASan sees what is read behind its end
    if (reply.take(message, keep) != Reply::Step::more) break;
    all.remove_prefix(std::min(end + 1, all.size()));
    if (all.empty()) break;
  }
  if (reply.refused()) MUST(!refusal(Verb::add_service, *reply.refused()).err.empty());
  return rows;
}

void list(const Rows& rows) {
  for (const bool rates : {false, true}) {
    ServiceTable table(rates);
    for (const std::string& row : rows) table.take(Row(row));
    table.sort();
    for (const Columns columns : {Columns::plain, Columns::stats, Columns::rate, Columns::thresholds,
                                  Columns::persistent_conn, Columns::tun_info}) {
      ListStyle how;
      how.columns = columns;
      listing(table, how);
    }
    saved(table, nullptr);
  }
}

void show(const Rows& rows) {
  drops_text(rows, true), arp_text(rows), vrrp_text(rows), status_text(rows, 0);
  explain_text(rows), explain_status(rows), changes_text(rows);
  if (!rows.empty()) packet_text(rows);
  MUST(json_of(rows, {"service", "exit"}).line().ends_with('\n'));
  Top top;
  for (const double at : {1.0, 2.0}) top.take(rows, at);
  top.text(Top::Key::conns, 10, "12:00:00"), top.json(Top::Key::inpkts);
  DoctorFacts facts;
  Pcapng file(64);
  for (const std::string& text : rows) {
    const Row row(text);
    note_row(row, facts);
    connection_line(row, true, nullptr), timeouts_line(row), daemon_lines(row), rival_advice(row);
    service_text(row), server_state(row), most_of(row.get("refused-for"));
    const std::vector<uint8_t> bytes = bytes_of_hex(row.get("bytes"));
    file.frame(
        {milliseconds(row.get("time")), std::string(row.get("link")), true, 64, bytes, std::string(row.tail("text"))});
  }
}

std::vector<std::string> vocabulary() {
  return {"ok\n",
          "end\n",
          "error usage ",
          "\nservice service=tcp:192.0.2.100:80",
          "\nserver service=tcp:192.0.2.100:80",
          " server=192.0.2.11:80",
          "\ndaemon",
          "\nconnection protocol=tcp",
          " expires=899",
          " state=ESTABLISHED",
          " client=198.51.100.1:1",
          " virtual=192.0.2.100:80",
          "\ntimeouts tcp=1",
          "\nexit name=",
          " fate=dropped",
          " count=",
          "\nlink name=eth0",
          "\nvip address=192.0.2.100",
          "\nrival address=",
          "\nneighbor address=",
          "\nvrrp name=",
          "\nsync role=",
          "\nstep text=",
          "\nverdict exit=",
          "\npacket time=",
          "\nframe link=eth0 direction=in",
          " bytes=0a",
          "\nlost count=",
          "\nchange text=",
          "\nline text=",
          "\npart text=",
          "\nunwritable text=",
          " method=tunnel",
          " tun-type=gue",
          " tun-checksum=on",
          " weight=",
          " conns=1",
          " inpkts=18446744073709551615",
          " health=down",
          " why=",
          " ports=tcp/80,443",
          " refused-for=password:12,ttl:1",
          " text=",
          " mark:10",
          "line text=[director]\n",
          "-"};
}

}  // namespace
}  // namespace rawvs::adm

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned int seed) {
  static const std::vector<std::string> kWords = rawvs::adm::vocabulary();
  return rawvs::fuzz::mutate_text(data, size, most, seed, kWords);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  const adm::Rows rows = adm::read(fuzz::text_of({data, size}));
  adm::list(rows);
  adm::show(rows);
  return 0;
}
