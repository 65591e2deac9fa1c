/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netlink specification of the family, as the kernel patches install it. Nodes are libyaml's and belong to the
 * document. Functions assert that what is asked for is there, unless they say otherwise.
 */
#ifndef TDX_LPAGE_TESTS_NL_SPEC_H
#define TDX_LPAGE_TESTS_NL_SPEC_H

#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

/* Reads the file that the build took out of the patches. To be freed with yaml_document_delete(). */
void spec_open(yaml_document_t *doc);

/* The value of @key in a mapping, NULL if there is none. */
yaml_node_t *spec_find(yaml_document_t *doc, yaml_node_t *map, const char *key);
/* The text of the value of @key in a mapping, NULL if there is none. */
const char *spec_text(yaml_document_t *doc, yaml_node_t *map, const char *key);

size_t spec_nr(const yaml_node_t *list);
yaml_node_t *spec_item(yaml_document_t *doc, const yaml_node_t *list, size_t i);
/* The item of a list whose name is @name, NULL if there is none. *@ret_index, if not NULL, gets its index. */
yaml_node_t *spec_named(yaml_document_t *doc, const yaml_node_t *list, const char *name,
			size_t *ret_index);

/* The attributes of a set; the entries of an enumeration; an operation. */
yaml_node_t *spec_attributes(yaml_document_t *doc, const char *set);
yaml_node_t *spec_entries(yaml_document_t *doc, const char *name);
yaml_node_t *spec_operation(yaml_document_t *doc, const char *name);
/* The value of a constant. */
uint64_t spec_const(yaml_document_t *doc, const char *name);

/* The names of the attributes of an operation's request, or of its reply or event. */
yaml_node_t *spec_request(yaml_document_t *doc, const char *operation);
yaml_node_t *spec_reply(yaml_document_t *doc, const char *operation);
/* Is @name one of a list of names? */
int spec_has_name(yaml_document_t *doc, const yaml_node_t *names, const char *name);

#endif
