#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack -R: files of command lines. What was saved loads again; a mistake changes
# nothing; refusals name their line; memory does not grow with the file.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
conntrack=$build/.libs/conntrack
[ -x "$conntrack" ] || skip "no $conntrack"
command -v setpriv >/dev/null || skip "setpriv is needed"
ns a

ct() { in_ns a "$conntrack" "$@"; }
table() { ct -L "$@" 2>/dev/null | sed -E 's/^((ipv[46] +[0-9]+ )?[a-z0-9]+ +[0-9]+ )[0-9]+ /\1T /; s/ use=[0-9]+//' | sort; }
count() { ct -C; }

# load STATUS MESSAGES ARGUMENTS...: of the file $tmp/lines; every line of MESSAGES is said
load()
{
	local want=$1 messages=$2 status line
	shift 2
	ct -R "$tmp/lines" "$@" >"$tmp/out" 2>"$tmp/err.log"
	status=$?
	[ "$status" = "$want" ] || { cat "$tmp/lines"; fail "-R ends with $status, not $want"; }
	while IFS= read -r line; do
		[ -z "$line" ] || grep -qF -- "$line" "$tmp/err.log" ||
			fail "-R does not say: $line"
	done <<<"$messages"
	[ -n "$messages" ] || [ ! -s "$tmp/err.log" ] || fail "-R says something"
}

the_same() { [ "$(table)" = "$before" ] || fail "the table has changed: $*"; }

entry="-t 1000 -d 2.2.2.2 -p udp --dport 2"
ct -I -s 1.1.1.1 $entry --sport 1 2>/dev/null || fail "cannot make an entry"
before=$(table)

# -- mistakes, wherever they stand, leave the table as it is --
for wrong in "-A -s 1.1.1.1" "-D -s" "-L" "-X" "-U -m x" "-A -s \"1.1.1.1" "-D -p tcp --sport 70000" \
	"-D --sport 1" "-D -u NONSENSE" "-F -s 1.1.1.1" "-D --dry-run" "-R x" "nothing"; do
	{ for i in {1..200}; do echo "-D -s 1.1.1.1"; done; echo; echo "# x"; printf %s "$wrong"; } >"$tmp/lines"
	ct -R "$tmp/lines" >/dev/null 2>"$tmp/err.log" && fail "taken: $wrong"
	grep -qF "$tmp/lines:203: " "$tmp/err.log" || fail "no place is named: $wrong"
	the_same "$wrong"
done
head -c 70000 /dev/zero | tr '\0' x >"$tmp/lines"
load 2 "$tmp/lines:1: line is longer than 65535 bytes"
printf -- '-F\n-D -s 1.1.1.1\0\n' >"$tmp/lines"
load 2 "$tmp/lines:2: a NUL byte is no text"
{ printf -- -D; for i in {1..1100}; do printf ' x'; done; } >"$tmp/lines"
load 2 "$tmp/lines:1: more than 1023 words"
the_same "broken lines"
rm "$tmp/lines"
load 2 "Failed to open file $tmp/lines for reading: No such file or directory"
ct -R "$tmp" 2>"$tmp/err.log"
[ $? = 2 ] || fail "a folder is taken for a file"

printf -- '-F\n-D -o none\n' >"$tmp/lines"
ct -R "$tmp/lines" >/dev/null 2>"$tmp/err.log" && fail "an output that is not there is taken"
the_same "an output that is not there"

# -- of a large file both halves are checked at once: the first mistake is said, of either --
big() { awk -v e="$entry" 'BEGIN { for (i = 0; i < 20000; i++)
	print "-A -s 7.0." int(i / 250) "." i % 250 " " e " --sport 1" }' >"$tmp/lines"; }
at() { sed -i "$1s/.*/$2/" "$tmp/lines"; }
big
load 0 "20000 lines are in order, nothing has been done." --dry-run
at 15000 "-A -s x"
load 2 "$tmp/lines:15000: Invalid IP address \`x'"
at 19999 "-L"
load 2 "$tmp/lines:15000: Invalid IP address \`x'"
at 40 "-U -m y"
load 1 "$tmp/lines:40: unexpected value 'y' with -m option"
the_same "a large file with mistakes"
# What a thread would have to say, or must not do, is said and done in its turn.
big
at 12000 "-A -s 1.1.1.9 $entry --sport 1 -a x"
at 13000 "-A -s 1.1.1.8 $entry --sport 1 -a x"
at 14000 "-A -t 10 -s 1.1.1.9 -d 1.1.1.8 -p ospf"
at 15000 "-D -p tcp -o extended"
at 16000 "-A -t 9 -u SEEN_REPLY -s 1.1.1.1 -d 1.1.1.2 -r 1.1.1.2 -q 1.1.1.1 -p sctp --sport 1 \
--dport 2 --reply-port-src 2 --reply-port-dst 1 --state CLOSED --orig-vtag 1 --reply-vtag 2"
load 0 "20000 lines are in order, nothing has been done.
WARNING: ignoring -a, deprecated option.
1 lines have SCTP verification tags" --dry-run
[ "$(grep -c WARNING "$tmp/err.log")" = 1 ] || fail "a warning is said of each half"
at 17000 "-D -p nonsense"
load 2 "$tmp/lines:17000: \`nonsense' unsupported protocol"
the_same "a large file with more to say"

# -- blanks, quotes, ends of lines, no line at all --
: >"$tmp/lines"
load 0 ""
printf '\n   \n# -F\n \t # -F\n   ' >"$tmp/lines"
load 0 ""
the_same "nothing but blanks"
long=$(head -c 60000 /dev/zero | tr '\0' ' ')
printf '%s\r\n' "-A -s \"1.1.1.2\" $entry  --sport \"\\1\" # stray \"" >"$tmp/lines"
printf '%s' "-A	-s 1.1\".1.3\"$long $entry --sport 1" >>"$tmp/lines"
load 0 ""
[ "$(count)" = 3 ] || fail "quoted lines are not loaded"

# -- each line has its own values --
cat >"$tmp/lines" <<END
-U -s 1.1.1.1 -m 0x11
-U -s 1.1.1.2 -m 0x22
-U -d 2.2.2.2 -m 0xf00/0xf00
-U -s 1.1.1.3 -m 7 -u ASSURED
END
load 0 ""
[ "$(wc -l <"$tmp/out")" = 3 ] || fail "updated entries are not printed once each"
[ "$(ct -L -o id 2>/dev/null | grep -o 'src=1.* mark=[0-9]*' | sed 's/ .*=/ /' | sort | tr '\n' ';')" = \
	"src=1.1.1.1 3857;src=1.1.1.2 3874;src=1.1.1.3 7;" ] || { table; fail "marks are mixed up"; }
ct -L 2>/dev/null | grep -c ASSURED | grep -qx 1 || fail "a status leaks into other lines"

# -- order: of creates, changes, deletes and flushes --
cat >"$tmp/lines" <<END
-F
-A -s 3.3.3.3 $entry --sport 1
-U -s 3.3.3.3 -m 1
-A -s 3.3.3.4 $entry --sport 1
-U -d 2.2.2.2 -m 0x10/0xf0
-D -s 3.3.3.3 -o extended
-D -s 3.3.3.9
-I -s 3.3.3.3 $entry --sport 1
END
load 0 "connection tracking table has been emptied."
[ "$(grep -c mark "$tmp/out")" = 4 ] || fail "not each change is printed"
grep -q '^ipv4 .*src=3.3.3.3 .*mark=17' "$tmp/out" || fail "the delete is not last"
[ "$(ct -L 2>/dev/null | sed -E 's/.* src=(3[^ ]*) .*mark=([0-9]*) .*/\1 \2/' | sort | tr '\n' ';')" = \
	"3.3.3.3 0;3.3.3.4 16;" ] || { table; fail "lines did not act in order"; }

# -- whole tuples are looked up: in order, in every zone, by all that the line says --
ct -F 2>/dev/null
x="-s 5.5.5.5 -d 2.2.2.2 -p udp --sport 1 --dport 2" y="-s 5.5.5.6 -d 2.2.2.2 -p 99"
cat >"$tmp/lines" <<END
-A -t 1000 $x
-U $x -m 1
-U $x -m 2
-U $x -m 0xf0/0xf0
-D $x -m 1
-D -s 2.2.2.2 -d 5.5.5.5 -p udp --sport 2 --dport 1
-A -t 1000 $y -m 1
-U $y -u ASSURED
-D $y -u ASSURED
-A -t 1000 $y -m 3
-U $x -m 7/7
-D $y -r 2.2.2.3
END
load 0 ""
[ "$(sed -E 's/.* src=(5[^ ]*) .*mark=([0-9]*) .*/\1 \2/' "$tmp/out" | tr '\n' ';')" = \
	"5.5.5.5 1;5.5.5.5 2;5.5.5.5 242;5.5.5.6 1;5.5.5.6 1;5.5.5.5 247;" ] ||
	{ cat "$tmp/out"; fail "whole tuples are not taken in order"; }
[ "$(count)" = 2 ] || fail "$(count) entries of whole tuples, not 2"
ct -I -t 1000 $x -w 5 2>/dev/null
ct -I -t 1000 $y --orig-zone 6 2>/dev/null
printf -- '-D %s -w 6\n-U %s -m 9\n' "$x" "$x" >"$tmp/lines"
load 0 ""
[ "$(wc -l <"$tmp/out")" = 2 ] || fail "an update leaves out zones that were there"
echo "-D $x -w 5" >"$tmp/lines"
load 0 ""
[ "$(wc -l <"$tmp/out")" = 1 ] && grep -q zone=5 "$tmp/out" || fail "-w deletes another zone's"
printf -- '-D %s\n-D %s\n' "$x" "$y" >"$tmp/lines"
load 0 ""
[ "$(count)" = 0 ] || fail "a delete leaves out zones that were there"
printf -- '-D %s\n-A -t 1000 %s -w 5\n-D %s\n' "$y" "$x" "$x" >"$tmp/lines"
load 0 ""
[ "$(count)" = 0 ] || fail "a delete leaves out zones that came in the file"

# A pass over the table for each would take minutes.
awk 'BEGIN { for (i = 0; i < 20000; i++) {
	x = "-s 6." int(i / 65536) "." int(i / 256) % 256 "." i % 256 " -d 2.2.2.2 -p udp --sport 1 --dport 2"
	print "-A -t 1000 " x; print "-U " x " -m 5"; if (i % 10) print "-D " x } }' >"$tmp/lines"
TIMEFORMAT='%U %S'
cpu=$({ time load 0 "" >/dev/null; } 2>&1 | awk '{ print $1 + $2 }')
[ "$(count)" = 2000 ] && [ "$(wc -l <"$tmp/out")" = 38000 ] || fail "mixed lines: $(count) are left"
awk -v cpu="$cpu" 'BEGIN { exit !(cpu < 10) }' || fail "$cpu seconds for 58,000 mixed lines"
echo "58,000 mixed lines: $cpu CPU seconds"

# -- refusals --
ct -F 2>/dev/null
ct -I -s 3.3.3.3 $entry --sport 1 2>/dev/null
ct -I -s 3.3.3.4 $entry --sport 1 2>/dev/null
for i in {1..300}; do echo "-I -s 4.4.4.4 $entry --sport $i"; done >"$tmp/lines"
sed -i "100s/.*/-I -s 3.3.3.4 $entry --sport 1/; 150s/.*/-I -s 3.3.3.3 $entry --sport 1/" "$tmp/lines"
load 1 "$tmp/lines:100: Operation failed: Such conntrack exists, try -U to update
the lines up to 128 were under way already"
[ "$(count)" = $((2 + 127)) ] || fail "it stopped at $(count), not after its batch"
ct -D -s 4.4.4.4 >/dev/null 2>&1
load 1 "$tmp/lines:100: Operation failed: Such conntrack exists, try -U to update
$tmp/lines:150: Operation failed: Such conntrack exists, try -U to update" --keep-going
[ "$(count)" = 300 ] || fail "--keep-going did not: $(count)"
in_ns a setpriv --bounding-set=-net_admin --inh-caps=-net_admin \
	"$conntrack" -R "$tmp/lines" 2>"$tmp/err.log"
[ $? = 1 ] && grep -q "$tmp/lines:1: Operation failed: sorry, you must be root" "$tmp/err.log" ||
	fail "it does not say that rights are missing"

# -- only to check --
before=$(table)
echo -F >"$tmp/lines"
load 0 "1 lines are in order, nothing has been done." --dry-run
the_same "--dry-run"

# -- standard input, and what else cannot be read twice --
echo "-D -s 4.4.4.4 -p udp --sport 1" | ct -R - >"$tmp/out" || fail "-R - does not read"
[ "$(wc -l <"$tmp/out")" = 1 ] || fail "-R - does not act"
printf -- "-F\n-D -s x" | ct -R - 2>"$tmp/err.log"
grep -q "standard input:2: Invalid IP address" "$tmp/err.log" || fail "-R - does not say where"
[ "$(count)" = 299 ] || fail "-R - acts before it has checked"
ct -R <(echo "-D -s 4.4.4.4 -p udp --sport 2") >/dev/null || fail "a pipe cannot be loaded"
[ "$(count)" = 298 ] || fail "a pipe is not loaded"
echo -F | TMPDIR=$tmp/none ct -R - 2>"$tmp/err.log" && fail "no room for a copy, and no failure"
ls "$tmp" | grep -q '^conntrack\.' && fail "the copy has a name"

# -- there and back: what is shown is loaded again, all of it --
saved()
{
	local i f
	for i in {1..60}; do
		f="-t $((3000 + i)) -m $i"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p tcp --sport $i --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p tcp --sport $i --dport 81 --state SYN_SENT"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p udp --sport $i --dport 53 -w $i"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p udp --sport $i --dport 54 --orig-zone $i"
		echo "-A $f -s 2001:db8::$i -d 2001:db8::ffff -p udp --sport $i --dport 53 --reply-zone 9"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p icmp --icmp-type 8 --icmp-code 0 --icmp-id $i"
		echo "-A $f -s 2001:db8::$i -d 2001:db8::ffff -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id $i"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p sctp --sport $i --dport 9 --state ESTABLISHED --orig-vtag $i --reply-vtag 7"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p gre --srckey $i --dstkey 7"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -p $((200 + i % 50))"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -n 192.0.2.1:$((7000 + i)) -p tcp --sport $i --dport 82 --state ESTABLISHED -u SEEN_REPLY"
		echo "-A $f -s 10.1.0.$i -d 10.2.0.$i -g 192.0.2.2:8080 -p tcp --sport $i --dport 83 --state ESTABLISHED -u SEEN_REPLY"
	done
}
ct -F 2>/dev/null
saved >"$tmp/lines"
load 0 ""
[ "$(count)" = 720 ] || fail "$(count) of 720 entries are there"
# The other tool's lines do too, where it is; it forgets marks.
saves() { [ -x "$1" ] && [ "$(in_ns a "$1" -L -o save 2>/dev/null | grep -c ^-A)" = 720 ]; }
saved_by=0
for tool in "$conntrack" "$build/rivals/usr/sbin/conntrack" /usr/sbin/conntrack; do
	saves "$tool" || continue
	[ "$tool" = "$conntrack" ] || ct -U -m 0 >/dev/null 2>&1
	before=$(table -o extended)
	in_ns a "$tool" -L -o save 2>/dev/null >"$tmp/saved"
	ct -F 2>/dev/null
	ct -R - <"$tmp/saved" || fail "what $tool saved does not load"
	diff <(printf '%s\n' "$before") <(table -o extended) >"$tmp/diff.log" ||
		fail "the table is not what it was when $tool saved it"
	saved_by=$((saved_by + 1))
done
echo "what $saved_by tools saved was loaded"

# -- a large file, in little memory; deletes in a row are one pass --
ct -F 2>/dev/null
awk 'BEGIN { for (i = 0; i < 1000000; i++) {
	a = int(i / 65536) "." int(i / 256) % 256 "." i % 256
	if (i % 10000 == 0)
		print "-A -t 1000 -s 10." a " -d 2.2.2.2 -p udp --sport 1 --dport 2 -m 5"
	else if (i % 3)
		print "-D -s 10." a " -p tcp --sport " i % 65536
	else
		print "-U -s 10." a " -p udp --sport 1 --dport 2 -m " i % 1000
} }' >"$tmp/lines"
awk 'BEGIN { for (i = 0; i < 999999; i += 10000) printf "%s\n", "-D -s 10." int(i / 65536) "." \
	int(i / 256) % 256 "." i % 256 " -p udp --sport 1" }' >>"$tmp/lines"
ip netns exec "$prefix-a" "$conntrack" -R "$tmp/lines" >/dev/null 2>"$tmp/err.log" &
pid=$!
pids+=("$pid")
peak=0
while peak_now=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$peak_now" ]; do
	peak=$peak_now
	sleep 0.05
done
wait "$pid" || fail "a million lines do not load"
ldd "$conntrack" | grep -q libasan || [ "$peak" -lt 16384 ] || fail "$peak KiB for a million lines"
[ "$(count)" = 0 ] || fail "a million lines left $(count) entries"
echo "1,000,100 lines in $peak KiB"
