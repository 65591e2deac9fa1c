// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The uapi header, the decoder, the requests and the names of values against the specification of the family in
 * kernel/patches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <linux/genetlink.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/protocol.h>
#include <tdx-lpage/reasons.h>

#include "daemon/config/config.h"
#include "daemon/link/netlink_attrs.h"
#include "daemon/link/netlink_build.h"
#include "daemon/link/netlink_parse.h"
#include "tests/lib/files.h"
#include "tests/lib/nl_spec.h"

#define SYMBOLS_MAX 512

struct symbol {
	char name[80];
	uint64_t value;
};

struct spec_fixture {
	yaml_document_t doc;
	struct symbol symbols[SYMBOLS_MAX]; /* of the uapi header */
	size_t nr_symbols;
	size_t nr_expected;
};

/* ---- the header ---- */

static void add_symbol(struct spec_fixture *fixture, const char *name, uint64_t value)
{
	struct symbol *symbol = &fixture->symbols[fixture->nr_symbols++];

	assert_true(fixture->nr_symbols < SYMBOLS_MAX);
	snprintf(symbol->name, sizeof(symbol->name), "%s", name);
	symbol->value = value;
}

/* Takes a line of the header; *@next is the value of the next enumerator. What YNL adds by itself is left out. */
static void take_line(struct spec_fixture *fixture, const char *line, uint64_t *next)
{
	char name[80], text[32];

	if (strncmp(line, "enum", 4) == 0) {
		*next = 0;
	} else if (sscanf(line, "#define %79s %31[0-9]", name, text) == 2) {
		add_symbol(fixture, name, strtoull(text, NULL, 10));
	} else if (line[0] == '\t' && sscanf(line, "\t%79[A-Z0-9_]", name) == 1 &&
		   !strstr(line, "__KVM")) {
		if (strchr(line, '='))
			*next = strtoull(strchr(line, '=') + 1, NULL, 10);
		add_symbol(fixture, name, (*next)++);
	}
}

static void read_header(struct spec_fixture *fixture)
{
	char path[TREE_PATH_MAX], *text, *rest, *line;
	uint64_t next = 0;

	text = file_text(tree_path(path, "include/uapi/linux/kvm_lpage.h"));
	rest = text;
	while ((line = strsep(&rest, "\n")))
		take_line(fixture, line, &next);
	free(text);
}

/* Asserts that the header has the symbol of that name: "a", "vm", "id" is KVM_LPAGE_A_VM_ID. */
static void expect_symbol(struct spec_fixture *fixture, const char *kind, const char *set,
			  const char *item, uint64_t value)
{
	char name[80];

	snprintf(name, sizeof(name), "kvm_lpage%s%s%s%s%s%s", *kind ? "_" : "", kind,
		 *set ? "_" : "", set, *item ? "_" : "", item);
	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	fixture->nr_expected++;
	for (size_t i = 0; i < fixture->nr_symbols; i++) {
		if (strcmp(fixture->symbols[i].name, name) != 0)
			continue;
		if (fixture->symbols[i].value != value)
			fail_msg("%s is %llu in the header, %llu in the specification", name,
				 (unsigned long long)fixture->symbols[i].value,
				 (unsigned long long)value);
		return;
	}
	fail_msg("%s is in the specification, not in the header", name);
}

static void expect_definition(struct spec_fixture *fixture, yaml_node_t *definition)
{
	yaml_document_t *doc = &fixture->doc;
	const char *type = spec_text(doc, definition, "type"),
		   *name = spec_text(doc, definition, "name");
	yaml_node_t *entries;

	if (strcmp(type, "const") == 0) {
		expect_symbol(fixture, "", name, "", spec_const(doc, name));
		return;
	}
	entries = spec_entries(doc, name);
	for (size_t i = 0; i < spec_nr(entries); i++) {
		yaml_node_t *entry = spec_item(doc, entries, i);
		const char *text = spec_text(doc, entry, "value");
		uint64_t value = text ? strtoull(text, NULL, 10) : i;

		expect_symbol(fixture, "", name, spec_text(doc, entry, "name"),
			      strcmp(type, "flags") == 0 ? UINT64_C(1) << i : value);
	}
}

static void the_uapi_header_has_the_numbers_of_the_spec(void **state)
{
	struct spec_fixture *fixture = *state;
	yaml_document_t *doc = &fixture->doc;
	yaml_node_t *root = yaml_document_get_root_node(doc), *list;

	read_header(fixture);
	assert_string_equal(spec_text(doc, root, "name"), KVM_LPAGE_FAMILY_NAME);
	expect_symbol(fixture, "", "family-version", "", 1);
	list = spec_find(doc, root, "definitions");
	for (size_t i = 0; i < spec_nr(list); i++)
		expect_definition(fixture, spec_item(doc, list, i));
	list = spec_find(doc, root, "attribute-sets");
	for (size_t i = 0; i < spec_nr(list); i++) {
		const char *set = spec_text(doc, spec_item(doc, list, i), "name");
		yaml_node_t *attributes = spec_attributes(doc, set);

		for (size_t j = 0; j < spec_nr(attributes); j++)
			expect_symbol(fixture, "a", set,
				      spec_text(doc, spec_item(doc, attributes, j), "name"), j + 1);
	}
	list = spec_find(doc, spec_find(doc, root, "operations"), "list");
	for (size_t i = 0; i < spec_nr(list); i++)
		expect_symbol(fixture, "cmd", spec_text(doc, spec_item(doc, list, i), "name"), "",
			      i + 1);
	list = spec_find(doc, spec_find(doc, root, "mcast-groups"), "list");
	assert_int_equal(spec_nr(list), 1);
	assert_string_equal(spec_text(doc, spec_item(doc, list, 0), "name"),
			    KVM_LPAGE_MCGRP_EVENTS);
	/* Nothing in the header that is not in the specification. */
	assert_int_equal(fixture->nr_symbols, fixture->nr_expected);
}

/* ---- the decoder ---- */

static const char *type_of_kind(uint8_t kind)
{
	static const char *const types[] = {
		[LP_ATTR_U16] = "u16",	     [LP_ATTR_U32] = "u32",   [LP_ATTR_U64] = "u64",
		[LP_ATTR_UINT] = "uint",     [LP_ATTR_RFN] = "uint",  [LP_ATTR_FLAG] = "flag",
		[LP_ATTR_STRING] = "string", [LP_ATTR_NEST] = "nest", [LP_ATTR_MANY] = "nest",
	};

	return types[kind];
}

static const struct lp_attr_table *table_of_nest(const char *set)
{
	const struct lp_nl_decoder *decoder = lp_nl_decoders;

	while (decoder->set && (decoder->operation || strcmp(decoder->set, set) != 0))
		decoder++;
	return decoder->table;
}

static void check_field(yaml_document_t *doc, const char *set, yaml_node_t *attribute,
			const struct lp_attr_field *field)
{
	const char *type = spec_text(doc, attribute, "type"),
		   *values = spec_text(doc, attribute, "enum");
	yaml_node_t *checks = spec_find(doc, attribute, "checks");

	if (strcmp(type, type_of_kind(field->kind)) != 0)
		fail_msg("%s.%s is %s in the specification, %s in the decoder", set,
			 spec_text(doc, attribute, "name"), type, type_of_kind(field->kind));
	assert_int_equal(field->kind == LP_ATTR_MANY,
			 spec_find(doc, attribute, "multi-attr") != NULL);
	if (field->kind == LP_ATTR_NEST)
		assert_ptr_equal(field->nest,
				 table_of_nest(spec_text(doc, attribute, "nested-attributes")));
	if (field->kind == LP_ATTR_STRING)
		assert_int_equal(field->size,
				 spec_const(doc, spec_text(doc, checks, "max-len")) + 1);
	if (field->max && values)
		assert_int_equal(field->max, spec_nr(spec_entries(doc, values)) - 1);
}

/* Attributes that the daemon has no use for. */
static bool is_ignored(const char *set, const char *name)
{
	return strcmp(set, "request") == 0 && strcmp(name, "vm-id") == 0;
}

static void check_decoder(yaml_document_t *doc, const struct lp_nl_decoder *decoder)
{
	yaml_node_t *attributes = spec_attributes(doc, decoder->set);
	yaml_node_t *names = decoder->operation ? spec_reply(doc, decoder->operation) : NULL;

	assert_true(decoder->table->end <= spec_nr(attributes) + 1);
	for (size_t i = 0; i < spec_nr(attributes); i++) {
		yaml_node_t *attribute = spec_item(doc, attributes, i);
		const char *name = spec_text(doc, attribute, "name");
		bool sent = !names || spec_has_name(doc, names, name);
		bool decoded = i + 1 < decoder->table->end &&
			       decoder->table->fields[i + 1].kind != LP_ATTR_SKIP;

		if (decoded)
			check_field(doc, decoder->set, attribute, &decoder->table->fields[i + 1]);
		if (sent && !decoded && !is_ignored(decoder->set, name))
			fail_msg("%s.%s is in the specification of %s, not in the decoder",
				 decoder->set, name,
				 decoder->operation ? decoder->operation : "the nest");
		if (decoded && !sent)
			fail_msg("%s.%s is decoded, but %s does not have it", decoder->set, name,
				 decoder->operation);
	}
}

static void the_decoder_reads_what_the_spec_says(void **state)
{
	struct spec_fixture *fixture = *state;

	for (const struct lp_nl_decoder *decoder = lp_nl_decoders; decoder->set; decoder++)
		check_decoder(&fixture->doc, decoder);
}

/* ---- requests ---- */

static bool length_ok(const char *type, size_t len)
{
	if (strcmp(type, "u32") == 0)
		return len == 4;
	if (strcmp(type, "u64") == 0)
		return len == 8;
	if (strcmp(type, "uint") == 0)
		return len == 4 || len == 8;
	return strcmp(type, "flag") != 0 || len == 0;
}

/* @names: the attributes that may be there; NULL: those of the set. Returns how many there are. */
static size_t check_attributes(yaml_document_t *doc, const char *set, yaml_node_t *names,
			       struct lp_attr_span span)
{
	yaml_node_t *attributes = spec_attributes(doc, set);
	struct lp_attr attr;
	size_t nr = 0;

	for (; lp_attr_next(&span, &attr) > 0; nr++) {
		yaml_node_t *attribute = spec_item(doc, attributes, attr.type - 1U);
		const char *name = spec_text(doc, attribute, "name");

		if (names && !spec_has_name(doc, names, name))
			fail_msg("%s.%s is sent, but is not in the request", set, name);
		if (!length_ok(spec_text(doc, attribute, "type"), attr.payload.len))
			fail_msg("%s.%s is %s, but is sent with %zu bytes", set, name,
				 spec_text(doc, attribute, "type"), attr.payload.len);
		if (strcmp(spec_text(doc, attribute, "type"), "nest") == 0)
			check_attributes(doc, spec_text(doc, attribute, "nested-attributes"), NULL,
					 attr.payload);
	}
	assert_int_equal(span.len, 0);
	return nr;
}

/* Frees @msg. @nr: how many attributes it has. */
static void check_request(yaml_document_t *doc, struct nl_msg *msg, const char *operation,
			  size_t nr)
{
	const struct nlmsghdr *hdr = nlmsg_hdr(msg);
	const struct lp_attr_span span = {(const char *)nlmsg_data(hdr) + GENL_HDRLEN,
					  (size_t)nlmsg_datalen(hdr) - GENL_HDRLEN};
	const char *set = spec_text(doc, spec_operation(doc, operation), "attribute-set");

	assert_int_equal(check_attributes(doc, set, spec_request(doc, operation), span), nr);
	nlmsg_free(msg);
}

static void requests_have_the_attributes_of_the_spec(void **state)
{
	static const struct lp_range range = {.start_rfn = UINT64_C(1) << 33, .nr_regions = 2};
	const struct lp_region_query query = {.vm_id = 7,
					      .start_rfn = 1,
					      .nr_regions = 2,
					      .since = 3,
					      .states = 1,
					      .present = true};
	struct spec_fixture *fixture = *state;
	yaml_document_t *doc = &fixture->doc;
	struct lp_limits limits;

	memset(&limits, 0xff, sizeof(limits));
	check_request(doc, lp_nl_build_vm_get(30, 7), "vm-get", 1);
	check_request(doc, lp_nl_build_region_get(30, &query), "region-get", 7);
	check_request(doc, lp_nl_build_policy_set(30, 7, &limits, NS_PER_S), "policy-set", 3);
	check_request(doc, lp_nl_build_range_op(30, 7, KVM_LPAGE_OP_MERGE, &range, 1, 0), "merge",
		      2);
	check_request(doc, lp_nl_build_range_op(30, 7, KVM_LPAGE_OP_SPLIT, &range, 1, 0), "split",
		      2);
	check_request(doc, lp_nl_build_range_op(30, 7, KVM_LPAGE_OP_HOLD, &range, 1, NS_PER_S),
		      "hold", 3);
	check_request(doc, lp_nl_build_range_op(30, 7, KVM_LPAGE_OP_RELEASE, &range, 1, 0),
		      "release", 2);
	check_request(doc, lp_nl_build_range_op(30, 7, KVM_LPAGE_OP_PROBE, &range, 1, NS_PER_S),
		      "probe", 3);
}

/* ---- names ---- */

static const char *reason_name(uint32_t value)
{
	return lpage_reason_name(value);
}

static const char *mode_name(uint32_t value)
{
	return config_mode_name(value);
}

static void check_names(yaml_document_t *doc, const char *definition,
			const char *(*name)(uint32_t value))
{
	yaml_node_t *entries = spec_entries(doc, definition);

	for (size_t i = 0; i < spec_nr(entries); i++)
		assert_string_equal(name((uint32_t)i),
				    spec_text(doc, spec_item(doc, entries, i), "name"));
}

static void values_have_the_names_of_the_spec(void **state)
{
	struct spec_fixture *fixture = *state;

	check_names(&fixture->doc, "state", lpage_state_name);
	check_names(&fixture->doc, "op", lpage_op_name);
	check_names(&fixture->doc, "layer", lpage_layer_name);
	check_names(&fixture->doc, "reason", reason_name);
	check_names(&fixture->doc, "mode", mode_name);
}

static int setup(void **state)
{
	struct spec_fixture *fixture = calloc(1, sizeof(*fixture));

	spec_open(&fixture->doc);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct spec_fixture *fixture = *state;

	yaml_document_delete(&fixture->doc);
	free(fixture);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_uapi_header_has_the_numbers_of_the_spec),
		T(the_decoder_reads_what_the_spec_says),
		T(requests_have_the_attributes_of_the_spec),
		T(values_have_the_names_of_the_spec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
