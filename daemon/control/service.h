/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CONTROL_SERVICE_H
#define TDX_LPAGE_CONTROL_SERVICE_H

#include <stdbool.h>

#include "daemon/control/call.h"

/*
 * Finds the method by its full name, checks parameters and rights (@write), and calls it. @call has
 * been answered on return, or is kept by a method that can be cancelled.
 */
void control_dispatch(struct control_call *call, const char *method, bool write);

#endif
