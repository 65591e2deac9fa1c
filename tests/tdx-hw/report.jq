# SPDX-License-Identifier: GPL-2.0-or-later
# report.json as Markdown.
def cell: tostring | gsub("\\|"; "\\|") | gsub("\n"; " ");
def row: "| " + (map(cell) | join(" | ")) + " |";
def line($name; $s): [$name, $s.second, $s.vm.coverage_percent // "-", $s.vm.regions.large, $s.vm.regions.table, $s.vm.regions.mixed,
	$s.vm.merges, $s.vm.refusals, $s.vm.splits, $s.inhibited] | row;

"# tdx-lpage \(if .setup.guest_only then "in an ordinary VM" else "on TDX hardware" end): \(if .passed then "PASSED" else "FAILED" end)",
"",
"\(.date), \(.seconds) s; guest of \(.setup.memory_bytes / 1048576) MiB, \(.setup.cpus) vCPUs, accept_memory=\(.setup.accept), \(.setup.regions) regions converted.",
"",
([["what", "version"], ["---", "---"]] + (.facts | to_entries | map([.key, .value])) | .[] | row),
"",
"## Checks",
"",
([["", "check", "seen"], ["---", "---", "---"]] + (.checks | map([(.verdict | ascii_upcase), .name, .text])) | .[] | row),
"",
"## Samples",
"",
([["when", "s", "coverage %", "large", "table", "mixed", "merges", "refused", "splits", "inhibited"], [range(10) | "---"]] | .[] | row),
(.samples | to_entries | map(select(.value.vm != null)) | sort_by(.value.second)[] | line(.key; .value)),
"",
"## Merges",
"",
(if .batches == null then "None was reported." else ([["what", "value"], ["---", "---"]] + (.batches | to_entries | map([.key, .value])) | .[] | row) end),
"",
([["refused because", "regions"], ["---", "---"]] + (.refusals | to_entries | map([.key, .value])) | .[] | row),
"",
"The rest is in report.json beside this: every sample, and the curve of coverage as [s, %, large, table, mixed]."
