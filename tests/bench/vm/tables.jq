# SPDX-License-Identifier: GPL-2.0-or-later
# Figures of bench-vm as tables, see run. Ratios are to the first row.

def pad($n): tostring | if length < $n then " " * ($n - length) + . else . end;
def head($title; $columns): "", $title, ($columns | map(pad(15)) | join(" "));
def line: map(if . == null then "-" else . end | pad(15)) | join(" ");
def hundredths: . * 100 | round / 100;
def of($figure): map(select(.figure == $figure));
def table($figure; $title; $columns; row):
	of($figure) as $rows | if $rows == [] then empty else head($title; $columns), ($rows[] | [row] | line) end;

# Mean of the samples' coverage, and when it was last below 95 %.
def coverage($guest; $mode):
	of("coverage") | map(select(.guest == $guest and .mode == $mode))
	| {mean: (map(.percent) | add / length | hundredths), least: (map(.percent) | min), last: .[-1].percent,
	   late_ms: (map(select(.percent < 95).ms) | max)};

. as $all
| table("first-touch"; "First touch of all memory"; ["mapping", "MiB", "instructions", "exits", "tables/GiB"];
	.mapping, .memory_mib, .instructions, .exits, .page_table_pages * 1024 / .memory_mib),
  table("conversion"; "One page of a region mapped at 2M, per region: the call, and the guest's next touch of the region";
	["mode", "to", "instructions", "exits after", "instr. after"];
	.mode, .to, .instructions, .exits_after, .instructions_after),
  table("holes"; "A hole of 4 KiB in each region"; ["folios", "punched", "freed", "retained"];
	.folios, .punched_bytes, .freed_bytes, .retained_bytes),
  table("sparse"; "A slot of a TiB, a region private in one GiB of eight";
	["chunks", "bytes/chunk", "dump", "longest call", "get-vm"];
	.chunks, (.slab_bytes / .chunks | round), .dump_instructions, .longest_call_instructions, .get_vm_instructions),
  table("walk"; "The guest reads a word of each page"; ["coverage %", "ns per page"];
	.coverage_percent, (.ns / .pages | hundredths)),
  table("batch"; "Merges beneath a running guest, by batch"; ["batch", "merges/s", "longest stall us"];
	.batch, (.merges * 1000000000 / .ns | round), (.longest_stall_ns / 1000 | round)),
  (of("mode") as $rows | if $rows == [] then empty else
	head("Coverage over time"; ["guest", "mode", "mean %", "least %", "last %", "< 95 % until", "merges", "splits", "exits", "pages verified"]),
	($rows[] | . as $r | ($all | coverage($r.guest; $r.mode)) as $c
	 | ($all | of("work") | map(select(.guest == $r.guest and .mode == $r.mode)) | .[0].verified_pages) as $work
	 | [$r.guest, $r.mode, $c.mean, $c.least, $c.last, (if $c.late_ms then "\($c.late_ms / 1000) s" else null end),
	    $r.merges, $r.splits, $r.exits, $work] | line) end),
  table("vms"; "A hundred guests of 4 MiB"; ["mode", "KiB each"]; .mode, (.bytes_each_besides_memory / 1024 | round)),
  table("status"; "The daemon with a hundred guests"; ["fresh status ms", "RSS KiB"]; .fresh_ms, .daemon_rss_kib),
  table("idle"; "Its CPU while they rest"; ["seconds", "CPU ms"]; .seconds, (.daemon_cpu_ns / 1000000 | round))
