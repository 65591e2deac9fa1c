// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/nl_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void spec_open(yaml_document_t *doc)
{
	const char *build = getenv("TDX_LPAGE_BUILD");
	yaml_parser_t parser;
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/../netlink-spec/kvm_lpage.yaml",
		 build ? build : "build/san");
	f = fopen(path, "r");
	if (!f)
		fail_msg("cannot read %s", path);
	assert_true(yaml_parser_initialize(&parser));
	yaml_parser_set_input_file(&parser, f);
	assert_true(yaml_parser_load(&parser, doc));
	yaml_parser_delete(&parser);
	fclose(f);
}

static const char *node_text(const yaml_node_t *node)
{
	assert_non_null(node);
	assert_int_equal(node->type, YAML_SCALAR_NODE);
	return (const char *)node->data.scalar.value;
}

yaml_node_t *spec_find(yaml_document_t *doc, yaml_node_t *map, const char *key)
{
	assert_non_null(map);
	assert_int_equal(map->type, YAML_MAPPING_NODE);
	for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
	     pair < map->data.mapping.pairs.top; pair++) {
		if (strcmp(node_text(yaml_document_get_node(doc, pair->key)), key) == 0)
			return yaml_document_get_node(doc, pair->value);
	}
	return NULL;
}

const char *spec_text(yaml_document_t *doc, yaml_node_t *map, const char *key)
{
	const yaml_node_t *node = spec_find(doc, map, key);

	return node ? node_text(node) : NULL;
}

size_t spec_nr(const yaml_node_t *list)
{
	assert_non_null(list);
	assert_int_equal(list->type, YAML_SEQUENCE_NODE);
	return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

yaml_node_t *spec_item(yaml_document_t *doc, const yaml_node_t *list, size_t i)
{
	assert_true(i < spec_nr(list));
	return yaml_document_get_node(doc, list->data.sequence.items.start[i]);
}

yaml_node_t *spec_named(yaml_document_t *doc, const yaml_node_t *list, const char *name,
			size_t *ret_index)
{
	for (size_t i = 0; i < spec_nr(list); i++) {
		yaml_node_t *item = spec_item(doc, list, i);

		if (strcmp(spec_text(doc, item, "name"), name) != 0)
			continue;
		if (ret_index)
			*ret_index = i;
		return item;
	}
	return NULL;
}

static yaml_node_t *section(yaml_document_t *doc, const char *name)
{
	return spec_find(doc, yaml_document_get_root_node(doc), name);
}

yaml_node_t *spec_attributes(yaml_document_t *doc, const char *set)
{
	return spec_find(doc, spec_named(doc, section(doc, "attribute-sets"), set, NULL),
			 "attributes");
}

yaml_node_t *spec_entries(yaml_document_t *doc, const char *name)
{
	return spec_find(doc, spec_named(doc, section(doc, "definitions"), name, NULL), "entries");
}

yaml_node_t *spec_operation(yaml_document_t *doc, const char *name)
{
	return spec_named(doc, spec_find(doc, section(doc, "operations"), "list"), name, NULL);
}

uint64_t spec_const(yaml_document_t *doc, const char *name)
{
	const char *text =
		spec_text(doc, spec_named(doc, section(doc, "definitions"), name, NULL), "value");

	assert_non_null(text);
	return strtoull(text, NULL, 0);
}

/* In "do", or in "dump" if there is no "do" with a @part. */
static yaml_node_t *part_attributes(yaml_document_t *doc, yaml_node_t *operation, const char *part)
{
	static const char *const modes[] = {"do", "dump"};

	for (size_t i = 0; i < 2; i++) {
		yaml_node_t *mode = spec_find(doc, operation, modes[i]);
		yaml_node_t *found = mode ? spec_find(doc, mode, part) : NULL;

		if (found)
			return spec_find(doc, found, "attributes");
	}
	return NULL;
}

yaml_node_t *spec_request(yaml_document_t *doc, const char *operation)
{
	return part_attributes(doc, spec_operation(doc, operation), "request");
}

yaml_node_t *spec_reply(yaml_document_t *doc, const char *operation)
{
	yaml_node_t *node = spec_operation(doc, operation), *event = spec_find(doc, node, "event");

	return event ? spec_find(doc, event, "attributes") : part_attributes(doc, node, "reply");
}

int spec_has_name(yaml_document_t *doc, const yaml_node_t *names, const char *name)
{
	for (size_t i = 0; i < spec_nr(names); i++) {
		if (strcmp(node_text(spec_item(doc, names, i)), name) == 0)
			return 1;
	}
	return 0;
}
