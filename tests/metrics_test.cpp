// SPDX-License-Identifier: BSD-2-Clause
// Tests metrics for Prometheus: rows in, text out. tests/lab/web.py has promtool read a real director's.
#include "tools/metrics/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace rawvs::adm {
namespace {

const std::string kDaemon =
    "daemon version=0.1.0 uptime=90 size=2048 pid=7 entries-used=3 entries-most=1024 entries-unproven=1 filling=0 "
    "syn-cookies=0 gave-way=14 gave-way-kinds=half-open:12,quiet:2 without-entry=5 implausible=6 past-conns=100 "
    "past-inpkts=200 past-outpkts=300 past-inbytes=400 past-outbytes=500 cpu=1234 memory-most=4096 turns=9 "
    "turns-busy=2000345 turns-slow=1 turns-longest=6000 config=/etc/my rawvs.ini";
const std::string kService =
    "service service=tcp:192.0.2.100:80 scheduler=wlc flags=- persistence=0 netmask=255.255.255.255 ops=0 conns=10 "
    "inpkts=9 outpkts=8 inbytes=900 outbytes=800 cps=5 inpps=50 outpps=0 inbps=12000 outbps=0 max-connections=5 "
    "max-rate=0 client-connections=0 client-rate=0 counted=4 refused=2 refused-for=denied:2";
const std::string kServer =
    "server service=tcp:192.0.2.100:80 server=192.0.2.12:8080 method=route weight=2 upper=0 lower=0 active=5 "
    "inactive=1 persistent=0 overloaded=0 reach=ready via=192.0.2.12 mac=02:00:00:00:00:12 conns=6 inpkts=6 outpkts=0 "
    "inbytes=600 outbytes=0 cps=3 inpps=30 outpps=0 inbps=8000 outbps=0 health=down for=7 flaps=1 attempts=20 "
    "attempts-failed=3 latency=15 latency-sum=1250 why=tcp 192.0.2.12:80: refused, 3 of 3";

std::string only(const std::string& text, const std::string& part) {  // the lines that contain this
  std::string out, line;
  for (std::istringstream in(text); std::getline(in, line);) {
    if (line.find(part) != std::string::npos) out += line + '\n';
  }
  return out;
}

TEST(Metrics, HaveTheNamesAndLabelsOfNodeExporter) {
  const std::string text = metrics_text({kDaemon, kService, kServer});
  EXPECT_EQ(text.substr(0, text.find("# HELP rawvs_")),
            "# HELP node_ipvs_connections_total The total number of connections made.\n"
            "# TYPE node_ipvs_connections_total counter\n"
            "node_ipvs_connections_total 110\n"
            "# HELP node_ipvs_incoming_packets_total The total number of incoming packets.\n"
            "# TYPE node_ipvs_incoming_packets_total counter\n"
            "node_ipvs_incoming_packets_total 209\n"
            "# HELP node_ipvs_outgoing_packets_total The total number of outgoing packets.\n"
            "# TYPE node_ipvs_outgoing_packets_total counter\n"
            "node_ipvs_outgoing_packets_total 308\n"
            "# HELP node_ipvs_incoming_bytes_total The total amount of incoming data.\n"
            "# TYPE node_ipvs_incoming_bytes_total counter\n"
            "node_ipvs_incoming_bytes_total 1300\n"
            "# HELP node_ipvs_outgoing_bytes_total The total amount of outgoing data.\n"
            "# TYPE node_ipvs_outgoing_bytes_total counter\n"
            "node_ipvs_outgoing_bytes_total 1300\n"
            "# HELP node_ipvs_backend_connections_active The current active connections by local and remote address.\n"
            "# TYPE node_ipvs_backend_connections_active gauge\n"
            "node_ipvs_backend_connections_active{local_address=\"192.0.2.100\",local_port=\"80\",remote_address=\""
            "192.0.2.12\",remote_port=\"8080\",proto=\"TCP\",local_mark=\"\"} 5\n"
            "# HELP node_ipvs_backend_connections_inactive The current inactive connections by local and remote "
            "address.\n"
            "# TYPE node_ipvs_backend_connections_inactive gauge\n"
            "node_ipvs_backend_connections_inactive{local_address=\"192.0.2.100\",local_port=\"80\",remote_address=\""
            "192.0.2.12\",remote_port=\"8080\",proto=\"TCP\",local_mark=\"\"} 1\n"
            "# HELP node_ipvs_backend_weight The current backend weight by local and remote address.\n"
            "# TYPE node_ipvs_backend_weight gauge\n"
            "node_ipvs_backend_weight{local_address=\"192.0.2.100\",local_port=\"80\",remote_address=\""
            "192.0.2.12\",remote_port=\"8080\",proto=\"TCP\",local_mark=\"\"} 2\n");
}

TEST(Metrics, SumTheSameLabelsOfAMarksTwoServices) {
  const std::string in = "server service=mark:10 server=[2001:db8::12]:0 weight=1 active=2 inactive=3 reach=ready";
  const std::string in6 = "server service=mark6:10 server=[2001:db8::12]:0 weight=1 active=20 inactive=30 reach=ready";
  EXPECT_EQ(only(metrics_text({"service service=mark:10", in, "service service=mark6:10", in6}), "node_ipvs_backend_c"),
            "# HELP node_ipvs_backend_connections_active The current active connections by local and remote address.\n"
            "# TYPE node_ipvs_backend_connections_active gauge\n"
            "node_ipvs_backend_connections_active{local_address=\"\",local_port=\"0\",remote_address=\"2001:db8::12\","
            "remote_port=\"0\",proto=\"FWM\",local_mark=\"0000000A\"} 22\n"
            "# HELP node_ipvs_backend_connections_inactive The current inactive connections by local and remote "
            "address.\n"
            "# TYPE node_ipvs_backend_connections_inactive gauge\n"
            "node_ipvs_backend_connections_inactive{local_address=\"\",local_port=\"0\",remote_address="
            "\"2001:db8::12\",remote_port=\"0\",proto=\"FWM\",local_mark=\"0000000A\"} 33\n");
}

TEST(Metrics, AreInBaseUnits) {
  const std::string text = metrics_text({kDaemon, kService, kServer});
  EXPECT_EQ(only(text, "rawvs_cpu_seconds_total "),
            "# HELP rawvs_cpu_seconds_total Processor time of the director.\n"
            "# TYPE rawvs_cpu_seconds_total counter\n"
            "rawvs_cpu_seconds_total 1.234\n");
  EXPECT_EQ(only(text, "rawvs_loop_busy_seconds_total 2"), "rawvs_loop_busy_seconds_total 2.000345\n");
  EXPECT_EQ(only(text, "rawvs_check_last_latency_seconds{"),
            "rawvs_check_last_latency_seconds{service=\"tcp:192.0.2.100:80\",virtual=\"tcp:192.0.2.100:80\",server=\""
            "192.0.2.12:8080\",address=\"192.0.2.12:8080\"} 0.015\n");
  EXPECT_EQ(only(text, "rawvs_build_info{"), "rawvs_build_info{version=\"0.1.0\"} 1\n");
}

TEST(Metrics, HaveTheKindsOfACountAsLabels) {
  const std::string text = metrics_text({kDaemon, kService, kServer});
  EXPECT_EQ(only(text, "rawvs_connection_entries_evicted_total{"),
            "rawvs_connection_entries_evicted_total{kind=\"half-open\"} 12\n"
            "rawvs_connection_entries_evicted_total{kind=\"quiet\"} 2\n");
  EXPECT_EQ(only(text, "rawvs_service_refused_packets_total{"),
            "rawvs_service_refused_packets_total{service=\"tcp:192.0.2.100:80\",virtual=\"tcp:192.0.2.100:80\","
            "reason=\"denied\"} 2\n");
}

TEST(Metrics, CallServicesAndServersByTheirNames) {
  const std::string text = metrics_text({"service service=tcp:192.0.2.100:80 name=shop conns=1",
                                         "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 name=web2 weight=3 "
                                         "reach=silent health=up",
                                         "service service=udp:192.0.2.100:53 conns=2"});
  EXPECT_EQ(only(text, "rawvs_service_connections_total{"),
            "rawvs_service_connections_total{service=\"shop\",virtual=\"tcp:192.0.2.100:80\"} 1\n"
            "rawvs_service_connections_total{service=\"udp:192.0.2.100:53\",virtual=\"udp:192.0.2.100:53\"} 2\n");
  const std::string its = "{service=\"shop\",virtual=\"tcp:192.0.2.100:80\",server=\"web2\",address=\"192.0.2.12:80\"}";
  EXPECT_EQ(only(text, "rawvs_server_weight{"), "rawvs_server_weight" + its + " 3\n");
  EXPECT_EQ(only(text, "rawvs_server_check_up{"), "rawvs_server_check_up" + its + " 1\n");
  EXPECT_EQ(only(text, "rawvs_server_reachable{"), "rawvs_server_reachable" + its + " 0\n");
}

TEST(Metrics, TellVrrpSyncLossesAndConflicts) {
  const std::string text = metrics_text(
      {"exit name=land fate=dropped count=2 meaning=source address is the VIP itself",
       "link name=eth0 role=clients received=62 kernel-dropped=3 cut=0 sent=20 send-failed=1 returned=4 "
       "return-failed=0 unguarded=0 vips=5 guarded=3",
       "vrrp name=gw link=eth0 vrid=51 version=3 state=backup priority=100 for=9 sent=1 heard=80 became-master=1 "
       "refused=3 refused-for=password:2,ttl:1 why=a master with a higher priority",
       "sync role=both leads=1 messages=4 entries=40 unsent=0 heard=0 taken=0 lost=0 refused=1 refused-for=bad-seal:1",
       "vip address=192.0.2.100 standby=0 repeats=2", "rival address=192.0.2.100 mac=02:00:00:00:00:01 server=-",
       "vip address=2001:db8::100 standby=1 repeats=0"});
  for (const char* const line :
       {"rawvs_exits_total{name=\"land\",fate=\"dropped\"} 2\n",
        "rawvs_link_lost_frames_total{interface=\"eth0\",cause=\"kernel_dropped\"} 3\n",
        "rawvs_link_lost_frames_total{interface=\"eth0\",cause=\"return_failed\"} 0\n",
        "rawvs_vrrp_state{name=\"gw\",interface=\"eth0\",vrid=\"51\",state=\"backup\"} 1\n",
        "rawvs_vrrp_state{name=\"gw\",interface=\"eth0\",vrid=\"51\",state=\"master\"} 0\n",
        "rawvs_vrrp_became_master_total{name=\"gw\",interface=\"eth0\",vrid=\"51\"} 1\n",
        "rawvs_vrrp_refused_adverts_total{name=\"gw\",interface=\"eth0\",vrid=\"51\",reason=\"password\"} 2\n",
        "rawvs_sync_sent_entries_total 40\n", "rawvs_sync_refused_messages_total{reason=\"bad-seal\"} 1\n",
        "rawvs_vip_rivals{address=\"192.0.2.100\"} 1\n", "rawvs_vip_rivals{address=\"2001:db8::100\"} 0\n",
        "rawvs_vip_repeated_claims_total{address=\"192.0.2.100\"} 2\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(Metrics, HaveAHistogramOfEachServicesChecks) {
  const std::string text =
      metrics_text({"service service=tcp:192.0.2.100:80 name=web conns=1 check-latencies=1:12,20:3,1000:0,more:2 "
                    "check-latency-sum=4321",
                    "service service=udp:192.0.2.100:53 conns=2",
                    "service service=tcp:192.0.2.100:81 conns=2 check-latencies=1:5,20:3"});  // cut: not a histogram
  const std::string name = "rawvs_check_latency_seconds", its = "service=\"web\",virtual=\"tcp:192.0.2.100:80\"";
  EXPECT_EQ(only(text, name),
            "# HELP " + name + " Latencies of the attempts of a service's checks that succeeded.\n# TYPE " + name +
                " histogram\n" + name + "_bucket{" + its + ",le=\"0.001\"} 12\n" + name + "_bucket{" + its +
                ",le=\"0.02\"} 15\n" + name + "_bucket{" + its + ",le=\"1\"} 15\n" + name + "_bucket{" + its +
                ",le=\"+Inf\"} 17\n" + name + "_sum{" + its + "} 4.321\n" + name + "_count{" + its + "} 17\n");
}

TEST(Metrics, EscapeWhatALabelMayNotHold) {
  EXPECT_EQ(label_text("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
  EXPECT_EQ(label_text("\x01 \xff~"), "? ?~");
}

TEST(Metrics, HaveNoSeriesTwiceAndEachFamilyInOnePlace) {
  const std::string text = metrics_text({kDaemon, kDaemon, kService, kServer, kServer, kService, kServer,
                                         "exit name=land fate=dropped count=2", "exit name=land fate=dropped count=3",
                                         "sync leads=1 refused-for=ttl:1", "sync leads=0 refused-for=ttl:2",
                                         "vip address=192.0.2.100 repeats=1", "vip address=192.0.2.100 repeats=2"});
  std::set<std::string> series, families;
  std::string line, family;
  for (std::istringstream in(text); std::getline(in, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family;
      continue;
    }
    if (line.starts_with("# TYPE ")) continue;
    const std::string name = line.substr(0, line.rfind(' '));
    EXPECT_TRUE(series.insert(name).second) << name;
    EXPECT_EQ(name.substr(0, name.find('{')), family);
  }
  EXPECT_GT(series.size(), 40u);
}

TEST(Metrics, OfVeryManyServersAreBounded) {
  Rows rows{kDaemon};
  constexpr size_t kServices = 10'000, kServersEach = 4;
  for (size_t i = 0; i < kServices; ++i) {
    const std::string key = "tcp:192.0.2.100:" + std::to_string(i + 1);
    rows.push_back("service service=" + key +
                   " conns=1 check-latencies=1:9,2:9,5:9,10:9,20:9,50:9,100:9,200:9,500:9,1000:9,2000:9,5000:9,more:9");
    for (size_t n = 0; n < kServersEach; ++n) {
      rows.push_back("server service=" + key + " server=192.0.2." + std::to_string(n + 1) + ":80 weight=1 active=1");
    }
  }
  const std::string text = metrics_text(rows);
  EXPECT_LT(text.size(), 16u << 20);
  EXPECT_EQ(only(text, "rawvs_metrics_left_out{"), "rawvs_metrics_left_out{what=\"services\"} " +
                                                       std::to_string(kServices - kMetricServices) +
                                                       "\n"
                                                       "rawvs_metrics_left_out{what=\"servers\"} " +
                                                       std::to_string(kServices * kServersEach - kMetricServers) +
                                                       "\n"
                                                       "rawvs_metrics_left_out{what=\"vips\"} 0\n");
  EXPECT_EQ(only(text, "node_ipvs_connections_total "),
            "# HELP node_ipvs_connections_total The total number of connections made.\n"
            "# TYPE node_ipvs_connections_total counter\n"
            "node_ipvs_connections_total 10100\n");
}

TEST(Metrics, OfADirectorThatSaysNothingAreAlmostNone) {
  EXPECT_EQ(metrics_text({}),
            "# HELP rawvs_up 1: the director has answered.\n"
            "# TYPE rawvs_up gauge\n"
            "rawvs_up 0\n"
            "# HELP rawvs_metrics_left_out Services, servers and VIPs without metrics, since there are too many.\n"
            "# TYPE rawvs_metrics_left_out gauge\n"
            "rawvs_metrics_left_out{what=\"services\"} 0\n"
            "rawvs_metrics_left_out{what=\"servers\"} 0\n"
            "rawvs_metrics_left_out{what=\"vips\"} 0\n");
  EXPECT_NE(metrics_text({"", " ", "server", "service =", "vrrp name", "rival"}).find("rawvs_metrics_left_out"),
            std::string::npos);
}

}  // namespace
}  // namespace rawvs::adm
