# SPDX-License-Identifier: GPL-2.0-or-later
# Judges what a run saw: adds "checks", "passed" and the figures that the report shows. Pure: no clock, no files.
# A check is {name, verdict: pass|fail|note, text}.

def percent: if . == null then "none" else "\(. * 100 | round / 100) %" end;
def in_state($state): [.regions[] | select(.state == $state)] | length;
def states: [.regions[].state // "gone"] | group_by(.) | map("\(length) \(.[0])") | if . == [] then "none listed" else join(", ") end;
# Why coverage is not there, as the daemon explains it.
def gates: if .gates == [] then "" else "; kept at 4 KiB: " + ([.gates[] | "\(.regions) \(.reason)"] | join(", ")) end;
def wrong_lines: rtrimstr("\n") | split("\n") | map(select(. != ""));

def check($name; $ok; $text): {name: $name, verdict: (if $ok then "pass" else "fail" end), text: $text};
def note($name; $text): {name: $name, verdict: "note", text: $text};
# A check that needs samples: one that is not there was not reached, which is a failure.
def need($name; $wanted; judge):
	. as $run | [$wanted[] | select($run.samples[.] == null)] as $lacking
	| if $lacking == [] then judge else check($name; false; "not reached: no sample " + ($lacking | join(", "))) end;

# Sum over the regions under test.
def total(field): [.regions[] | field] | add // 0;
# What changed in each region under test since $before: only regions that are listed in both count.
def per_region($before; field):
	($before.regions | map({key: (.gpa | tostring), value: field}) | from_entries) as $was
	| [.regions[] | field - ($was[.gpa | tostring] // 0)];

def check_guest:
	need("guest is a TD"; ["boot"]; .samples.boot as $s
		| check("guest is a TD"; $s.vm.type == "tdx" and $s.guest.tdx; "VM type \($s.vm.type), tdx_guest in the guest: \($s.guest.tdx)"));

def check_boot:
	need("coverage after boot"; ["boot"]; .setup.boot_percent as $want | .samples.boot as $s
		| check("coverage after boot"; ($s.vm.coverage_percent // 0) >= $want and $s.vm.incapable == [] and $s.vm.regions.large > 0;
			"\($s.vm.coverage_percent | percent) of \($s.vm.regions.large + $s.vm.regions.table) mapped regions, wanted \($want) %; \($s.vm.huge_bytes / 1048576 | floor) MiB in 2 MiB folios"
			+ (if $s.vm.incapable == [] then "" else "; not capable: " + ($s.vm.incapable | join(", ")) end)
			+ (if ($s.vm.coverage_percent // 0) >= $want then "" else ($s | gates) end)));

def check_accept:
	need("accepted at 4 KiB"; ["boot"]; .setup.accept as $accept | .samples.boot as $s
		| note("accepted at 4 KiB"; "\($s.inhibited) regions inhibited after boot with accept_memory=\($accept); \($s.guest.unaccepted_bytes / 1048576 | floor) MiB not accepted"));

def check_split:
	need("splits"; ["filled", "one-shared"]; .setup.regions as $n | .samples.filled as $a | .samples["one-shared"] as $b
		| ($n - ($a | in_state("table"))) as $want | ($b.vm.splits - $a.vm.splits) as $got
		| ($b.vm.to_shared_events - $a.vm.to_shared_events - $n) as $others
		| check("splits"; $got >= $want and $got <= $want + ([$others, 0] | max) and ($b | in_state("mixed")) == $n;
			"\($got) counted for one page shared in each of \($n) regions, wanted \($want) (and \($others) other conversions); the regions: \($b | states)"));

def check_counts:
	need("conversions counted"; ["filled", "one-private"]; .setup.regions as $n | .samples.filled as $a | .samples["one-private"] as $b
		| [($b | per_region($a; .to_shared_pages), per_region($a; .to_shared_events), per_region($a; .to_private_pages), per_region($a; .to_private_events))]
		| check("conversions counted"; all(.[]; length == $n and all(.[]; . == 1));
			"each of \($n) regions: one page in one call, each way; \([.[] | select(length == $n and all(.[]; . == 1))] | length) of 4 counters say so"));

def check_stays:
	need("stays down while paused"; ["filled", "one-private", "one-paused"]; .setup.regions as $n
		| .samples.filled as $f | .samples["one-private"] as $a | .samples["one-paused"] as $b
		| check("stays down while paused"; ($b | in_state("table")) == $n and $b.vm.merges == $a.vm.merges and $b.vm.coverage_percent < $f.vm.coverage_percent;
			"\($f.vm.coverage_percent | percent) before, \($b.vm.coverage_percent | percent) after the guest used all its memory; \($b.vm.merges - $a.vm.merges) merges; the regions: \($b | states)"));

# $before: the sample before anything was merged; $after: when coverage was to be back
def check_back($name; $before; $after; $want_merges):
	need($name; [$before, $after]; .setup as $setup | .samples[$before] as $a | .samples[$after] as $b
		| ($b.vm.merges - $a.vm.merges) as $merges
		| check($name; ($b.vm.coverage_percent // 0) >= $setup.back_percent and ($b | in_state("large")) == $setup.regions and $merges >= $want_merges;
			"\($b.vm.coverage_percent | percent), wanted \($setup.back_percent) %; \($merges) merges in \($b.second - $a.second) s; the regions: \($b | states)"
			+ (if ($b | in_state("large")) == $setup.regions then "" else ($b | gates) end)));

def check_hot:
	need("hot regions are left alone"; ["hot-begin", "hot-end"]; .setup as $setup | .samples["hot-begin"] as $a | .samples["hot-end"] as $b
		| ($b.us - $a.us) as $us | ($us / 1000000 | floor) as $s | [$b.regions[] | select(.hot)] as $hot | ($b.guest.module.hot_longest_gap_ms / 1000) as $gap
		| [$hot[] | select(.last_op == "merge" and .last_reason == "none" and .last_op_age_us < $us)] as $merged
		| "\($merged | length) of \($hot | length) merged in \($s) s, \($b.guest.module.hot_rounds) rounds, at most \($gap) s between two conversions of a region; quiet time \($setup.quiet_s) s" as $text
		| if ($setup.own_daemon | not) then note("hot regions are left alone"; $text + "; not judged: the daemon's own configuration")
		  elif $gap >= $setup.quiet_s then note("hot regions are left alone"; $text + "; not judged: the guest was too slow")
		  else check("hot regions are left alone"; $hot != [] and $merged == []; $text) end);

def check_whole:
	need("whole regions need no merge"; ["whole-shared", "whole-private"]; .setup.regions as $n | .samples["whole-shared"] as $a | .samples["whole-private"] as $b
		| check("whole regions need no merge"; ($b | in_state("large")) == $n and $b.vm.merges == $a.vm.merges;
			"converted as a whole and back, \($b.vm.merges - $a.vm.merges) merges; the regions: \($b | states)"));

def check_pages:
	need("page by page stays at 4 KiB"; ["pages-private"]; .setup.regions as $n | .samples["pages-private"] as $s
		| check("page by page stays at 4 KiB"; ($s | in_state("table")) == $n; "converted as a whole, back and accepted page by page; the regions: \($s | states)"));

def check_fault:
	if (.setup.own_daemon | not) then note("mode fault"; "not tried: the daemon's own configuration")
	else check_back("mode fault"; "fault-begin"; "fault-back"; .setup.regions),
		need("mode fault: the daemon merges nothing"; ["fault-begin", "fault-back"]; (.samples["fault-back"].vm.tally.merged - .samples["fault-begin"].vm.tally.merged) as $n
			| check("mode fault: the daemon merges nothing"; $n == 0; "\($n) merges asked for")) end;

def check_data:
	"end" as $last
	| need("data"; [$last]; .samples[$last].guest as $g | (.fill.wrong_words // "no figure of") as $wrong
		| check("data"; .guest_failures == [] and $g.module.wrong_words == 0 and $g.module.failed_calls == 0 and $wrong == 0 and .fill.passes > 0 and $g.module.verified_pages > 0;
			"\($g.module.verified_pages) pages verified beside converted ones, \((.fill.bytes // 0) / 1048576 | floor) MiB of other memory \(.fill.passes // 0) times; \($g.module.wrong_words) and \($wrong) wrong words, \($g.module.failed_calls) failed conversions, \(.guest_failures | length) failed steps"));

def check_log($name; lines):
	(lines | wrong_lines) as $found
	| check($name; $found == []; if $found == [] then "no warning" else "\($found | length) lines, the first: \($found[0])" end);

# Bits 5 (bad page), 7 (oops), 9 (warning), 14 (soft lockup)
def bad_taint: [5, 7, 9, 14] as $bits | . as $taint | [$bits[] | select(($taint / pow(2; .) | floor) % 2 == 1)];
def check_host:
	check_log("host's kernel log"; .host_warnings),
	((.taint[1] | bad_taint) - (.taint[0] | bad_taint)) as $new
	| check("host's kernel is not tainted"; $new == []; "taint \(.taint[0]) before, \(.taint[1]) after");

def check_teardown:
	need("teardown"; ["teardown"]; .samples.teardown as $t
		| check("teardown"; $t.ended and $t.qemu_status == 0 and $t.gone;
			"guest ended: \($t.ended), QEMU's exit status: \($t.qemu_status), VM gone from the daemon: \($t.gone)"));

def batches:
	[.events[] | select(.op == "merge" and .batches != null and .batches.count > 0) | .batches] as $b
	| if $b == [] then null else
		($b | map(.count) | add) as $count | ($b | map(.regions) | add) as $regions
		| {count: $count, regions: $regions, merged: ($b | map(.merged) | add), kicked: ($b | map(.kicked) | add),
		   fixed_us_per_batch: (($b | map(.fixed_us) | add) / $count),
		   us_per_region: (if $regions > 0 then ($b | map(.regions_us) | add) / $regions else null end),
		   stall_us_max: ($b | map(.stall_max_us) | max)}
	  end;
def refusals: reduce (.events[] | select(.op == "merge") | .results[]? | select(.refused > 0)) as $r ({}; .[$r.reason] += $r.refused);

def check_batches:
	batches as $b | if $b == null then check("batch timings"; false; "no merge was reported")
	else note("batch timings"; "\($b.count) batches, \($b.merged) of \($b.regions) regions merged; per batch \($b.fixed_us_per_batch | round) us fixed, \($b.us_per_region // 0 | round) us per region, longest stall \($b.stall_us_max) us") end;
def check_refusals:
	refusals as $r | note("refused merges"; if $r == {} then "none" else [$r | to_entries[] | "\(.value) \(.key)"] | join(", ") end);

def all_of_it:
	check_guest, check_boot, check_accept, check_split, check_counts, check_stays,
	check_back("comes back"; "one-paused"; "one-back"; .setup.regions), check_hot,
	check_back("comes back after hot"; "hot-end"; "hot-back"; 0), check_whole, check_pages,
	check_back("comes back after page by page"; "pages-private"; "pages-back"; .setup.regions), check_fault,
	check_data, check_host, check_log("guest's kernel log"; .guest_warnings), check_teardown, check_batches, check_refusals;
def check_spoilt:
	need("wrong data are found"; ["spoilt"]; .samples.spoilt.guest as $g
		| check("wrong data are found"; ($g.ok | not) and $g.module.wrong_words > 0; "\($g.module.wrong_words) wrong words after one bit was flipped on purpose"));
def guest_part: check_data, check_spoilt, check_log("guest's kernel log"; .guest_warnings),
	note("TDX"; "not tested: an ordinary VM (--guest-only)");

(if .broken == "" then [] else [check("the run"; false; .broken | rtrimstr("\n"))] end
	+ (if .setup.guest_only then [guest_part] else [all_of_it] end)) as $checks
| . + {checks: $checks, passed: all($checks[]; .verdict != "fail"), batches: batches, refusals: refusals} | del(.events)
