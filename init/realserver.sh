# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # variables are shared with rawvs-realserver
# realserver.sh: functions of rawvs-realserver: addresses, interfaces and kernel settings of this host, the kernel's
# rules about ARP, and the routes of MODE=nat. rawvs-realserver reads it from its own folder or from share/rawvs.

CONF=/proc/sys/net/ipv4/conf

# --- Addresses and interfaces ---

# Every IPv4 address of this host, a line each: address/length, interface, scope, label.
addresses() {
  ip addr show | while read -r word next rest; do
    case $word in
      [0-9]*:) shown=${next%%[@:]*} ;;
      inet)
        tail=${rest#*scope }
        echo "$next $shown ${tail%% *} ${rest##* }" ;;
    esac
  done
}

# Sets homes: the interfaces that have a VIP, a blank on both sides of each; label and length: at its place; scopes.
find_vip() { # VIP; the interface where it should be
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
# ip-sysctl.rst). Does not look at filters of nftables or arptables.
find_answers() { # VIP; the interface where it should be
  answering=''
  find_vip "$1" "$2"
  [ "$homes" != ' ' ] || return 0
  for one in $(arp_interfaces); do
    effective "$one" arp_ignore
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

# Sets route: the words after the destination, of the route without a metric, which the kernel prefers to all others.
# Leaves out words that show a state, which ip does not accept when the route is set again. Busybox's ip shows no mtu.
find_route() { # default or NETWORK/BITS
  route='' asked=$1
  [ "$asked" != default ] || asked=0.0.0.0/0
  while read -r its_target rest; do
    case $its_target in
      "$1" | "${1%/32}") ;;
      blackhole | unreachable | prohibit | throw) rest=$its_target ;;
      *) continue ;;
    esac
    case " $rest " in *' metric '*) continue ;; esac
    for word in $rest; do
      case $word in linkdown | dead | offload | trap | rt_*) ;; *) route="$route${route:+ }$word" ;; esac
    done
    [ -n "$route" ] || route='several next hops'
    return 0
  done <<END
$(ip route show "$asked" 2>/dev/null)
END
}

may_route() {
  found=$(ip route get "$GATEWAY" 2>/dev/null)
  case $found in
    'local '*) refuse 1 "GATEWAY $GATEWAY: is this host's own address; expected the director's" || return ;;
    *' via '* | '') refuse 1 "GATEWAY $GATEWAY: is on no network of this host; expected one that is" || return ;;
  esac
  for target in ${NETS:-default}; do
    find_route "$target"
    case "$target $route" in
      "$target " | *' via '*' dev '*) ;;
      'default dev '*) ;;
      *) refuse 1 "route $target: found \"$route\", expected one by a gateway, or none" || return ;;
    esac
  done
}

plan_routes() {
  for target in ${NETS:-default}; do
    case $plan in *"route $target "*) continue ;; esac # twice in NETS
    recorded route "$target" && continue
    find_route "$target"
    case "$route " in
      "via $GATEWAY "*) say "route $target via $GATEWAY was there before: stop will leave it there" ;;
      *) add_to_plan route "$target" "$GATEWAY" "$route" ;;
    esac
  done
}

set_route() { # target; gateway
  find_route "$1"
  case "$route " in "via $2 "*) return 0 ;; esac
  ip route replace "$1" via "$2"
}

put_back_route() { # target; gateway; the words of before
  find_route "$1"
  case "$route " in
    "via $2 "*)
      # shellcheck disable=SC2086 # words
      if [ -n "$3" ]; then ip route replace "$1" $3; else ip route del "$1" via "$2"; fi ;;
    "$3 ") ;;
    *) say "route $1: found ${route:-none}, but start had set via $2: left as it is (before: ${3:-none})" ;;
  esac
}

show_routes() {
  device_of "$(ip route get "$GATEWAY" 2>/dev/null)"
  echo "gateway $GATEWAY: ${device:+on }${device:-no way to it; expected on a network of this host}"
  [ -n "$device" ] || right=no
  for target in ${NETS:-default}; do
    find_route "$target"
    case "$route " in
      "via $GATEWAY "*) started=yes text=yes ;;
      *) right=no text="no, but ${route:-none}; expected yes" ;;
    esac
    echo "route $target via $GATEWAY: $text"
  done
  for target in $(names_recorded route); do
    case " ${NETS:-default} " in *" $target "*) continue ;; esac
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
