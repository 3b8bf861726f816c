#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion in bash: what is offered for command lines; all that is offered, the
# programs take.
set -u
export LC_ALL=C
build=${CTS_BUILD:-$PWD}
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PATH=$build/.libs:$PATH
failed=0 ran=0
# shellcheck source=/dev/null
. "$src/cli/completion/conntrack" || exit 1

# offers LINE: completes its last word, which may be empty; COMPREPLY has the answer
offers()
{
	local line=$1 function
	# as bash splits it: "=" stands alone
	read -ra COMP_WORDS <<<"${line//=/ = }"
	[[ $line == *" " || $line == *= ]] && COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	function=$(complete -p "${COMP_WORDS[0]}") || return
	function=${function#*-F } function=${function%% *}
	COMPREPLY=()
	"$function" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	ran=$((ran + 1))
}

# is LINE WORDS: exactly these
is()
{
	offers "$1"
	[ "$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)" = "$(printf '%s\n' $2 | sort | xargs)" ] && return
	echo "FAIL: $1: offers '${COMPREPLY[*]}', not '$2'"
	failed=$((failed + 1))
}

# has LINE WORDS: these among others
has()
{
	local word
	offers "$1"
	for word in $2; do
		[[ " ${COMPREPLY[*]} " == *" $word "* ]] && continue
		echo "FAIL: $1: does not offer $word"
		failed=$((failed + 1))
	done
}

is "conntrack --du" "--dump"
is "conntrack --c" "--create --counter --count"
has "conntrack " "--dump --get --delete --update --event --load-file"
has "conntrack -" "-L -E --dump --output -o"
is "conntrack -L " "conntrack expect dying unconfirmed"
is "conntrack --dump dy" "dying"
is "conntrack -L -p ud" "udp udplite"
has "conntrack -E --protonum " "tcp udp udplite sctp dccp gre icmp icmpv6"
is "conntrack -L --protonum=sc" "sctp"
is "conntrack -L -p tcp --st" "--state --stats --status"
is "conntrack -L -p udp --st" "--stats --status"
is "conntrack -L -p tcp --state SYN" "SYN_SENT SYN_RECV SYN_SENT2"
is "conntrack -L -p sctp --state COOKIE" "COOKIE_WAIT COOKIE_ECHOED"
is "conntrack -L --protonum=dccp --state=CLOS" "CLOSEREQ CLOSING"
is "conntrack -I -p dccp --role " "client server"
is "conntrack -I -p tcp --sport " ""
is "conntrack -L -s " ""
is "conntrack -L -f " "ipv4 ipv6"
is "conntrack -L -o k" "ktimestamp"
has "conntrack -L -o " "extended id timestamp ktimestamp labels save xml json"
is "conntrack -L -o id,x" "id,xml"
has "conntrack --to" "--top"
is "conntrack -L --by reply-s" "reply-src reply-sport"
is "conntrack -L --by src,stat" "src,state src,status"
fields=$(conntrack -L --by no-field 2>&1 | sed -n 's/.*there are \([^;]*\);.*/\1/p')
is "conntrack -L --by " "${fields//,/}"
is "conntrack -L --by " "$(sed -n '/^Up to 8 of/,/^What an entry/p' "$src/doc/conntrack.8" |
	sed -n 's/\\-/-/g; s/^\.BR\{0,1\} \([^ ]*\).*/\1/p' | grep -vx -- -)"
[ "$(wc -w <<<"$fields")" -gt 20 ] || { echo "FAIL: only these fields: $fields"; failed=$((failed + 1)); }
is "conntrack -L -o extended,id,e" ""
is "conntrack -L --output=xml,k" "xml,ktimestamp"
is "conntrack -E -e " "ALL NEW UPDATES DESTROY"
is "conntrack -E -e NEW,D" "NEW,DESTROY"
has "conntrack -L -u " "ASSURED SEEN_REPLY UNREPLIED HW_OFFLOAD FIXED_TIMEOUT"
is "conntrack -R $src/configure.a" "$src/configure.ac"
is "conntrack -E --filter-file $src/configure.a" "$src/configure.ac"
is "conntrackd -s " "network cache runtime link rsqueue queue ct expect outputs"
is "conntrackd -s rs" "rsqueue"
is "conntrackd -f " "internal external"
is "conntrackd -i c" "ct"
is "conntrackd --pr" "--promote"
is "conntrackd --promote --t" "--timeout"
has "conntrackd -" "-x -k -s -C --config"
is "conntrack -L --label-d" "--label-del"
is "conntrackd -C $src/configure.a" "$src/configure.ac"
has "conntrackd --" "--status --check-config --demote --promote --eligible"

# Whatever is offered is a word that the program knows.
known() # PROGRAM LINE
{
	local word
	offers "$2"
	[ ${#COMPREPLY[@]} -gt 3 ] || { echo "FAIL: $2: offers next to nothing"; failed=$((failed + 1)); }
	for word in "${COMPREPLY[@]}"; do
		"$1" -D "$word" x -s x 2>&1 </dev/null | grep -q "unknown option" || continue
		echo "FAIL: $2: offers $word, which is no option"
		failed=$((failed + 1))
	done
}
known conntrack "conntrack --"
for p in tcp udp sctp dccp gre icmp icmpv6; do
	offers "conntrack -h -p $p --"
	for word in "${COMPREPLY[@]}"; do
		# -s is wrong: nothing is done
		conntrack -D -p $p "$word" x -s x 2>&1 | grep -q "unknown option" || continue
		echo "FAIL: -p $p: offers $word, which is no option"
		failed=$((failed + 1))
	done
	ran=$((ran + 1))
done
for word in $(offers "conntrack -L -o "; echo "${COMPREPLY[@]}"); do
	conntrack -L -o "$word" -s x 2>&1 | grep -q "Invalid IP" || {
		echo "FAIL: -o $word is refused"
		failed=$((failed + 1))
	}
done
for p in tcp sctp dccp; do
	for word in $(offers "conntrack -L -p $p --state "; echo "${COMPREPLY[@]}"); do
		conntrack -L -p $p --state "$word" -s x 2>&1 | grep -q "Invalid IP" || {
			echo "FAIL: -p $p --state $word is refused"
			failed=$((failed + 1))
		}
	done
done
echo "$ran command lines, $failed failed"
[ "$failed" = 0 ]
