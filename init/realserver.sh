# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154 # variables are shared with rawvs-realserver
# realserver.sh: functions of rawvs-realserver: addresses, interfaces and kernel settings of this host, the kernel's
# rules about ARP, and the routes of MODE=nat. rawvs-realserver reads it from its own folder or from share/rawvs.

CONF=/proc/sys/net/ipv4/conf

# --- Addresses and interfaces ---

# Every address of this host, a line each: address/length, interface, scope, label; IPv6 has no labels: the interface.
addresses() {
  ip addr show | while read -r word next rest; do
    case $word in
      [0-9]*:) shown=${next%%[@:]*} ;;
      inet)
        tail=${rest#*scope }
        echo "$next $shown ${tail%% *} ${rest##* }" ;;
      inet6)
        tail=${rest#*scope }
        echo "$next $shown ${tail%% *} $shown" ;;
    esac
  done
}

is_ipv6() { case $1 in *:*) ;; *) return 1 ;; esac }

# Sets full: the length of a host's prefix.
find_full() { if is_ipv6 "$1"; then full=128; else full=32; fi; }

has_ipv4_vip() {
  for its_vip in $VIPS; do
    is_ipv6 "$its_vip" || return 0
  done
  return 1
}

# Sets homes: the interfaces that have a VIP, a blank on both sides of each; label and length: at its place; scopes.
find_vip() { # VIP; the interface where it should be
  find_full "$1"
  homes=' ' scopes=' ' label='' length=''
  while read -r address device scope its_label; do
    [ "${address%/*}" = "$1" ] || continue
    homes="$homes$device " scopes="$scopes$scope "
    if [ "$device" = "$2" ]; then label=$its_label length=${address#*/}; fi
  done <<END
$(addresses)
END
}

# Every interface, a line each: name, flags.
interfaces() {
  ip link show | while read -r word next flags _; do
    case $word in [0-9]*:) echo "${next%%[@:]*} $flags" ;; esac
  done
}

# Those that speak ARP. lo does not.
arp_interfaces() {
  interfaces | while read -r name flags; do
    case $flags in
      *LOOPBACK* | *NOARP*) ;;
      *[,\<]UP[,\>]*) echo "$name" ;;
    esac
  done
}

is_up() { # interface
  case $(ip link show dev "$1" 2>/dev/null) in *[,\<]UP[,\>]*) return 0 ;; esac
  return 1
}

device_of() { # a route: sets device
  device=''
  case $1 in *' dev '*) ;; *) return 0 ;; esac
  device=${1#* dev }
  device=${device%%[!A-Za-z0-9._-]*}
}

# --- IPv6's addresses and tunnels ---

# Deprecated (preferred_lft 0): connections that this server opens never use a VIP as their source address. Busybox's ip
# knows neither word; on lo and tunnels there is no duplicate address detection anyway.
add_ipv6() { # VIP; interface
  ip -6 addr add "$1/128" dev "$2" nodad preferred_lft 0 2>/dev/null || ip -6 addr add "$1/128" dev "$2"
}

# Sets mode: what ip6tnl0 takes: ip6ip6, ipip6 (IPv4 in IPv6) or any.
find_tunnel_mode() {
  mode=''
  case $(ip -d link show dev ip6tnl0 2>/dev/null) in
    *' ip6tnl ip6ip6 '*) mode=ip6ip6 ;;
    *' ip6tnl ipip6 '*) mode=ipip6 ;;
    *' ip6tnl any '*) mode=any ;;
  esac
}

# Sets place, the interface for a VIP.
find_place() { # VIP
  family=ipv4
  ! is_ipv6 "$1" || family=ipv6
  case $MODE:$family:${OUTER:-$family} in
    dr:*) place=lo ;;
    nat:*) place='' ;;
    *:ipv4:ipv4) place=tunl0 ;;
    *:ipv6:ipv4) place=sit0 ;;
    *) place=ip6tnl0 ;;
  esac
}

# Sets places, the tunnels' interfaces; place4, the one of the IPv4 VIPs.
find_places() {
  places='' place4=''
  [ "$MODE" = tun ] || return 0
  for vip in $VIPS; do
    find_place "$vip"
    case " $places " in *" $place "*) ;; *) places="$places${places:+ }$place" ;; esac
    is_ipv6 "$vip" || place4=$place
  done
}

# The kernel's tunnel interfaces for packets that no other tunnel takes: IPv4 in IPv4, IPv6 in IPv4, anything in IPv6.
# Their modules create them.
have_tunnels() {
  for one in $places; do
    case $one in tunl0) module=ipip ;; sit0) module=sit ;; *) module=ip6_tunnel ;; esac
    [ ! -d "$CONF/$one" ] || continue
    said=$(modprobe "$module" 2>&1)
    [ -d "$CONF/$one" ] ||
      refuse 1 "MODE=tun: there is no interface $one, and modprobe $module has made none${said:+ (}$said${said:+)}:" \
        "this kernel cannot unpack IP-in-IP; dr and nat need nothing of the kind" || return
  done
}

put_down() { # interface
  is_up "$1" || return 0
  # The kernel gives tunnels addresses of its own: fe80::/10; sit0 has those of this host as ::192.0.2.1/96.
  case $(addresses | while read -r address device _; do
    case $address in fe[89ab]?:* | ::*/96) ;; *) echo "$address $device " ;; esac
  done) in
    *" $1 "*) say "$1: has an address that start had not added: left up" ;;
    *) ip link set "$1" down ;;
  esac
}

# --- Settings of the kernel ---

read_setting() { # all/arp_ignore: sets value
  value=''
  { read -r value <"$CONF/$1"; } 2>/dev/null
}

# The kernel takes the greater one of all's value and the interface's.
effective() { # interface; setting: sets value
  read_setting "all/$2"
  greater=${value:-0}
  read_setting "$1/$2"
  [ "${value:-0}" -gt "$greater" ] || value=$greater
}

set_to() { # all/arp_ignore; value
  read_setting "$1"
  [ "$value" != "$2" ] || return 0
  { echo "$2" >"$CONF/$1"; } 2>/dev/null ||
    refuse 4 "$CONF/$1: found $value, expected $2, and it cannot be written: are you root? Is /proc/sys read-only?"
}

# Sets answering: the interfaces on which the kernel answers ARP for a VIP, by the rule of arp_ignore (in the kernel's
# ip-sysctl.rst); neighbour solicitations are answered for the interface's own addresses alone. Does not look at filters
# of nftables or arptables.
find_answers() { # VIP; the interface where it should be
  answering=''
  find_vip "$1" "$2"
  [ "$homes" != ' ' ] || return 0
  for one in $(arp_interfaces); do
    effective "$one" arp_ignore
    ! is_ipv6 "$1" || value=1
    case $value in
      1 | 2) # only for the interface's own addresses
        case $homes in *" $one "*) ;; *) continue ;; esac ;;
      3) # not for those of scope host
        case $scopes in *' global '* | *' site '* | *' link '*) ;; *) continue ;; esac ;;
      8) continue ;;
    esac
    answering="$answering${answering:+, }$one"
  done
}

# --- What status shows ---

show_setting() { # arp_ignore; expected; interfaces
  read_setting "all/$1"
  text="$value on all" good=yes
  for one in ${3:-all}; do
    read_setting "$one/$1"
    [ "$one" = all ] || text="$text, ${value:-none} on $one"
    effective "$one" "$1"
    # Other values are right, too: arp_ignore 2, 3 and 8 are stricter than 1; rp_filter 2 needs only some route back.
    case $1=$value in arp_ignore=[1238] | arp_announce=2 | rp_filter=[02]) ;; *) good=no ;; esac
  done
  [ "$good" = yes ] || right=no text="$text; expected $2"
  echo "$1: $text"
}

show_vip() { # VIP
  find_place "$1"
  find_answers "$1" "$place"
  case $homes in
    *" $place "*) started=yes text=yes ;;
    ' ') right=no text='no; expected yes' ;;
    *) right=no text="no, but on$homes; expected yes" ;;
  esac
  echo "$1 on $place: $text"
  text=no
  [ -z "$answering" ] || right=no text="yes, on $answering; expected no"
  if is_ipv6 "$1"; then
    echo "$1 answered for in neighbour discovery: $text"
  else
    echo "$1 answered for in ARP: $text"
  fi
}

# --- The form of settings ---

is_address() (
  case $1 in *[!0-9.]* | .* | *. | *..*) exit 1 ;; esac
  IFS=.
  # shellcheck disable=SC2086 # to be split
  set -- $1
  [ $# -eq 4 ] || exit 1
  for part; do
    case $part in ????* | 0?*) exit 1 ;; esac
    [ "$part" -le 255 ] || exit 1
  done
  [ "$1" -ge 1 ] && [ "$1" -le 223 ] && [ "$1" -ne 127 ]
)

# Prints the eight groups of an IPv6 address with blanks between, without leading zeros. Fails if it is none.
groups_of() (
  case $1 in '' | *[!0-9A-Fa-f:]* | *:::* | *::*::* | :[!:]* | *[!:]:) exit 1 ;; esac
  given=$(echo "$1" | tr A-F a-f)
  front=${given%%::*} back='' zeros=''
  IFS=:
  # shellcheck disable=SC2086 # to be split
  case $given in
    *::*)
      back=${given#*::}
      set -- $front $back
      [ $# -le 7 ] || exit 1
      count=$#
      while [ "$count" -lt 8 ]; do count=$((count + 1)) zeros=$zeros:0; done ;;
  esac
  # shellcheck disable=SC2086 # to be split
  set -- $front ${zeros#:} $back
  [ $# -eq 8 ] || exit 1
  text=''
  for part; do
    case $part in '' | ?????*) exit 1 ;; esac
    while case $part in 0?*) ;; *) false ;; esac do part=${part#0}; done
    text="$text${text:+ }$part"
  done
  echo "$text"
)

# Prints an IPv6 address as the kernel does (RFC 5952). Fails if it is none, or none that a host can have.
canonical() (
  groups=$(groups_of "$1") || exit 1
  # shellcheck disable=SC2086 # to be split
  set -- $groups
  place=0 run=0 best=1 best_at=9 text=''
  for part; do # the first of the longest runs of two zeros or more
    place=$((place + 1))
    case $part in 0) run=$((run + 1)) ;; *) run=0 ;; esac
    [ "$run" -le "$best" ] || best=$run best_at=$((place - run + 1))
  done
  place=0
  for part; do
    place=$((place + 1))
    if [ "$place" -eq "$best_at" ]; then
      text=$text::
    elif [ "$place" -lt "$best_at" ] || [ "$place" -ge $((best_at + best)) ]; then
      case $text in '' | *::) text=$text$part ;; *) text=$text:$part ;; esac
    fi
  done
  case $text in :: | ::1 | ff??:* | fe[89ab]?:* | ::ffff:*) exit 1 ;; esac
  echo "$text"
)

# Prints 2001:db8::/32 as the kernel does. Fails if it is no network, or has a bit set after the first 32.
canonical_network() (
  bits=${1#*/}
  case $1 in */*) ;; *) exit 1 ;; esac
  case $bits in '' | *[!0-9]* | 0* | ????*) exit 1 ;; esac
  [ "$bits" -le 128 ] && text=$(canonical "${1%/*}") || exit 1
  left=$bits
  for part in $(groups_of "${1%/*}"); do
    [ "$left" -ge 0 ] || left=0
    [ "$left" -ge 16 ] || [ $((0x$part & (0xffff >> left))) -eq 0 ] || exit 1
    left=$((left - 16))
  done
  echo "$text/$bits"
)

is_network() ( # 192.0.2.0/24: no bit is set after the first 24
  bits=${1#*/}
  case $1 in */*) ;; *) exit 1 ;; esac
  case $bits in '' | *[!0-9]* | 0* | ???*) exit 1 ;; esac
  { [ "$bits" -le 32 ] && is_address "${1%/*}"; } || exit 1
  size=1
  while [ "$bits" -lt 32 ]; do bits=$((bits + 1)) size=$((size * 2)); done
  IFS=./
  # shellcheck disable=SC2086 # to be split
  set -- $1
  [ $((($1 * 16777216 + $2 * 65536 + $3 * 256 + $4) % size)) -eq 0 ]
)

# --- Routes, which MODE=nat changes: the answers to clients must pass the director ---
#
# IPv4: the route without a metric, which the kernel prefers to all others; stop restores the one that was there. Every
# route of IPv6 has a metric: ours is METRIC6, lower than any that a host gets by itself, and none is replaced.

METRIC6=82

# Sets targets: what is routed through the director. ::/0 is the default route of IPv6.
find_targets() {
  targets=$NETS
  [ -z "$targets" ] || return 0
  targets="${gateway4:+default}${gateway4:+${gateway6:+ }}${gateway6:+::/0}"
}

find_gateway() { # target: sets gateway
  if is_ipv6 "$1"; then gateway=$gateway6; else gateway=$gateway4; fi
}

ip_route() { # a target, whose family counts; words
  if is_ipv6 "$1"; then shift && ip -6 route "$@"; else shift && ip route "$@"; fi
}

# Sets route: the words after the destination, of the route that start would set or replace. Leaves out words that show
# a state, which ip does not accept when the route is set again. Busybox's ip shows no mtu.
find_route() { # default, NETWORK/BITS
  route='' asked=$1 named=$1
  [ "$asked" != default ] || asked=0.0.0.0/0
  [ "$named" != ::/0 ] || named=default
  while read -r its_target rest; do
    case $its_target in
      "$named" | "${1%/32}" | "${1%/128}") ;;
      blackhole | unreachable | prohibit | throw) rest=$its_target ;;
      *) continue ;;
    esac
    case "$1 $rest " in
      *:*" metric $METRIC6 "*) ;;
      *:* | *' metric '*) continue ;;
    esac
    for word in $rest; do
      case $word in linkdown | dead | offload | trap | rt_*) ;; *) route="$route${route:+ }$word" ;; esac
    done
    [ -n "$route" ] || route='several next hops'
    return 0
  done <<END
$(ip_route "$1" show "$asked" 2>/dev/null)
END
}

may_route() {
  for gateway in $gateway4 $gateway6; do
    found=$(ip_route "$gateway" get "$gateway" 2>/dev/null)
    case $found in
      'local '*) refuse 1 "GATEWAY $gateway: is this host's own address; expected the director's" || return ;;
      *' via '* | '' | unreachable*)
        refuse 1 "GATEWAY $gateway: is on no network of this host; expected one that is" || return ;;
    esac
  done
  find_targets
  for target in $targets; do
    find_route "$target"
    case "$target $route" in
      "$target " | *' via '*' dev '* | *:*' via '*) ;;
      'default dev '*) ;;
      *) refuse 1 "route $target: found \"$route\", expected one by a gateway, or none" || return ;;
    esac
  done
}

plan_routes() {
  find_targets
  for target in $targets; do
    case $plan in *"route $target "*) continue ;; esac # twice in NETS
    recorded route "$target" && continue
    find_gateway "$target"
    find_route "$target"
    case "$route " in
      "via $gateway "*) say "route $target via $gateway was there before: stop will leave it there" ;;
      *) add_to_plan route "$target" "$gateway" "$route" ;;
    esac
  done
}

set_route() { # target; gateway
  find_route "$1"
  case "$route " in "via $2 "*) return 0 ;; esac
  if is_ipv6 "$1"; then ip -6 route replace "$1" via "$2" metric $METRIC6; else ip route replace "$1" via "$2"; fi
}

put_back_route() { # target; gateway; the words of before
  find_route "$1"
  case "$route " in
    "via $2 "*)
      # shellcheck disable=SC2086 # words
      if [ -n "$3" ]; then
        ip_route "$1" replace "$1" $3
      elif is_ipv6 "$1"; then
        ip -6 route del "$1" via "$2" metric $METRIC6
      else
        ip route del "$1" via "$2"
      fi ;;
    "$3 ") ;;
    *) say "route $1: found ${route:-none}, but start had set via $2: left as it is (before: ${3:-none})" ;;
  esac
}

show_routes() {
  for gateway in $gateway4 $gateway6; do
    device_of "$(ip_route "$gateway" get "$gateway" 2>/dev/null)"
    echo "gateway $gateway: ${device:+on }${device:-no way to it; expected on a network of this host}"
    [ -n "$device" ] || right=no
  done
  find_targets
  for target in $targets; do
    find_gateway "$target"
    find_route "$target"
    case "$route " in
      "via $gateway "*) started=yes text=yes ;;
      *) right=no text="no, but ${route:-none}; expected yes" ;;
    esac
    echo "route $target via $gateway: $text"
  done
  for target in $(names_recorded route); do
    case " $targets " in *" $target "*) continue ;; esac
    echo "route $target in NETS: no, an earlier start has set it; restart puts it back"
    right=no
  done
  for vip in $VIPS; do
    find_vip "$vip" lo
    text=no
    [ "$homes" = ' ' ] || right=no text="yes, on$homes; expected no"
    echo "$vip on this host: ${text% }"
  done
}
