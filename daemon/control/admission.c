// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control/admission.h"

#include "daemon/control/control.h"

const char *admission_refuses(const uid_t *uids, size_t nr, uid_t uid)
{
	size_t places = CONTROL_CLIENTS_MAX - (uid ? ADMISSION_ROOT : 0);
	size_t same = 0;

	for (size_t i = 0; i < nr; i++)
		same += uids[i] == uid;
	if (same >= ADMISSION_PER_UID)
		return "its user has as many connections as one user may have";
	return nr >= places ? "all places are taken" : NULL;
}

unsigned int refusals_count(struct refusals *refusals, uint64_t now_ns)
{
	unsigned int nr = ++refusals->nr;

	if (refusals->last_ns && now_ns - refusals->last_ns < REFUSALS_NS)
		return 0;
	*refusals = (struct refusals){.last_ns = now_ns};
	return nr;
}
