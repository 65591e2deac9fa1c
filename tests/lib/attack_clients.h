/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that misbehave, for attack_host_attack(): each runs until it is killed. */
#ifndef TDX_LPAGE_TESTS_ATTACK_CLIENTS_H
#define TDX_LPAGE_TESTS_ATTACK_CLIENTS_H

#include "tests/lib/attack_host.h"

/* They connect and say nothing. */
attack_fn attack_silent;
/* A frame that has no end. */
attack_fn attack_half;
/* Calls, one byte at a time. */
attack_fn attack_trickle;
/* As many calls as the socket takes, of the dearest kind, without waiting for answers. */
attack_fn attack_pipeline;
/* The same, and no answer is read. */
attack_fn attack_never_read;
/* Frames of more than 1 MiB. */
attack_fn attack_oversized;
/* Random bytes, and frames that are nearly calls. */
attack_fn attack_garbage;

#endif
