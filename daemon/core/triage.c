// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/triage.h"

#include <errno.h>
#include <stddef.h>

#include <tdx-lpage/base.h>

struct delay {
	uint64_t first_ms;
	uint64_t longest_ms;
};

static const struct {
	int error;
	enum lp_triage triage;
} table[] = {
	{EBUSY, LP_TRIAGE_TRANSIENT},	/* the VM's queue is full */
	{ENOBUFS, LP_TRIAGE_TRANSIENT}, /* the answer was lost */
	{ENOMEM, LP_TRIAGE_TRANSIENT},
	{ETIMEDOUT, LP_TRIAGE_TRANSIENT},
	{EINTR, LP_TRIAGE_TRANSIENT},
	{ENOTCONN, LP_TRIAGE_TRANSIENT}, /* the link will report whether the family is gone */
	{EAGAIN, LP_TRIAGE_NOT_RUN},
	{ESRCH, LP_TRIAGE_VM_GONE},
	{ENODEV, LP_TRIAGE_VM_GONE},
	{EINVAL, LP_TRIAGE_VM_FAULT},
	{ERANGE, LP_TRIAGE_VM_FAULT},
	{EMSGSIZE, LP_TRIAGE_VM_FAULT},
	{EOPNOTSUPP, LP_TRIAGE_VM_FAULT},
	{EBADMSG, LP_TRIAGE_VM_FAULT},
	{EPERM, LP_TRIAGE_HOST},
	{EACCES, LP_TRIAGE_HOST},
};

enum lp_triage lp_triage(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].error == -error)
			return table[i].triage;
	}
	return LP_TRIAGE_TRANSIENT;
}

enum lpage_reason lp_triage_reason(enum lp_triage triage)
{
	switch (triage) {
	case LP_TRIAGE_NOT_RUN:
		return LPAGE_REASON_NOT_RUNNING;
	case LP_TRIAGE_VM_GONE:
		return LPAGE_REASON_VM_GONE;
	case LP_TRIAGE_TRANSIENT:
	case LP_TRIAGE_VM_FAULT:
	case LP_TRIAGE_HOST:
		break;
	}
	return LPAGE_REASON_BUSY;
}

uint64_t lp_triage_delay_ns(enum lp_triage triage, unsigned int failures)
{
	static const struct delay delays[] = {
		[LP_TRIAGE_TRANSIENT] = {100, 30 * 1000},
		[LP_TRIAGE_NOT_RUN] = {1000, 60 * 1000},
		[LP_TRIAGE_VM_GONE] = {100, 10 * 1000},
		[LP_TRIAGE_VM_FAULT] = {10 * 1000, 600 * 1000},
		[LP_TRIAGE_HOST] = {10 * 1000, 600 * 1000},
	};
	uint64_t ms = delays[triage].first_ms;

	for (unsigned int i = 1; i < failures && ms < delays[triage].longest_ms; i++)
		ms *= 2;
	return (ms < delays[triage].longest_ms ? ms : delays[triage].longest_ms) * NS_PER_MS;
}
