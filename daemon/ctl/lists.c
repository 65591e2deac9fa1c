// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ctl/lists.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/range.h"
#include <tdx-lpage/protocol.h>

json_t *ctl_fresh(const struct ctl *ctl)
{
	json_t *params = json_object();

	if (ctl_option(ctl, "--fresh"))
		json_object_set_new(params, "fresh", json_true());
	return params;
}

void ctl_print_no_vms(struct ctl *ctl, const json_t *host)
{
	fputs(get_bool(host, "degraded") ? "the list of VMs is not known; see tdx-lpctl doctor\n" :
					   "no VM with private memory is running\n",
	      ctl->out);
}

int ctl_say_no_vms(struct ctl *ctl)
{
	json_t *status;
	int r = ctl_call(ctl, "Status", NULL, &status);

	if (r != CTL_OK)
		return r;
	ctl_print_no_vms(ctl, json_object_get(status, "host"));
	json_decref(status);
	return CTL_OK;
}

struct parts {
	const char *method;
	const char *list;  /* in the reply */
	const char *next;  /* likewise */
	const char *start; /* in the parameters */
};

/* Makes @params ask for what follows; a range keeps its end. */
static void go_on(const struct parts *parts, json_t *params, const json_t *next)
{
	json_int_t start = json_integer_value(json_object_get(params, parts->start));
	json_t *nr = json_object_get(params, "nr_regions");

	if (nr)
		json_integer_set(nr, json_integer_value(nr) - (json_integer_value(next) - start));
	json_object_set_new(params, parts->start, json_integer(json_integer_value(next)));
	/* One look at the kernel is enough. */
	json_object_del(params, "fresh");
}

/* Takes the reference to @params. */
static int collect(struct ctl *ctl, const struct parts *parts, json_t *params, size_t limit,
		   json_int_t *ret_vm, json_t **ret)
{
	json_t *all = json_array(), *reply = NULL, *next;
	int r = CTL_OK;

	do {
		size_t left = limit - json_array_size(all);

		json_object_set_new(params, "limit",
				    json_integer(left < CONTROL_REGIONS_LIMIT ?
							 (json_int_t)left :
							 CONTROL_REGIONS_LIMIT));
		r = ctl_call(ctl, parts->method, json_incref(params), &reply);
		if (r != CTL_OK)
			break;
		json_array_extend(all, json_object_get(reply, parts->list));
		*ret_vm = json_integer_value(json_object_get(reply, "vm"));
		next = json_object_get(reply, parts->next);
		r = json_is_integer(next) ? -1 : CTL_OK;
		go_on(parts, params, next);
		json_decref(reply);
	} while (r < 0 && json_array_size(all) < limit);
	json_decref(params);
	if (r > 0) {
		json_decref(all);
		return r;
	}
	*ret = all;
	return CTL_OK;
}

int ctl_list_vms(struct ctl *ctl, json_t *params, json_t **ret)
{
	static const struct parts parts = {"ListVms", "vms", "next", "start"};

	json_int_t none;

	return collect(ctl, &parts, params ? params : json_object(), SIZE_MAX, &none, ret);
}

int ctl_list_regions(struct ctl *ctl, json_t *params, size_t limit, json_int_t *ret_vm,
		     json_t **ret)
{
	static const struct parts parts = {"ListRegions", "regions", "next_rfn", "start_rfn"};

	return collect(ctl, &parts, params, limit, ret_vm, ret);
}

int ctl_range_param(struct ctl *ctl, json_t *params)
{
	const char *text = ctl_option(ctl, "--range");
	struct range range;
	int r;

	if (!text)
		return CTL_OK;
	r = range_parse(text, &range);
	if (r < 0 && r != -EDOM)
		return ctl_usage_error(ctl,
				       "--range %s: must be START-END with END above START, "
				       "START+SIZE or START, below 2^52, such as 2G-3G",
				       text);
	json_object_set_new(params, "start_rfn", json_integer((json_int_t)range.start_rfn));
	json_object_set_new(params, "nr_regions", json_integer((json_int_t)range.nr_regions));
	return CTL_OK;
}

json_t *ctl_add_range(json_t *list, uint64_t start_rfn, uint64_t nr_regions)
{
	json_t *range = json_pack("{s:I, s:I}", "start_rfn", (json_int_t)start_rfn, "nr_regions",
				  (json_int_t)nr_regions);

	json_array_append_new(list, range);
	return range;
}

static int bad_range(struct ctl *ctl, const char *text, int error, const struct range *range)
{
	if (error == -EDOM)
		return ctl_usage_error(ctl,
				       "\"%s\" is not in whole regions of 2 MiB; the next that is: "
				       "0x%" PRIx64 "-0x%" PRIx64,
				       text, range->start_rfn * REGION_BYTES,
				       (range->start_rfn + range->nr_regions) * REGION_BYTES);
	return ctl_usage_error(ctl,
			       "\"%s\": must be START-END with END above START, START+SIZE or "
			       "START, below 2^52, such as 2G-3G",
			       text);
}

int ctl_parse_ranges(struct ctl *ctl, json_t *list)
{
	for (int i = 1; i < ctl->nr_args; i++) {
		struct range range = {0};
		int r = range_parse(ctl->args[i], &range);

		if (r < 0)
			return bad_range(ctl, ctl->args[i], r, &range);
		ctl_add_range(list, range.start_rfn, range.nr_regions);
	}
	return CTL_OK;
}
